//! The next place of a text where something may begin, found once and remembered.

use super::Window;
use super::filter::{Behind, Filter, START};
use super::need::Places;

/// Goes ahead of the scan of one window.
pub(super) struct Next<'a> {
    filter: &'a Filter,
    text: &'a [u8],
    behind: Behind,
    places: Places<'a>,
    /// The place found last, and the filter's bits there; the end of the text and none when there is no other.
    found: (usize, u64),
}

impl<'a> Next<'a> {
    /// Looks from `from` on; `history` stands before the window.
    pub fn new(window: Window<'a>, history: &[u8], from: usize) -> Next<'a> {
        let filter = window.engine.filter(window.direction);
        let places = Places::new(window.engine.needs(window.direction), from);
        let behind = Filter::behind(history, START);
        let mut next = Next { filter, text: window.text, behind, places, found: (from, 0) };
        next.search(from);
        next
    }

    /// The first place from `at` on where something may begin, and the filter's bits there. Places are asked for in
    /// ascending order.
    #[inline(always)]
    pub fn from(&mut self, at: usize) -> (usize, u64) {
        if self.found.0 < at {
            self.search(at);
        }
        self.found
    }

    fn search(&mut self, mut at: usize) {
        let end = self.text.len();
        while at < end {
            if at >= self.places.until {
                self.places.look(self.text, at);
            }
            let until = self.places.until.min(end);
            let (place, bits) = self.filter.find(self.text, at, until, self.behind, self.places.active);
            if bits != 0 {
                self.found = (place, bits);
                return;
            }
            at = until;
        }
        self.found = (end, 0);
    }
}
