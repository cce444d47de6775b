//! Tests of `security:`: the form operators know it in, and every mistake with its place.

use super::*;
use crate::config::{Config, Layers};

fn load(name: &str, text: &str) -> Result<Config, Vec<String>> {
    let file = std::env::temp_dir().join(format!("gateway-security-{}-{name}.yaml", std::process::id()));
    std::fs::write(&file, text).unwrap();
    let loaded = Layers::new().file(&file).load();
    std::fs::remove_file(&file).unwrap();
    loaded.map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

#[test]
fn the_block_is_read_as_written() {
    let text = r#"
security:
  prompt_firewall:
    enabled: true
    rules:
      - name: detect_injection
        pattern: "ignore previous|forget instructions|system:"
        action: block
        severity: high
      - name: own
        pattern: "open sesame"
    ml_detection: { enabled: true, model: builtin, threshold: 0.8 }
  content_filter:
    enabled: true
    toxicity:
      enabled: true
      threshold: 0.6
      categories: [hate_speech, violence, sexual_content, self_harm]
    pii_detection: { enabled: true, auto_redact: true, types: [email, phone, ssn, credit_card, ip_address] }
"#;
    let Security { prompt_firewall, content_filter } = load("whole", text).unwrap().security;
    assert_eq!((prompt_firewall.enabled, content_filter.enabled), (Switch::On, Switch::On));
    let [first, second] = &prompt_firewall.rules[..] else { panic!("{:?}", prompt_firewall.rules) };
    assert_eq!(
        (first.name.as_str(), first.action, first.severity.as_str()),
        ("detect-injection", Action::Block, "high")
    );
    assert_eq!((second.action, second.severity.as_str()), (Action::Block, "high"));
    assert_eq!(prompt_firewall.ml_detection.threshold, 0.8);
    assert_eq!(content_filter.toxicity.threshold, 0.6);
    assert!(!content_filter.toxicity.categories.contains(&ContentCategory::ChildSafety));
    assert_eq!(content_filter.pii_detection.types.len(), 5);
    let unset = Config::built_in().security;
    assert_eq!((unset.prompt_firewall.enabled, unset.content_filter.enabled), (Switch::Unset, Switch::Unset));
}

#[track_caller]
fn check(name: &str, text: &str, expected: &str) {
    let said = load(name, &format!("security: {{{text}}}")).expect_err("a mistake").join("\n");
    assert!(said.contains(expected), "`{expected}` is not in `{said}`");
}

#[test]
fn mistakes_are_said_with_what_to_do() {
    check("model", "prompt_firewall: {ml_detection: {model: prompt-guard-v1}}", "write builtin");
    check("certain", "prompt_firewall: {ml_detection: {threshold: 1}}", "never certain");
    check("zero", "content_filter: {toxicity: {threshold: 0}}", "above 0");
    check("pattern", "prompt_firewall: {rules: [{name: a}]}", "needs `name` and `pattern`");
    check(
        "redact",
        "prompt_firewall: {rules: [{name: a, pattern: b, action: redact}]}",
        "allow, warn or block",
    );
    check("severity", "prompt_firewall: {rules: [{name: a, pattern: b, severity: bad}]}", "none of low");
    check("category", "content_filter: {toxicity: {categories: [hate]}}", "hate_speech");
    check("switch", "prompt_firewall: {enabled: maybe}", "none of true, false");
}
