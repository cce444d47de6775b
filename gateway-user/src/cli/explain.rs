//! `gateway explain`: every setting, where it comes from, and what the rules hold back.

use serde_json::json;

use super::{
    Outcome,
    args::Common,
    config,
    output::{self, line, table},
};
use crate::{
    app,
    config::{Action, AppConfig, Config, Explained, Mode},
    inspect::{Engine, RuleInfo, tokens::MAX_TOKEN},
    wire::event::Direction,
};

/// All of a token but its last byte.
const HELD_FOR_A_TOKEN: usize = MAX_TOKEN - 1;

/// Prints the effective configuration and the effect of the rules.
pub fn explain(common: &Common) -> Outcome {
    let config = config::load(common, |_| ())?;
    // The key only matters for digests, and nothing is scanned here.
    let engine = &app::engine(&config, &[0; 32])?;
    let settings = config.explain();
    let held: Vec<(Direction, Vec<crate::inspect::Hold>)> =
        [Direction::Request, Direction::Reply].map(|direction| (direction, engine.held_by(direction))).into();
    let rules = rules(engine, config.mode);
    if common.json {
        let held: Vec<_> = held
            .iter()
            .flat_map(|(direction, holds)| {
                holds.iter().map(move |hold| {
                    json!({
                        "direction": direction,
                        "rule": engine.rule(hold.rule).id,
                        "action": engine.action(hold.rule, *direction),
                        "most_bytes": hold.most,
                    })
                })
            })
            .collect();
        let apps: Vec<_> = config.apps.iter().map(|app| described(app, &config)).collect();
        output::json(&json!({
            "settings": settings,
            "apps": apps,
            "rules": rules,
            "held": held,
            "held_for_tokens": if engine.tokenizes() { HELD_FOR_A_TOKEN } else { 0 },
            "engine_bytes": engine.memory(),
        }));
        return Ok(0);
    }
    let row =
        |of: &Explained| vec![of.key.to_owned(), of.value.clone(), of.origin.clone(), of.about.to_owned()];
    let rows: Vec<Vec<String>> = settings.iter().map(row).collect();
    table(&["KEY", "VALUE", "FROM", "MEANING"], &rows);
    for app in &config.apps {
        line("");
        let name = app.name.as_ref().map_or(String::new(), |name| format!(", called {name}"));
        let own = app.config.explain_over(&config);
        let rest = if own.is_empty() { "as above" } else { "as above, but for" };
        line(format_args!("The app in {}{name}: {rest}", app.place));
        if !own.is_empty() {
            table(&["KEY", "VALUE", "FROM", "MEANING"], &own.iter().map(row).collect::<Vec<_>>());
        }
    }
    for (direction, holds) in &held {
        line("");
        line(match direction {
            Direction::Request => "Requests are judged whole before a byte leaves. Enforced in them:",
            Direction::Reply => {
                "A streamed reply waits only while a match may still be in the making. Enforced in it:"
            }
        });
        let rows: Vec<Vec<String>> = holds
            .iter()
            .map(|hold| {
                let rule = engine.rule(hold.rule);
                vec![
                    rule.id.clone(),
                    format!("{:?}", engine.action(hold.rule, *direction)).to_lowercase(),
                    hold.most.to_string(),
                ]
            })
            .collect();
        table(&["RULE", "ACTION", ">HOLDS AT MOST (BYTES)"], &rows);
    }
    if engine.tokenizes() {
        line("");
        line(format_args!(
            "Tokens in replies become values again: what may still become one is held from its [ on, {HELD_FOR_A_TOKEN} bytes at most."
        ));
    }
    line("");
    line("Every rule, and what it does. Rules that allow do not look; those that warn hold nothing back.");
    let rows: Vec<Vec<String>> = rules
        .iter()
        .map(|rule| {
            ["rule", "category", "request", "reply", "about"].map(|field| output::text(&rule[field])).into()
        })
        .collect();
    table(&["RULE", "CATEGORY", "REQUEST", "REPLY", "LOOKS FOR"], &rows);
    Ok(0)
}

/// Every rule with its effective actions.
fn rules(engine: &Engine, mode: Mode) -> Vec<serde_json::Value> {
    let most = if mode == Mode::Warn { Action::Warn } else { Action::Block };
    let action = |rule: &RuleInfo, direction| rule.action(direction).min(most).to_string();
    let one = |rule: &RuleInfo| {
        json!({
            "rule": rule.id,
            "category": rule.category,
            "request": action(rule, Direction::Request),
            "reply": action(rule, Direction::Reply),
            "about": rule.description,
        })
    };
    engine.rules().iter().map(one).collect()
}

/// An app of the configuration, for machines: where it is, and what is its own.
fn described(app: &AppConfig, top: &Config) -> serde_json::Value {
    json!({
        "place": app.place.to_string(),
        "name": app.name,
        "settings": app.config.explain_over(top),
    })
}
