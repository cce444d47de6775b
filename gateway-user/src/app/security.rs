//! What `security:` of the configuration means for the rules: which are on, what they do, which model they ask.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow};

use crate::config::{ModelName, PiiType, Security, Switch};
use crate::inspect::firewall::{self, Tuning};
use crate::inspect::{Action, Category, RuleSet};
use crate::wire::event::Direction;

/// The keys whose rules and models errors are about.
const RULES: &str = "security.prompt_firewall.rules";
const MODEL: &str = "security.prompt_firewall.ml_detection.model";

/// Changes the rules as the configuration asks; actions by rule id are set afterwards, and win.
///
/// # Errors
/// When a pattern cannot be used, or the model file cannot be read.
pub fn apply(rules: &mut RuleSet, security: &Security) -> anyhow::Result<()> {
    injection(rules, security)?;
    content(rules, security)?;
    personal(rules, security)
}

fn injection(rules: &mut RuleSet, security: &Security) -> anyhow::Result<()> {
    let asked = &security.prompt_firewall;
    if asked.enabled == Switch::Off {
        return set(rules, "injection", [Action::Allow; 2]);
    }
    if asked.enabled == Switch::On {
        rules.set_action("injection", Direction::Request, Action::Block)?;
    }
    let detection = &asked.ml_detection;
    let tuning = Tuning {
        model_threshold: Some(detection.threshold),
        without_model: !detection.enabled,
        ..Tuning::default()
    };
    rules.tune(Category::Injection, tuning);
    if let ModelName::File(path) = &detection.model {
        rules.set_model(Arc::from(open(path)?));
    }
    for rule in &asked.rules {
        let phrases = firewall::phrases_of(&rule.pattern)
            .map_err(|problem| anyhow!("{RULES}: rule `{}`: {problem}", rule.name))?;
        let text = serde_json::json!({ "rules": [{
            "id": rule.name,
            "category": "injection",
            "severity": rule.severity,
            "description": format!("A pattern of {RULES}."),
            "kinds": ["user", "tool_result"],
            "action": { "request": rule.action, "reply": "allow" },
            "signals": [{ "name": "pattern", "weight": 1, "whole_words": true, "phrases": phrases }],
        }]});
        // JSON is YAML.
        rules.extend_from_text(RULES, &text.to_string(), None)?;
    }
    Ok(())
}

fn open(path: &Path) -> anyhow::Result<Box<dyn firewall::Scorer>> {
    firewall::open(path).with_context(|| format!("{MODEL}: {}", path.display()))
}

fn content(rules: &mut RuleSet, security: &Security) -> anyhow::Result<()> {
    let asked = &security.content_filter;
    if asked.enabled == Switch::Off || !asked.toxicity.enabled {
        return set(rules, "toxicity", [Action::Allow; 2]);
    }
    let tuning = Tuning { threshold: Some(asked.toxicity.threshold), ..Tuning::default() };
    rules.tune(Category::Toxicity, tuning);
    if asked.enabled == Switch::On {
        set(rules, "toxicity", [Action::Block; 2])?;
    }
    let kept: Vec<&str> = asked.toxicity.categories.iter().map(|category| category.rule()).collect();
    let of_category = rules.iter().filter(|rule| rule.category == Category::Toxicity);
    let off: Vec<String> =
        of_category.filter(|rule| !kept.contains(&rule.id.as_str())).map(|rule| rule.id.clone()).collect();
    off.iter().try_for_each(|id| set(rules, id, [Action::Allow; 2]))
}

