//! Exact percentiles over kept samples; runs are short enough to keep all.

use std::time::Duration;

use serde_json::{Value, json};

/// Durations in nanoseconds.
#[derive(Default)]
pub struct Samples(Vec<u64>);

impl Samples {
    /// Adds one.
    pub fn push(&mut self, took: Duration) {
        self.0.push(took.as_nanos() as u64);
    }

    /// Adds all of another.
    pub fn merge(&mut self, other: Samples) {
        self.0.extend(other.0);
    }

    /// Count, and p50, p90, p99, max and mean in microseconds; `share_40ms` is the share that took 35 to 60 ms,
    /// the class in which a delayed acknowledgement shows. Null when there are none.
    pub fn summary(&mut self) -> Value {
        if self.0.is_empty() {
            return Value::Null;
        }
        self.0.sort_unstable();
        let at = |part: f64| self.0[((self.0.len() - 1) as f64 * part).round() as usize] as f64 / 1000.0;
        let mean = self.0.iter().sum::<u64>() as f64 / self.0.len() as f64 / 1000.0;
        let class = self.0.iter().filter(|took| (35_000_000..60_000_000).contains(*took)).count();
        json!({
            "n": self.0.len(), "p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "max": at(1.0), "mean": mean,
            "share_40ms": class as f64 / self.0.len() as f64,
        })
    }
}
