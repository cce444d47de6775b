//! The catalogue of everything the gateway counts.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// One number that many threads raise. Relaxed: counts order nothing else.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Raises it by one.
    pub fn one(&self) {
        self.add(1);
    }

    /// Raises it.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// Keeps the greatest value ever given.
    pub fn highest(&self, value: u64) {
        self.0.fetch_max(value, Ordering::Relaxed);
    }

    /// The number now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Writes the catalogue once: each row is a counter, its field in a snapshot, and what it means.
macro_rules! catalogue {
    ($($(#[doc = $meaning:literal])+ $name:ident,)+) => {
        /// Every counter of the process.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[doc = $meaning])+ pub $name: Counter,)+
        }

        /// All counters at about one moment; what `gateway status` shows.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct Snapshot {
            $($(#[doc = $meaning])+ pub $name: u64,)+
        }

        impl Counters {
            /// Reads all counters, one after the other.
            pub fn snapshot(&self) -> Snapshot {
                Snapshot { $($name: self.$name.get(),)+ }
            }
        }

        impl Snapshot {
            /// Each counter's name, value and meaning, in the catalogue's order.
            pub fn rows(&self) -> Vec<(&'static str, u64, &'static str)> {
                vec![$((stringify!($name), self.$name, concat!($($meaning),+).trim_ascii_start()),)+]
            }
        }
    };
}

catalogue! {
    /// Connections opened and inspected.
    connections_inspected,
    /// Connections relayed untouched.
    connections_relayed,
    /// Connections refused.
    connections_refused,
    /// Bytes of inspected connections, both directions, as the application sent and received them.
    bytes_inspected,
    /// Bytes relayed untouched, both directions.
    bytes_relayed,
    /// Requests that became a flow.
    flows,
    /// Findings that were only reported.
    findings_warned,
    /// Findings that were masked.
    findings_redacted,
    /// Findings that were replaced by tokens.
    findings_tokenized,
    /// Tokens in replies that were replaced by their values.
    tokens_restored,
    /// Findings that blocked.
    findings_blocked,
    /// Requests refused before a byte went upstream.
    blocks,
    /// Replies cut in mid-stream.
    cuts,
    /// Upstreams that could not be reached, verified or understood.
    upstream_errors,
    /// TLS handshakes that a client broke off, most often because it does not trust our root.
    handshake_failures,
    /// The most bytes ever held back at once in one reply.
    held_bytes_highest,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_holds_what_was_counted_and_survives_json() {
        let counters = Counters::default();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let counters = &counters;
                scope.spawn(move || {
                    for _ in 0..1000 {
                        counters.flows.one();
                        counters.bytes_relayed.add(7);
                    }
                    counters.held_bytes_highest.highest(100 + thread);
                });
            }
        });
        let snapshot = counters.snapshot();
        assert_eq!(
            (snapshot.flows, snapshot.bytes_relayed, snapshot.held_bytes_highest),
            (4000, 28_000, 103)
        );
        let json = serde_json::to_string(&snapshot).unwrap();
        assert_eq!(serde_json::from_str::<Snapshot>(&json).unwrap(), snapshot);
        assert!(snapshot.rows().contains(&("flows", 4000, "Requests that became a flow.")));
        assert!(snapshot.rows().iter().all(|(_, _, meaning)| meaning.ends_with('.')));
    }
}
