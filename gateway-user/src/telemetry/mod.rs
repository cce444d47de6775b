//! Log set-up, the counters every other room may raise, and the page of metrics.

pub mod counters;
pub mod logging;
pub mod metrics;

pub use counters::{Counters, Snapshot};
pub use logging::{LogError, LogFormat, init};
