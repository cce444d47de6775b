//! The last bytes of a text that nothing needs any more, for what must stand before a match.

use crate::inspect::rules::MAX_BEFORE;

/// Bytes of text kept before what is needed: the longest context, and the byte that decides it.
const REMEMBERED: usize = MAX_BEFORE + 1;

/// Room for them, so that they need not be moved for every short piece.
const ROOM: usize = 2 * REMEMBERED;

/// The end of the text already let go, newest last.
#[derive(Clone, Debug)]
pub(super) struct History {
    bytes: [u8; ROOM],
    length: u16,
}

impl Default for History {
    fn default() -> History {
        History { bytes: [0; ROOM], length: 0 }
    }
}

impl History {
    /// Takes in text that nothing needs any more.
    pub fn add(&mut self, text: &[u8]) {
        let text = &text[text.len().saturating_sub(REMEMBERED)..];
        let mut old = usize::from(self.length);
        if old + text.len() > ROOM {
            let kept = old.min(REMEMBERED - text.len());
            self.bytes.copy_within(old - kept..old, 0);
            old = kept;
        }
        self.bytes[old..old + text.len()].copy_from_slice(text);
        self.length = (old + text.len()) as u16;
    }

    /// That text.
    pub fn text(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

/// The text before a place: what was let go, and what is at hand.
#[derive(Clone, Copy)]
pub(super) struct Past<'a> {
    /// The older part.
    pub history: &'a [u8],
    /// The newer part; the place is at its end.
    pub text: &'a [u8],
}

impl Past<'_> {
    /// Bytes there are.
    pub fn length(&self) -> usize {
        self.history.len() + self.text.len()
    }

    /// The byte before the `back` last ones; `None` before the first.
    #[inline]
    pub fn back(&self, back: usize) -> Option<u8> {
        match self.text.len().checked_sub(back + 1) {
            Some(place) => Some(self.text[place]),
            None => {
                self.history.len().checked_sub(back - self.text.len() + 1).map(|place| self.history[place])
            }
        }
    }

    /// All bytes, the last one first.
    pub fn reversed(&self) -> impl Iterator<Item = u8> {
        self.text.iter().rev().chain(self.history.iter().rev()).copied()
    }

    /// The last `count` bytes, in order.
    pub fn last(&self, count: usize) -> impl Iterator<Item = u8> {
        let old = &self.history[self.history.len() - count.saturating_sub(self.text.len())..];
        old.iter().chain(&self.text[self.text.len() - count.min(self.text.len())..]).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_keeps_the_newest() {
        let mut history = History::default();
        let text: Vec<u8> = (0..250).collect();
        for piece in text.chunks(7) {
            history.add(piece);
        }
        assert!(history.text().len() >= REMEMBERED && text.ends_with(history.text()));
        history.add(&text);
        assert!(history.text().len() >= REMEMBERED && text.ends_with(history.text()));
    }

    #[test]
    fn the_past_is_one_text() {
        for split in 0..=5 {
            let (history, text) = b"abcde".split_at(split);
            let past = Past { history, text };
            assert_eq!((past.back(0), past.back(4), past.back(5)), (Some(b'e'), Some(b'a'), None));
            assert_eq!(past.last(3).collect::<Vec<_>>(), b"cde");
            assert_eq!(past.reversed().collect::<Vec<_>>(), b"edcba");
        }
    }
}
