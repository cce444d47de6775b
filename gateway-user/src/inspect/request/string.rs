//! Scanning one complete string, as it is and with its own escapes undone.

use crate::inspect::{Engine, Finding, Scan};
use crate::wire::event::Direction;
use crate::wire::unescape::Unescape;

/// How many findings back an overlap is looked for: more than there are rules that could overlap in one place.
const MOST_OVERLAPS: usize = 128;

/// Appends what stands in `text`; places count in `text`. Where it holds backslashes it is also scanned with its
/// escapes undone, since it may be JSON or source code; with `json` only so. Enforcing findings come in order and
/// disjoint. `found` must be empty; `inner` is scratch space.
pub fn scan_string(
    engine: &Engine,
    direction: Direction,
    text: &[u8],
    json: bool,
    inner: &mut Vec<u8>,
    found: &mut Vec<Finding>,
) {
    let escapes = memchr::memchr(b'\\', text).is_some();
    if !(json && escapes) {
        scan_whole(engine, direction, text, found);
    }
    if !escapes {
        return;
    }
    inner.clear();
    let mut unescape = Unescape::default();
    unescape.push(text, inner);
    unescape.finish(inner);
    let from = found.len();
    scan_whole(engine, direction, inner, found);
    for finding in &mut found[from..] {
        (finding.start, finding.end) =
            (unescape.source_start(finding.start), unescape.source_end(finding.end));
    }
    if from > 0 {
        unite(found);
    }
}

fn scan_whole(engine: &Engine, direction: Direction, text: &[u8], found: &mut Vec<Finding>) {
    let mut scan = Scan::new();
    scan.push(engine, direction, text, found);
    scan.finish(engine, direction, found);
}

/// Joins findings that overlap, so that each byte has one mask and nothing is reported twice: enforcing ones whatever
/// their rule, others with those of the same rule.
fn unite(found: &mut Vec<Finding>) {
    found.sort_by_key(|finding| (finding.start, std::cmp::Reverse(finding.end)));
    let mut united: Vec<Finding> = Vec::with_capacity(found.len());
    for finding in found.drain(..) {
        let joins = |known: &&mut Finding| {
            finding.start < known.end
                && (finding.action.enforces() && known.action.enforces() || finding.rule == known.rule)
        };
        match united.iter_mut().rev().take(MOST_OVERLAPS).find(joins) {
            Some(known) => {
                if finding.action > known.action {
                    (known.rule, known.action, known.digest) = (finding.rule, finding.action, finding.digest);
                }
                known.end = known.end.max(finding.end);
            }
            None => united.push(finding),
        }
    }
    *found = united;
}
