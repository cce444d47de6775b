//! The local control socket: status, records, usage and metrics of the running gateway.
//!
//! HTTP/1.1 with JSON over a unix socket that only its owner may open, because the store is locked by the running
//! gateway and the command line has to ask it. Invariant: no request starts a process or changes a rule.

mod client;
mod server;

pub use client::{AskError, ask};
pub use server::{Ask, Page, Reply, serve, serve_metrics};

use std::path::{Path, PathBuf};

/// Largest answer of the control socket, in bytes.
const ANSWER_BYTES: usize = 64 << 20;

/// Where the control socket of a state folder stands.
pub fn socket(state: &Path) -> PathBuf {
    state.join("gateway.sock")
}
