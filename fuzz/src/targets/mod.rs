//! The targets, by what they read.

pub mod bodies;
pub mod escapes;
pub mod files;
pub mod framing;
pub mod scans;
pub mod sockets;
pub mod streams;

use std::sync::{Arc, LazyLock};

use gateway::inspect::{Engine, RuleSet};
use gateway::wire::Dialect;
use gateway::wire::dialects::ALL;

/// The built-in rules, enforced.
pub static ENGINE: LazyLock<Arc<Engine>> = LazyLock::new(|| {
    let rules = RuleSet::builtin();
    Arc::new(Engine::build(&rules, true, &[7; 32]).expect("a test compiles every built-in rule"))
});

/// The dialect a byte chooses.
pub fn dialect(byte: u8) -> &'static dyn Dialect {
    ALL[usize::from(byte) % ALL.len()]
}
