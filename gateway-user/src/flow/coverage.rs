//! Who went where, and what became of it: connections and bytes by process, host and decision, since the start.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::{Deserialize, Serialize};

/// Most rows kept. Beyond it what is new is counted in one row per app and decision, under [`OTHER`].
pub const MOST_ROWS: usize = 4096;

/// The process and host of what has no row of its own.
pub const OTHER: &str = "(other)";

/// What became of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// Its exchanges were judged, charged and recorded.
    Inspected,
    /// It was copied unread: no LLM host, or one that policy lets pass.
    Relayed,
    /// It was not let through.
    Refused,
    /// The client refused our certificate, and nothing passed.
    Untrusted,
    /// It broke before anything was decided about its contents.
    Failed,
    /// The kernel let it pass beside the gateway.
    Direct,
    /// It was open before the gateway was attached.
    Before,
}

impl Fate {
    /// All, in the order they are shown.
    pub const ALL: [Fate; 7] = [
        Fate::Inspected,
        Fate::Relayed,
        Fate::Refused,
        Fate::Untrusted,
        Fate::Failed,
        Fate::Direct,
        Fate::Before,
    ];

    /// Its word, as in labels and JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Fate::Inspected => "inspected",
            Fate::Relayed => "relayed",
            Fate::Refused => "refused",
            Fate::Untrusted => "untrusted",
            Fate::Failed => "failed",
            Fate::Direct => "direct",
            Fate::Before => "before",
        }
    }
}

/// One row as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Covered {
    /// The app.
    pub app: String,
    /// The short name of the process; empty when unknown.
    pub process: String,
    /// The host it named, else the address it dialled.
    pub host: String,
    /// What became of the connections.
    pub decision: Fate,
    /// How many.
    pub connections: u64,
    /// Bytes from the program: of the TCP connection at the transparent and the forward door, of bodies at the
    /// reverse door.
    pub bytes_up: u64,
    /// Bytes to the program, likewise.
    pub bytes_down: u64,
}

/// The counts of one row. Relaxed: counts order nothing else.
#[derive(Debug, Default)]
pub struct Row {
    connections: AtomicU64,
    up: AtomicU64,
    down: AtomicU64,
}

impl Row {
    /// One more connection.
    pub fn connection(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// Bytes that passed.
    pub fn bytes(&self, up: u64, down: u64) {
        self.up.fetch_add(up, Ordering::Relaxed);
        self.down.fetch_add(down, Ordering::Relaxed);
    }
}

#[derive(PartialEq, Eq, Hash)]
struct Key {
    app: String,
    process: String,
    host: String,
    fate: Fate,
}

/// The table. Bounded by [`MOST_ROWS`] and one row per app and decision.
#[derive(Default)]
pub struct Coverage {
    rows: Mutex<HashMap<Key, Arc<Row>>>,
}

impl Coverage {
    /// The row of connections of `process` to `host` that came to `fate`. Look it up once per connection.
    pub fn row(&self, app: &str, process: &str, host: &str, fate: Fate) -> Arc<Row> {
        let mut rows = self.lock();
        let mut key = Key { app: app.to_owned(), process: process.to_owned(), host: host.to_owned(), fate };
        if rows.len() >= MOST_ROWS && !rows.contains_key(&key) {
            (key.process, key.host) = (OTHER.to_owned(), OTHER.to_owned());
        }
        Arc::clone(rows.entry(key).or_default())
    }