fn personal(rules: &mut RuleSet, security: &Security) -> anyhow::Result<()> {
    let asked = &security.content_filter.pii_detection;
    let action = match (asked.enabled, asked.auto_redact) {
        (Switch::Unset, _) => return Ok(()),
        (Switch::Off, _) => Action::Allow,
        (Switch::On, true) => Action::Redact,
        (Switch::On, false) => Action::Warn,
    };
    let wanted = |kind: &str| {
        let is = |of: &PiiType| kind == of.entity() || kind.ends_with(&format!("_{}", of.entity()));
        asked.types.is_empty() || asked.types.iter().any(is)
    };
    let ids: Vec<String> = rules
        .iter()
        .filter(|rule| rule.category == Category::Pii && wanted(&rule.kind))
        .map(|rule| rule.id.clone())
        .collect();
    ids.iter().try_for_each(|id| set(rules, id, [action; 2]))
}

/// Sets what a rule or category does in both directions.
fn set(rules: &mut RuleSet, name: &str, [request, reply]: [Action; 2]) -> anyhow::Result<()> {
    rules.set_action(name, Direction::Request, request)?;
    Ok(rules.set_action(name, Direction::Reply, reply)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::inspect::{Engine, find};

    /// The rules under these keys, in the form a file has them.
    fn rules(text: &str) -> anyhow::Result<RuleSet> {
        let file = std::env::temp_dir().join(format!("gateway-app-security-{}.yaml", fold(text)));
        std::fs::write(&file, format!("security: {{{text}}}"))?;
        let config: Config = crate::config::Layers::new().file(&file).load().expect("it can be read");
        std::fs::remove_file(&file)?;
        crate::app::rules(&config)
    }

    fn fold(text: &str) -> u64 {
        text.bytes().fold(u64::from(std::process::id()), |hash, byte| hash * 31 % 1_000_003 + u64::from(byte))
    }

    /// What a rule does with requests and replies under these keys.
    #[track_caller]
    fn check(text: &str, rule: &str, expected: [Action; 2]) {
        let rules = rules(text).expect("the keys are sound");
        let rule = rules.iter().find(|info| info.id == rule).expect("such a rule");
        let actions = [Direction::Request, Direction::Reply].map(|direction| rule.action(direction));
        assert_eq!(actions, expected, "{text}");
    }

    #[test]
    fn switches_decide_what_rules_do() {
        use Action::{Allow, Block, Redact, Warn};
        check("", "prompt-injection", [Warn, Allow]);
        check("prompt_firewall: {enabled: true}", "indirect-injection", [Block, Allow]);
        check("prompt_firewall: {enabled: false}", "prompt-injection", [Allow, Allow]);
        check("", "violence", [Warn, Warn]);
        check("content_filter: {enabled: true}", "violence", [Block, Block]);
        let some = "content_filter: {enabled: true, toxicity: {categories: [self_harm]}}";
        check(some, "self-harm", [Block, Block]);
        check(some, "violence", [Allow, Allow]);
        check("content_filter: {toxicity: {enabled: false}}", "hate", [Allow, Allow]);
        let personal = "content_filter: {pii_detection: {enabled: true, auto_redact: true, types: [email]}}";
        check(personal, "email", [Redact, Redact]);
    }

    #[test]
    fn own_patterns_are_taken_as_written() {
        let own = |pattern: &str| {
            rules(&format!("prompt_firewall: {{rules: [{{name: own_rule, pattern: '{pattern}'}}]}}"))
        };
        let engine = Engine::build(&own("ignore previous|DAN|system:").unwrap(), true, &[0; 32]).unwrap();
        let finds = |text: &str| {
            let found = find(&engine, Direction::Request, text);
            found.iter().any(|finding| engine.rule(finding.rule).id == "own-rule")
        };
        for text in ["Please IGNORE previous", "you are dan", "System: hello", "x\nignore  previous text"] {
            assert!(finds(text), "{text}");
        }
        for text in ["we dance", "Jordan", "ecosystem: green", "ignore the previous"] {
            assert!(!finds(text), "{text}");
        }
        let said = format!("{:#}", own("ignore.*previous").unwrap_err());
        assert!(said.contains("own-rule") && said.contains("upper length"), "{said}");
        assert!(own("(ab").is_err() && own("[a-z]{9}").is_err() && own("a||b").is_err());
    }
}
