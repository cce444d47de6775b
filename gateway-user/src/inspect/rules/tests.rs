//! What a rule file may say, what it may not, and that every rule finds its own examples.

use super::*;

#[test]
fn every_builtin_example_is_found() {
    let mut set = RuleSet::empty();
    for (file, text) in BUILTIN {
        set.extend_from_text(file, text, None).unwrap_or_else(|errors| panic!("{errors}"));
    }
    assert!(set.iter().all(|rule| !rule.description.is_empty()));
    assert_eq!(set.iter().count(), RuleSet::builtin().iter().count(), "no id in two files");
}
