//! Everything the rules find in one text that is at hand as a whole.

use crate::inspect::firewall::{Source, Watch};
use crate::inspect::request::scan_string;
use crate::inspect::{Engine, Finding};
use crate::wire::event::{Direction, Kind};

/// What stands in `text`, in order of place; places count in `text`. Text that holds escapes is also read with them
/// undone, as the strings of a request are.
pub fn find(engine: &Engine, direction: Direction, text: &str) -> Vec<Finding> {
    let (mut inner, mut found) = (Vec::new(), Vec::new());
    scan_string(engine, direction, text.as_bytes(), false, &mut inner, &mut found);
    Watch::new().whole(Source { engine, direction, kind: Kind::Opaque }, text.as_bytes(), &mut found);
    found.sort_by_key(|finding| (finding.start, finding.end));
    found
}
