//! Log set-up and the counters every other room may raise.

pub mod counters;
pub mod logging;

pub use counters::{Counters, Snapshot};
pub use logging::{LogError, LogFormat, init};
