//! Remembers cut requests for some minutes, so that a client's own retry gets the same verdict without going upstream.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, Hasher, RandomState},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate::wire::dialects::Reason;

/// How long a cut is remembered.
const KEPT: Duration = Duration::from_secs(300);

/// Most cuts remembered; beyond it the oldest are forgotten first.
const MOST: usize = 10_000;

/// Stands for a principal and a request, whether or not it asks for a stream: some clients retry without streaming.
/// Keyed at random in each process; two requests that share one by chance (1 in 2⁶⁴) share a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestDigest(u64);

/// Why a request was cut, by request.
#[derive(Default)]
pub struct Remembered {
    key: RandomState,
    cuts: Mutex<HashMap<RequestDigest, Cut>>,
    /// How many there are: most of the time none, and then no request is digested before it is sent.
    count: AtomicUsize,
}

struct Cut {
    reason: Reason,
    message: String,
    at: Instant,
}

impl Remembered {
    /// The digest of a request of `principal` (app and credential) to `path` with this JSON body.
    pub fn digest(&self, principal: (&str, Option<&str>), path: &str, body: &[u8]) -> RequestDigest {
        let mut hasher = self.key.build_hasher();
        (principal, path).hash(&mut hasher);
        without_stream(body, |part| hasher.write(part));
        RequestDigest(hasher.finish())
    }

    /// Whether no cut is remembered.
    pub fn is_empty(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
    }

    /// Notes that `request` was cut for `reason`.
    pub fn note(&self, request: RequestDigest, reason: Reason, message: &str, now: Instant) {
        let mut cuts = self.cuts.lock().unwrap_or_else(PoisonError::into_inner);
        if cuts.len() >= MOST {
            cuts.retain(|_, cut| now.duration_since(cut.at) < KEPT);
        }
        if cuts.len() >= MOST
            && let Some(oldest) = cuts.iter().min_by_key(|(_, cut)| cut.at).map(|(digest, _)| *digest)
        {
            cuts.remove(&oldest);
        }
        cuts.insert(request, Cut { reason, message: message.to_owned(), at: now });
        self.count.store(cuts.len(), Ordering::Relaxed);
    }

    /// Why this request was cut, if that is not long ago.
    pub fn reason(&self, request: RequestDigest, now: Instant) -> Option<(Reason, String)> {
        let mut cuts = self.cuts.lock().unwrap_or_else(PoisonError::into_inner);
        let cut = cuts.get(&request)?;
        if now.duration_since(cut.at) < KEPT {
            return Some((cut.reason, cut.message.clone()));
        }
        cuts.remove(&request);
        self.count.store(cuts.len(), Ordering::Relaxed);
        None
    }
}

/// Gives `take` the body in parts, without its `stream` and `stream_options` members. Quotes inside JSON strings are
/// escaped, so the keys are found by their bytes alone.
fn without_stream(body: &[u8], take: impl FnMut(&[u8])) {
    let mut parts = Parts { take, comma: false };
    let mut rest = body;
    while let Some(at) = memchr::memmem::find(rest, KEY) {
        let (before, from) = rest.split_at(at);
        match member(from) {
            Some(length) => {
                parts.before_gap(before.trim_ascii_end());
                let after = from[length..].trim_ascii_start();
                rest = after.strip_prefix(b",").unwrap_or(after).trim_ascii_start();
            }
            None => {
                parts.give(before);
                parts.give(KEY);
                rest = &from[KEY.len()..];
            }
        }
    }
    parts.give(rest);
}

/// How the names of both members begin.
const KEY: &[u8] = b"\"stream";

/// Longest `stream_options` that is found, in bytes: without a bound, every key in a body would be searched to its end.
const MOST_OPTIONS: usize = 256;

/// Joins what is left with the commas it needs.
struct Parts<F> {
    take: F,
    /// A comma stands before the gap, to be given if a member follows.
    comma: bool,
}

impl<F: FnMut(&[u8])> Parts<F> {
    fn before_gap(&mut self, part: &[u8]) {
        if part.is_empty() {
            return;
        }
        let bare = part.strip_suffix(b",");
        self.give(bare.unwrap_or(part));
        self.comma = bare.is_some();
    }

    fn give(&mut self, part: &[u8]) {
        if part.is_empty() {
            return;
        }
        if std::mem::take(&mut self.comma) && !part.starts_with(b"}") {
            (self.take)(b",");
        }
        (self.take)(part);
    }
}

/// The length of a `"stream": true` or `"stream_options": {…}` member at the start of `from`.
fn member(from: &[u8]) -> Option<usize> {
    let after_key =
        [&b"\"stream\""[..], b"\"stream_options\""].iter().find_map(|key| from.strip_prefix(*key))?;
    let value = after_key.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    let words = [&b"true"[..], b"false", b"null"];
    let length = match words.iter().find(|word| value.starts_with(word)) {
        Some(word) => word.len(),
        None if value.starts_with(b"{") => memchr::memchr(b'}', &value[..value.len().min(MOST_OPTIONS)])? + 1,
        None => return None,
    };
    Some(from.len() - value.len() + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_is_remembered_for_a_while_and_the_number_is_bounded() {
        let remembered = Remembered::default();
        let start = Instant::now();
        let note = |digest, at| remembered.note(RequestDigest(digest), Reason::BudgetExceeded, "budget", at);
        let said = |digest, at| remembered.reason(RequestDigest(digest), at).map(|(_, message)| message);
        assert!(remembered.is_empty());
        note(1, start);
        assert!(!remembered.is_empty());
        assert_eq!(said(1, start + KEPT / 2).as_deref(), Some("budget"));
        assert_eq!(said(2, start), None);
        assert_eq!(said(1, start + KEPT), None);
        assert!(remembered.is_empty(), "what is forgotten costs nothing");
        for n in 0..MOST as u64 + 5 {
            note(n, start + Duration::from_nanos(n));
        }
        assert_eq!(remembered.cuts.lock().unwrap().len(), MOST);
        assert_eq!(said(0, start), None, "the oldest went first");
    }

    #[test]
    fn a_request_is_the_same_with_and_without_streaming() {
        let remembered = Remembered::default();
        let digest = |body: &str| remembered.digest(("app", None), "/v1/messages", body.as_bytes());
        let plain = digest(r#"{"model":"m","messages":[]}"#);
        for streamed in [
            r#"{"model":"m","stream":true,"messages":[]}"#,
            r#"{"model":"m","messages":[],"stream":true}"#,
            r#"{"stream": false, "model":"m","messages":[]}"#,
            r#"{"model":"m","messages":[],"stream":true,"stream_options":{"include_usage":true}}"#,
        ] {
            assert_eq!(digest(streamed), plain, "{streamed}");
        }
        assert_ne!(digest(r#"{"model":"m","messages":["\"stream\":true"]}"#), plain);
        assert_ne!(digest(r#"{"model":"m","messages":[],"streams":true}"#), plain);
        assert_ne!(digest(r#"{"model":"m","messages":[],"stream":{"#), plain);
        let long = |spaces| format!(r#"{{"model":"m","messages":[],"stream":{{{}}}}}"#, " ".repeat(spaces));
        assert_eq!(digest(&long(MOST_OPTIONS - 2)), plain);
        assert_ne!(digest(&long(MOST_OPTIONS - 1)), plain, "it is not looked for any further");
        assert_ne!(
            remembered.digest(("other", None), "/v1/messages", br#"{"model":"m","messages":[]}"#),
            plain
        );
    }
}
