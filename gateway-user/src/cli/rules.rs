//! `gateway rules`: every rule there is, whether rule files do what they say, and one rule in full.

use serde_json::{Value, json};

use super::args::{Common, RulesAction};
use super::output::{self, line, table};
use super::{Failure, Outcome, config};
use crate::app;
use crate::config::did_you_mean;
use crate::inspect::rules::{Matcher, Rule};
use crate::inspect::{Category, RuleSet};
use crate::wire::event::Direction;

/// Runs one of the actions.
pub fn rules(common: &Common, action: &RulesAction) -> Outcome {
    let mut rules = app::rules(&config::load(common, |_| ())?)?;
    match action {
        RulesAction::List { class } => list(common, &rules, class.as_deref()),
        RulesAction::Test { files } => {
            // Reading a file tries its examples.
            for file in files {
                rules.extend_from_file(file)?;
            }
            rules.try_examples()?;
            let examples: usize =
                rules.rules().map(|rule| rule.examples.len() + rule.counter_examples.len()).sum();
            let count = rules.iter().count();
            match common.json {
                true => output::json(&json!({ "rules": count, "examples": examples })),
                false => line(format_args!("{count} rules, {examples} examples: all as they should be")),
            }
            Ok(0)
        }
        RulesAction::Explain { id } => explain(common, &rules, id),
    }
}

fn list(common: &Common, rules: &RuleSet, class: Option<&str>) -> Outcome {
    let wanted = match class {
        None => None,
        Some(name) => Some(Category::parse(name).ok_or_else(|| {
            Failure::command(format!(
                "--class {name}: no such class; there are {}",
                Category::NAMES.join(", ")
            ))
        })?),
    };
    let chosen: Vec<_> =
        rules.iter().filter(|rule| wanted.is_none_or(|category| rule.category == category)).collect();
    if common.json {
        output::json(&chosen.iter().map(|rule| summary(rule)).collect::<Value>());
        return Ok(0);
    }
    let row = |rule: &&crate::inspect::RuleInfo| {
        let summary = summary(rule);
        ["rule", "class", "severity", "request", "reply", "about"]
            .map(|field| output::text(&summary[field]))
            .into()
    };
    let rows: Vec<Vec<String>> = chosen.iter().map(row).collect();
    table(&["RULE", "CLASS", "SEVERITY", "REQUEST", "REPLY", "LOOKS FOR"], &rows);
    line(format_args!("\n{} rules", rows.len()));
    Ok(0)
}

fn summary(rule: &crate::inspect::RuleInfo) -> Value {
    json!({
        "rule": rule.id,
        "class": rule.category,
        "severity": rule.severity,
        "request": rule.action(Direction::Request),
        "reply": rule.action(Direction::Reply),
        "about": rule.description,
    })
}

fn explain(common: &Common, rules: &RuleSet, id: &str) -> Outcome {
    let Some(rule) = rules.rules().find(|rule| rule.info.id == id) else {
        let known: Vec<&str> = rules.iter().map(|rule| rule.id.as_str()).collect();
        let hint = did_you_mean(id, known).map_or(String::new(), |hint| format!(" ({hint})"));
        return Err(Failure::from(anyhow::anyhow!(
            "no rule is called {id}{hint}; `gateway rules list` names all"
        )));
    };
    let mut all = whole(rule);
    if matches!(&rule.matcher, Matcher::Scored(scored) if scored.head.is_some()) {
        all.push(("model", json!(rules.model().note().lines().collect::<Vec<_>>())));
    }
    if common.json {
        output::json(&all.into_iter().collect::<Value>());
        return Ok(0);
    }
    for (name, value) in &all {
        let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        values
            .iter()
            .for_each(|value| line(format_args!("{:<16} {}", format!("{name}:"), output::text(value))));
    }
    Ok(0)
}

/// Everything about a rule, by name, in the order people read it.
fn whole(rule: &Rule) -> Vec<(&'static str, Value)> {
    let mut all = summary(&rule.info);
    let mut parts: Vec<(&'static str, Value)> = ["rule", "about", "class", "severity", "request", "reply"]
        .map(|name| (name, all[name].take()))
        .into();
    parts.push(match &rule.matcher {
        Matcher::Pattern(pattern) => ("pattern", json!(pattern)),
        Matcher::Tail { head, .. } => ("pattern", json!(format!("{head} and what follows of its kind"))),
        Matcher::Until { head, terminator } => ("pattern", json!(format!("{head} up to {terminator}"))),
        Matcher::Words { words, .. } => ("words", json!(words.len())),
        Matcher::Scored(scored) => ("signals", json!(scored.describe())),
    });
    parts.push(("mask", json!(rule.info.mask)));
    parts.push(("longest", json!(format!("{} bytes", rule.info.max_length))));
    parts.push(("example", json!(rule.examples)));
    parts.push(("counter-example", json!(rule.counter_examples)));
    parts
}
