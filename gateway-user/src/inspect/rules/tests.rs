//! What a rule file may say, what it may not, and that every rule finds its own examples.

use super::*;

#[test]
fn every_builtin_example_is_found() {
    let mut set = RuleSet::empty();
    for (file, text) in BUILTIN {
        set.extend_from_text(file, text, None).unwrap_or_else(|errors| panic!("{errors}"));
    }
    assert_eq!(set.iter().count(), RuleSet::builtin().iter().count(), "no id in two files");
    for rule in set.rules() {
        let id = &rule.info.id;
        assert!(
            !rule.examples.is_empty() && !rule.counter_examples.is_empty(),
            "{id} has both sorts of examples"
        );
        assert!(rule.info.mask.is_ascii() && rule.info.mask.contains("_REDACTED]"), "{id}");
    }
}

/// A rule file of one rule with these keys beside the usual ones.
fn file(keys: &str) -> String {
    format!("rules: [{{id: r, category: secret, severity: low, description: d, {keys}}}]")
}

fn problems(text: &str) -> String {
    RuleSet::empty().extend_from_text("f.yaml", text, None).expect_err(text).to_string()
}

#[test]
fn what_is_wrong_is_said() {
    let cases = [
        ("pattern: 'a+'", "no upper length"),
        ("pattern: 'a{1,5000}'", "allowed are 1 to 4096"),
        ("pattern: 'a?'", "matches 0 bytes"),
        ("pattern: 'a{3}', max_length: 2", "allowed are 1 to 2"),
        ("pattern: '('", "not a regular expression"),
        (r"pattern: '\bab'", "not at its start"),
        ("pattern: 'ab$'", "ASCII word boundaries"),
        ("pattern: '[^a]b'", "must match ASCII only"),
        (r"pattern: '\xC3'", "must match ASCII only"),
        ("pattern: 'a', words: [ab]", "exactly one of"),
        ("mask: x", "exactly one of"),
        ("pattern: 'a', tail: 'ab'", "one class"),
        ("pattern: 'a', tail: 'b', until: 'c'", "beside `until`"),
        ("pattern: 'a', until: 'c*'", "no upper length"),
        ("pattern: 'a', not_after: 'ab'", "one class"),
        ("pattern: 'a', ignore_case: true", "(?i)"),
        ("pattern: 'a', before: '=*'", "no upper length"),
        ("pattern: 'a', before: 'x{129}'", "allowed are 1 to 128"),
        (r"pattern: 'a', before: 'x\b'", "not where it touches"),
        (r"pattern: 'a', after: '\bx'", "not where it touches"),
        ("pattern: 'a', after: 'x^'", "not where it touches"),
        ("pattern: 'a', after: 'x{65}'", "allowed are 1 to 64"),
        ("pattern: 'a', tail: 'b', after: 'x'", "beside `tail`"),
        ("pattern: 'a', unless: '('", "not a regular expression"),
        ("pattern: 'a', validators: [lun]", "`lun` is no validator; there are: luhn"),
        ("words: [a]", "2 to 256"),
        ("words: []", "1 to 1000000"),
        ("words: [ab], max_length: 3", "for patterns"),
        ("words_file: /nowhere/words", "cannot read /nowhere/words"),
        ("pattern: 'ab', examples: [ab, ac]", "example 2 is not found"),
        ("pattern: 'ab', counter_examples: [ac, ab]", "counter-example 2 is found"),
        ("pattern: 'ab', surprise: 1", "surprise"),
        ("pattern: 'ab', action: {request: mask, reply: warn}", "mask"),
    ];
    for (keys, message) in cases {
        let said = problems(&file(keys));
        assert!(said.starts_with("f.yaml") && said.contains(message), "{keys}: {said}");
    }
}

#[test]
fn all_problems_are_said_at_once() {
    let said = problems(
        "rules:
  - {id: Bad Id, category: pii, severity: low, description: d, pattern: 'a+', validators: [x]}
  - {id: twice, category: pii, severity: low, description: d, pattern: ab}
  - {id: twice, category: pii, severity: low, description: d, pattern: ab}",
    );
    for part in ["`Bad Id`: an id", "`x` is no validator", "no upper length", "`twice`: the id stands twice"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(said.lines().count(), 4);
}

#[test]
fn rules_are_replaced_disabled_and_changed() {
    let mut set = RuleSet::builtin();
    set.extend_from_text("f", &file("pattern: 'ab'").replace("id: r", "id: email"), None).expect("reads");
    let email = |set: &RuleSet| set.iter().find(|rule| rule.id == "email").map(|rule| rule.max_length);
    assert_eq!(email(&set), Some(2));
    set.set_action("pii", Direction::Reply, Action::Block).expect("a category");
    set.set_action("jwt", Direction::Reply, Action::Allow).expect("a rule");
    for rule in set.iter() {
        let action = match (rule.id.as_str(), rule.category) {
            ("jwt", _) => Action::Allow,
            (_, Category::Injection | Category::Toxicity) => continue,
            (_, Category::Pii) => Action::Block,
            (_, Category::Dictionary) => Action::Allow,
            ("azure-shared-access-signature", _) => Action::Warn,
            _ => Action::Redact,
        };
        assert_eq!(rule.action(Direction::Reply), action, "{}", rule.id);
    }
    set.disable(&["email"]).expect("known");
    assert_eq!(email(&set), None);
    let said = set.disable(&["email", "jwt", "none"]).expect_err("two are unknown").to_string();
    assert_eq!(said.lines().count(), 2, "{said}");
    assert!(set.set_action("none", Direction::Reply, Action::Warn).is_err());
}

#[test]
fn words_come_from_a_file_beside_the_rules() {
    let folder = std::env::temp_dir().join(format!("gateway-words-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("names"), "Anna Bell\n\n  Tor  \n").expect("written");
    let rules = folder.join("rules.yaml");
    std::fs::write(
        &rules,
        file("words_file: names, examples: ['by Tor.', 'Anna Bell'], counter_examples: [Tora]"),
    )
    .expect("written");
    let mut set = RuleSet::empty();
    let read = set.extend_from_file(&rules);
    std::fs::remove_dir_all(&folder).expect("removed");
    assert_eq!(read, Ok(()));
    assert_eq!(set.iter().map(|rule| rule.max_length).collect::<Vec<_>>(), [9]);
    assert!(set.extend_from_file(&folder.join("gone")).is_err());
}
