//! Whole texts: found, and rewritten with the masks of their rules.

use crate::inspect::{Action, Engine, Finding, Scan};
use crate::wire::event::Direction;

/// Scans a whole text and replaces what is to be redacted or blocked by its mask.
///
/// Returns the new text and all findings; their places count in the *old* text. The result equals what a
/// [`Scan`] fed with the same text in any pieces finds.
pub fn redact(engine: &Engine, direction: Direction, text: &str) -> (String, Vec<Finding>) {
    let mut findings = Vec::new();
    let mut scan = Scan::new();
    scan.push(engine, direction, text.as_bytes(), &mut findings);
    scan.finish(engine, direction, &mut findings);
    (apply(engine, text, &findings), findings)
}

/// Replaces the enforcing findings in `text` (offset 0 of the channel) by their masks.
pub fn apply(engine: &Engine, text: &str, findings: &[Finding]) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut done = 0;
    for finding in findings.iter().filter(|finding| finding.action >= Action::Redact) {
        let (start, end) = (finding.start as usize, finding.end as usize);
        masked.push_str(&text[done..start]);
        masked.push_str(&engine.rule(finding.rule).mask);
        done = end;
    }
    masked.push_str(&text[done..]);
    masked
}