    /// All rows, largest first.
    pub fn rows(&self) -> Vec<Covered> {
        let number = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let mut rows: Vec<Covered> = self
            .lock()
            .iter()
            .map(|(key, row)| Covered {
                app: key.app.clone(),
                process: key.process.clone(),
                host: key.host.clone(),
                decision: key.fate,
                connections: number(&row.connections),
                bytes_up: number(&row.up),
                bytes_down: number(&row.down),
            })
            .collect();
        sort(&mut rows);
        rows
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Arc<Row>>> {
        // A single insert cannot leave the map half changed.
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sorts rows: most bytes first, then most connections, then by name.
pub fn sort(rows: &mut [Covered]) {
    rows.sort_by(|a, b| {
        let size = |row: &Covered| (row.bytes_up.saturating_add(row.bytes_down), row.connections);
        let name = |row: &Covered| (row.app.clone(), row.process.clone(), row.host.clone(), row.decision);
        size(b).cmp(&size(a)).then_with(|| name(a).cmp(&name(b)))
    });
}

/// Counts the bytes of one connection: first on the side, then, once its fate is known, in its row.
#[derive(Debug, Default)]
pub struct Meter {
    aside: Row,
    row: OnceLock<Arc<Row>>,
}

impl Meter {
    /// Bytes that passed.
    pub fn bytes(&self, up: u64, down: u64) {
        self.row.get().map_or(&self.aside, Arc::as_ref).bytes(up, down);
    }

    /// What was counted and is in no row: up and down.
    pub fn aside(&self) -> (u64, u64) {
        (self.aside.up.load(Ordering::Relaxed), self.aside.down.load(Ordering::Relaxed))
    }

    /// The connection came to this: what was counted so far moves into `row`, and what follows is counted there.
    /// Later calls change nothing.
    pub fn settle(&self, row: Arc<Row>) {
        if self.row.set(Arc::clone(&row)).is_ok() {
            row.connection();
            row.bytes(self.aside.up.swap(0, Ordering::Relaxed), self.aside.down.swap(0, Ordering::Relaxed));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_sorted_and_bounded() {
        let coverage = Coverage::default();
        let count = |process: &str, host: &str, fate, bytes| {
            let row = coverage.row("app", process, host, fate);
            row.connection();
            row.bytes(bytes, 1);
        };
        count("curl", "api.openai.com", Fate::Inspected, 10);
        count("curl", "api.openai.com", Fate::Inspected, 10);
        count("curl", "api.openai.com", Fate::Refused, 0);
        count("git", "example.org", Fate::Relayed, 500);
        let rows = coverage.rows();
        assert_eq!(
            rows.iter()
                .map(|row| (&*row.process, row.decision, row.connections, row.bytes_up))
                .collect::<Vec<_>>(),
            [("git", Fate::Relayed, 1, 500), ("curl", Fate::Inspected, 2, 20), ("curl", Fate::Refused, 1, 0)]
        );
        for n in 0..2 * MOST_ROWS {
            count("scanner", &format!("host-{n}.example"), Fate::Relayed, 1);
        }
        let rows = coverage.rows();
        assert_eq!(rows.len(), MOST_ROWS + 1);
        let all: u64 = rows.iter().map(|row| row.connections).sum();
        assert_eq!(all, 4 + 2 * MOST_ROWS as u64, "none is lost");
        assert_eq!(rows.iter().filter(|row| row.host == OTHER).count(), 1);
        count("curl", "api.openai.com", Fate::Inspected, 1);
        assert!(coverage.rows().iter().any(|row| row.process == "curl" && row.connections == 3));
    }

    #[test]
    fn a_meter_takes_what_it_counted_into_the_row() {
        let (coverage, meter) = (Coverage::default(), Meter::default());
        meter.bytes(5, 0);
        assert!(coverage.rows().is_empty());
        meter.settle(coverage.row("app", "curl", "api.openai.com", Fate::Inspected));
        meter.bytes(1, 7);
        meter.settle(coverage.row("app", "curl", "api.openai.com", Fate::Failed));
        let rows = coverage.rows();
        let inspected = rows.iter().find(|row| row.decision == Fate::Inspected).unwrap();
        assert_eq!((inspected.connections, inspected.bytes_up, inspected.bytes_down), (1, 6, 7));
        assert_eq!(rows.iter().map(|row| row.connections).sum::<u64>(), 1);
    }

    #[test]
    fn every_fate_has_the_word_of_its_json() {
        for fate in Fate::ALL {
            assert_eq!(serde_json::to_value(fate).unwrap(), fate.word());
        }
    }
}
