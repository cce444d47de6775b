//! Finds the time stamps of the simulated provider in a stream, wherever chunk borders fall.

use std::time::{SystemTime, UNIX_EPOCH};

use gateway::simulate::Script;
use memchr::memmem;

/// Letters of a stamp: `tok` and sixteen more.
const LENGTH: usize = 19;

/// The reader of one stream.
#[derive(Default)]
pub struct Stamps {
    /// The end of what was fed so far, shorter than a stamp.
    rest: Vec<u8>,
}

impl Stamps {
    /// Feeds the next bytes and reports each stamp that ends in them, in nanoseconds since 1970.
    pub fn feed(&mut self, data: &[u8], mut found: impl FnMut(u64)) {
        self.rest.extend_from_slice(data);
        let mut from = 0;
        while let Some(at) = memmem::find(&self.rest[from..], b"tok").map(|at| from + at) {
            if at + LENGTH > self.rest.len() {
                from = at;
                break;
            }
            match Script::read_stamp(&self.rest[at + 3..]) {
                Some(time) => {
                    found(time);
                    from = at + LENGTH;
                }
                None => from = at + 3,
            }
        }
        // What is left may be the start of a stamp, if only its first letters.
        let keep = from.max(self.rest.len().saturating_sub(LENGTH - 1));
        self.rest.drain(..keep);
    }
}

/// The time now, on the clock of the stamps.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_survive_any_split() {
        let word = Script::default().stamp();
        let text = format!("data: {{\"content\":\"{word}\"}}  tokens, to {word} to");
        for cut in 0..text.len() {
            let mut got = 0;
            let mut stamps = Stamps::default();
            stamps.feed(&text.as_bytes()[..cut], |_| got += 1);
            stamps.feed(&text.as_bytes()[cut..], |_| got += 1);
            assert_eq!(got, 2, "cut at {cut}");
        }
    }
}
