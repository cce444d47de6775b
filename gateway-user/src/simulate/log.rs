//! What the simulated provider received and sent, kept for tests, and the live feed of its deltas for the demo.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use tokio::sync::{broadcast, watch};

use super::SimulateError;

/// How many deltas a slow reader of the feed may lag behind before it loses the oldest.
const FEED: usize = 4096;

/// One request as it arrived, and what was answered so far.
#[derive(Clone, Debug)]
pub struct Received {
    /// Place in the order of arrival, from 0.
    pub number: usize,
    /// The connection it came on, from 0, counted over both listeners.
    pub connection: u64,
    /// HTTP version, for example `HTTP/2.0`.
    pub version: http::Version,
    /// Method, for example `POST`.
    pub method: String,
    /// Path and query as sent.
    pub path: String,
    /// The authority: `:authority` of HTTP/2, else the `host` header.
    pub authority: String,
    /// Headers in the order of their first appearance, names in lower case; the exact bytes of an HTTP/1.1 head
    /// are in [`Provider::raw`](super::Provider::raw).
    pub headers: Vec<(String, Vec<u8>)>,
    /// The whole body, as it came (not decoded).
    pub body: Vec<u8>,
    /// Status of the answer; 0 until it is sent.
    pub status: u16,
    /// Body bytes handed to the transport so far.
    pub sent: Vec<u8>,
    /// How far the answer is.
    pub outcome: Outcome,
}

impl Received {
    /// The first header called `name` (lower case), as text; empty when absent.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.and_then(|(_, value)| std::str::from_utf8(value).ok()).unwrap_or("")
    }

    /// The body as text, with what is not UTF-8 replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// How an answer stands or how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Still being answered.
    Running,
    /// The whole answer was handed over.
    Finished,
    /// The caller went away before the end.
    Cancelled,
    /// The script asked for a reset and got it.
    Reset,
}

/// One delta of the live feed.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Which request it answers ([`Received::number`]).
    pub number: usize,
    /// The text of the delta; the last one of an answer is `None`.
    pub text: Option<String>,
}

/// Everything kept, with a signal for those who wait for a change.
pub(super) struct Log {
    keep: usize,
    received: Mutex<Vec<Received>>,
    raw: Mutex<Vec<Vec<u8>>>,
    changed: watch::Sender<u64>,
    feed: broadcast::Sender<Sent>,
}

impl Log {
    /// A log that keeps at most `keep` requests; with 0 nothing is kept at all.
    pub(super) fn new(keep: usize) -> Log {
        Log {
            keep,
            received: Mutex::default(),
            raw: Mutex::default(),
            changed: watch::Sender::new(0),
            feed: broadcast::Sender::new(FEED),
        }
    }

    /// Adds a request; `None` when it is not kept.
    pub(super) fn add(&self, connection: u64, parts: &http::request::Parts, body: &[u8]) -> Option<usize> {
        let mut received = lock(&self.received);
        let number = received.len();
        if number >= self.keep {
            return None;
        }
        received.push(Received {
            number,
            connection,
            version: parts.version,
            method: parts.method.to_string(),
            path: parts.uri.path_and_query().map_or_else(String::new, ToString::to_string),
            authority: authority(parts),
            headers: headers(&parts.headers),
            body: body.to_vec(),
            status: 0,
            sent: Vec::new(),
            outcome: Outcome::Running,
        });
        drop(received);
        self.bump();
        Some(number)
    }

    /// Notes a change of a kept request.
    pub(super) fn update(&self, number: Option<usize>, change: impl FnOnce(&mut Received)) {
        let Some(number) = number else { return };
        if let Some(entry) = lock(&self.received).get_mut(number) {
            change(entry);
        }
        self.bump();
    }

    /// Tells the live feed of a delta; nobody listening is no fault.
    pub(super) fn tell(&self, number: Option<usize>, text: Option<&str>) {
        if let Some(number) = number
            && self.feed.receiver_count() > 0
        {
            let _ = self.feed.send(Sent { number, text: text.map(str::to_owned) });
        }
    }

    /// Bytes read from a connection, after TLS; kept up to `bound` bytes per connection.
    pub(super) fn raw_bytes(&self, connection: u64, bytes: &[u8], bound: usize) {
        if self.keep == 0 || connection as usize >= self.keep {
            return;
        }
        let mut raw = lock(&self.raw);
        let place = connection as usize;
        if raw.len() <= place {
            raw.resize(place + 1, Vec::new());
        }
        let room = bound.saturating_sub(raw[place].len());
        raw[place].extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    pub(super) fn raw(&self, connection: u64) -> Vec<u8> {
        lock(&self.raw).get(connection as usize).cloned().unwrap_or_default()
    }

    pub(super) fn received(&self) -> Vec<Received> {
        lock(&self.received).clone()
    }

    /// Whether `needle` stands anywhere in what was received, bodies and raw bytes alike.
    pub(super) fn saw(&self, needle: &[u8]) -> bool {
        let has = |hay: &[u8]| memchr::memmem::find(hay, needle).is_some();
        lock(&self.raw).iter().any(|raw| has(raw))
            || lock(&self.received)
                .iter()
                .any(|one| has(&one.body) || one.headers.iter().any(|(_, v)| has(v)))
    }

    pub(super) fn feed(&self) -> broadcast::Receiver<Sent> {
        self.feed.subscribe()
    }

    /// Waits until `ready` holds.
    pub(super) async fn until(
        &self,
        within: Duration,
        mut ready: impl FnMut(&[Received]) -> bool,
    ) -> Result<(), SimulateError> {
        let mut changed = self.changed.subscribe();
        let wait = async {
            while !ready(&lock(&self.received)) {
                if changed.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::time::timeout(within, wait).await.map_err(|_| SimulateError::TimedOut(within))
    }

    fn bump(&self) {
        self.changed.send_modify(|version| *version += 1);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves plain data behind; it stays readable.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn authority(parts: &http::request::Parts) -> String {
    let named = parts.uri.authority().map(ToString::to_string);
    named.unwrap_or_else(|| {
        let host = parts.headers.get(http::header::HOST).and_then(|value| value.to_str().ok());
        host.unwrap_or("").to_owned()
    })
}

fn headers(map: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    map.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect()
}
