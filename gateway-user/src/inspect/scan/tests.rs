//! The scan against a plain search, at every split.

use crate::inspect::{Engine, RuleSet, redact};
use crate::wire::event::Direction;

#[test]
fn masks() {
    let engine =
        Engine::build(&RuleSet::builtin(), true, &[7; 32]).unwrap_or_else(|errors| panic!("{errors}"));
    let (text, findings) = redact(&engine, Direction::Request, "mail bob@example.org, thanks");
    assert_eq!(text, "mail [EMAIL_REDACTED], thanks");
    assert_eq!(findings.len(), 1);
}
