//! What tools a model may call: every call is recorded, and judged by its name, its arguments and its history.
//!
//! A [`Policy`] is what the operator allows, a [`Guard`] is that policy with the [`History`] of one conversation. In a
//! stream a gate holds a call's events until the call is complete, if the policy has anything to say about that tool;
//! then they go on byte for byte, or as a call that no tool answers.

mod address;
mod arguments;
mod checks;
mod disk;
mod gate;
mod glob;
mod history;
mod path;
mod policy;
mod ruling;
mod shell;
mod whole;

use std::sync::Arc;

pub use disk::{Disk, NoDisk};
pub(super) use gate::{Bit, Gate};
pub use history::History;
pub use policy::{Policy, PolicyError};
pub use ruling::{Because, Outcome, Used};
pub(super) use whole::judge_whole;

/// The policy for one answer.
#[derive(Clone, Debug)]
pub struct Guard {
    /// What is allowed.
    pub policy: Arc<Policy>,
    /// What was called before it.
    pub history: History,
}

/// The name that stands in a refused call. No agent has such a tool, so that none runs anything for it.
pub const REFUSED_NAME: &str = "refused_by_gateway";

/// Longest arguments of one call that are kept for judging, in bytes: 1 MiB. Longer ones are refused where a policy
/// asks for them, and else recorded by their first part.
pub const MOST_ARGUMENTS: usize = 1 << 20;

/// Most calls of one answer that are judged and recorded.
pub const MOST_CALLS: usize = 256;

#[cfg(test)]
mod tests;
