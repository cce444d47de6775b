//! The way back from a text that was rewritten piece by piece to the places it was made of.

use std::collections::VecDeque;

/// A map between a source and a text made of it, most of which was taken over byte by byte.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// What was not, oldest first. The first is the base of the mapping: all before it is forgotten.
    breaks: VecDeque<Break>,
}

/// A stretch that was rewritten: where it ends on both sides, and how long it is there.
#[derive(Clone, Copy, Debug, Default)]
struct Break {
    made: u64,
    source: u64,
    made_len: u8,
    source_len: u8,
}

impl Places {
    /// Notes that the `source_len` bytes of the source before `source` became the `made_len` bytes of the text before
    /// `made`. Stretches come in order.
    pub fn add(&mut self, made: u64, made_len: u8, source: u64, source_len: u8) {
        self.breaks.push_back(Break { made, source, made_len, source_len });
    }

    /// Where the source of the byte `offset` of the text starts; the offset behind the last one gives the start of what
    /// is not rewritten yet.
    pub fn source_start(&self, offset: u64) -> u64 {
        match self.last_where(|at| at.made - u64::from(at.made_len) <= offset) {
            None => offset,
            Some(at) if offset < at.made => at.source - u64::from(at.source_len),
            Some(at) => at.source + (offset - at.made),
        }
    }

    /// Where the source of the byte before `offset` ends.
    pub fn source_end(&self, offset: u64) -> u64 {
        match self.last_where(|at| at.made - u64::from(at.made_len) < offset) {
            None => offset,
            Some(at) if offset <= at.made => at.source,
            Some(at) => at.source + (offset - at.made),
        }
    }

    /// Forgets what is needed only for offsets before `made`.
    pub fn forget_before(&mut self, made: u64) {
        while self.breaks.get(1).is_some_and(|second| second.made <= made) {
            self.breaks.pop_front();
        }
    }

    fn last_where(&self, holds: impl FnMut(&Break) -> bool) -> Option<&Break> {
        self.breaks.partition_point(holds).checked_sub(1).and_then(|index| self.breaks.get(index))
    }
}
