//! Fuzz targets: each takes any bytes, and panics when a promise of the gateway does not hold for them.
//!
//! `cargo xtask fuzz` runs them under libFuzzer. Inputs that once broke something stand in `fuzz/inputs/TARGET/` and
//! are tried by this crate's test, with a few made up as seeds.

mod cuts;
mod targets;

use targets::{bodies, escapes, files, framing, scans, sockets, streams};

/// Takes any bytes.
pub type Target = fn(&[u8]);

/// Every target, by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("json", bodies::json),
    ("request", bodies::request),
    ("reply", bodies::reply),
    ("escapes", escapes::escapes),
    ("framing", framing::framing),
    ("encoding", framing::encoding),
    ("websocket", sockets::websocket),
    ("hello", sockets::hello),
    ("scan", scans::scan),
    ("rules", scans::rules),
    ("stream", streams::stream),
    ("config", files::config),
    ("catalog", files::catalog),
];

/// The target with this name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().find(|(known, _)| *known == name).map(|(_, target)| *target)
}
