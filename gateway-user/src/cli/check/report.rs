//! What was found in a text, for people and for machines.

use serde_json::json;

use crate::cli::output::{self, line};
use crate::inspect::{Engine, Finding};

/// How people see what is acted on, and what is only reported (ANSI).
const ACTED_ON: &str = "\x1b[1;31m";
const REPORTED: &str = "\x1b[1;33m";
const PLAIN: &str = "\x1b[0m";

/// Longest stretch of a line that is shown on either side of a value, in characters.
const AROUND: usize = 40;

/// One line per finding, with the line it stands in. Without `colour` the value itself is not shown but for its
/// place: output that goes to a file should not hold what was looked for.
pub fn people(engine: &Engine, text: &str, found: &[Finding], colour: bool) {
    let mut places = Places::new(text);
    for finding in found {
        let rule = engine.rule(finding.rule);
        let place = places.at(finding.start as usize);
        let severity = format!("{:?}", rule.severity).to_lowercase();
        let Place { line: number, column, .. } = place;
        let id = &rule.id;
        line(format_args!("{number}:{column}  {id}  {severity}  {}  {}", finding.action, rule.description));
        if colour {
            let paint = if finding.action.enforces() { ACTED_ON } else { REPORTED };
            line(format_args!("    {}", shown(text, finding, paint)));
        }
    }
    let acted_on = found.iter().filter(|finding| finding.action.enforces()).count();
    line(format_args!("{} found, {acted_on} of them acted on", found.len()));
}

/// The line around a finding, its value painted.
fn shown(text: &str, finding: &Finding, paint: &str) -> String {
    let (start, end) = (finding.start as usize, finding.end as usize);
    let before = text[..start].rsplit('\n').next().unwrap_or_default();
    let after = text[end..].split('\n').next().unwrap_or_default();
    let skip = before.chars().count().saturating_sub(AROUND);
    let before: String = before.chars().skip(skip).collect();
    let after: String = after.chars().take(AROUND).collect();
    let value = text[start..end].replace('\n', "⏎");
    format!("{before}{paint}{value}{PLAIN}{after}")
}

/// One object with every finding; offsets in code points.
pub fn json(engine: &Engine, text: &str, found: &[Finding]) {
    output::json(&json!({ "findings": described(engine, text, found) }));
}

/// Every finding as a JSON object.
pub fn described(engine: &Engine, text: &str, found: &[Finding]) -> Vec<serde_json::Value> {
    let mut places = Places::new(text);
    let one = |finding: &Finding| {
        let rule = engine.rule(finding.rule);
        let start = places.at(finding.start as usize);
        let length = text[finding.start as usize..finding.end as usize].chars().count();
        json!({
            "start": start.character,
            "end": start.character + length,
            "line": start.line,
            "column": start.column,
            "type": rule.kind,
            "class": rule.category,
            "rule": rule.id,
            "severity": rule.severity,
            "action": finding.action,
        })
    };
    found.iter().map(one).collect()
}

/// A place in a text.
#[derive(Clone, Copy)]
struct Place {
    /// Byte.
    at: usize,
    /// Code points before it.
    character: usize,
    /// From 1.
    line: usize,
    /// From 1, in code points.
    column: usize,
}

/// Finds places in ascending order, in one pass over the text.
struct Places<'t> {
    text: &'t str,
    last: Place,
}

impl<'t> Places<'t> {
    fn new(text: &'t str) -> Places<'t> {
        Places { text, last: Place { at: 0, character: 0, line: 1, column: 1 } }
    }

    fn at(&mut self, byte: usize) -> Place {
        let mut place = self.last;
        for character in self.text[place.at..byte].chars() {
            place.character += 1;
            place.column += 1;
            if character == '\n' {
                (place.line, place.column) = (place.line + 1, 1);
            }
        }
        place.at = byte;
        self.last = place;
        place
    }
}
