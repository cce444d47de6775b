//! Remembers cut requests for some minutes, so that a client's own retry gets the same verdict without going upstream.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long a cut is remembered.
const KEPT: Duration = Duration::from_secs(300);

/// Most cuts remembered; beyond it the oldest are forgotten first.
const MOST: usize = 10_000;

/// SHA-256 over the principal and the request, without its `stream` switch (some clients retry without streaming).
pub type RequestDigest = [u8; 32];

/// Why a request was cut, by request.
#[derive(Default)]
pub struct Remembered {
    cuts: Mutex<HashMap<RequestDigest, (String, Instant)>>,
}

impl Remembered {
    /// Notes that `request` was cut for `reason`.
    pub fn note(&self, request: RequestDigest, reason: &str, now: Instant) {
        let mut cuts = self.cuts.lock().unwrap_or_else(PoisonError::into_inner);
        if cuts.len() >= MOST {
            cuts.retain(|_, (_, at)| now.duration_since(*at) < KEPT);
        }
        if cuts.len() >= MOST {
            if let Some(oldest) = cuts.iter().min_by_key(|(_, (_, at))| *at).map(|(digest, _)| *digest) {
                cuts.remove(&oldest);
            }
        }
        cuts.insert(request, (reason.to_owned(), now));
    }

    /// The reason this request was cut for, if that is not long ago.
    pub fn reason(&self, request: &RequestDigest, now: Instant) -> Option<String> {
        let mut cuts = self.cuts.lock().unwrap_or_else(PoisonError::into_inner);
        let (reason, at) = cuts.get(request)?;
        if now.duration_since(*at) < KEPT {
            return Some(reason.clone());
        }
        cuts.remove(request);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_is_remembered_for_a_while_and_the_number_is_bounded() {
        let remembered = Remembered::default();
        let start = Instant::now();
        remembered.note([1; 32], "budget", start);
        assert_eq!(remembered.reason(&[1; 32], start + KEPT / 2).as_deref(), Some("budget"));
        assert_eq!(remembered.reason(&[2; 32], start), None);
        assert_eq!(remembered.reason(&[1; 32], start + KEPT), None);
        for n in 0..MOST as u64 + 5 {
            let mut digest = [0; 32];
            digest[..8].copy_from_slice(&n.to_le_bytes());
            remembered.note(digest, "budget", start + Duration::from_nanos(n));
        }
        assert_eq!(remembered.cuts.lock().unwrap().len(), MOST);
        assert_eq!(remembered.reason(&[0; 32], start), None, "the oldest went first");
    }
}
