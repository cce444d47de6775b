//! The next place of a text where something may begin, found once and remembered.

use super::Window;
use super::filter::{Behind, EDGE, Edge, Filter, START};
use super::lead::{AHEAD, BEHIND};
use super::need::Places;

/// Goes ahead of the scan of one window: over its edges piece by piece, over what lies between in one go.
pub(super) struct Next<'a> {
    filter: &'a Filter,
    text: &'a [u8],
    behind: Behind,
    places: Places<'a>,
    edge: Edge,
    /// Where the edge begins, and its places, not yet told, where something may begin.
    edge_at: usize,
    open: u64,
    /// The place found last, and the filter's bits there; the end of the text and none when there is no other.
    found: (usize, u64),
}

impl<'a> Next<'a> {
    /// Looks from `from` on; `history` stands before the window.
    #[inline]
    pub fn new(window: Window<'a>, history: &[u8], from: usize) -> Next<'a> {
        let filter = window.engine.filter(window.direction);
        let behind = Filter::behind(history, START);
        let edge = Edge::new(window.text, from, behind);
        let mut next = Next {
            filter,
            text: window.text,
            behind,
            places: Places::new(window.engine.needs(window.direction)),
            open: filter.places(&edge),
            edge,
            edge_at: from,
            found: (from, 0),
        };
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
        let whole = (end + 1).saturating_sub(AHEAD);
        while at < end {
            if at < self.edge_at + self.edge.length() {
                match self.in_edge(at) {
                    Some(found) => return self.found = found,
                    None => at = self.edge_at + self.edge.length(),
                }
            } else if at + EDGE < whole {
                self.places.look(self.text, at);
                let until = self.places.until.min(whole);
                let found = self.filter.find(self.text, at, until, self.places.active);
                if found.1 != 0 {
                    return self.found = found;
                }
                at = until;
            } else {
                self.edge = Edge::new(self.text, at, self.behind);
                (self.edge_at, self.open) = (at, self.filter.places(&self.edge));
            }
        }
        self.found = (end, 0);
    }

    /// The next place of the edge from `at` on.
    fn in_edge(&mut self, at: usize) -> Option<(usize, u64)> {
        self.open &= u64::MAX << (at - self.edge_at);
        while self.open != 0 {
            let place = self.open.trailing_zeros() as usize;
            self.open &= self.open - 1;
            let at = self.edge_at + place;
            let mut bits = self.filter.at(&self.edge, place);
            if bits & self.places.bits() != 0 {
                self.places.look(self.text, at);
                bits &= self.places.active;
            }
            if bits != 0 {
                return Some((at, bits));
            }
        }
        None
    }
}

const _: () = assert!(EDGE >= BEHIND, "what follows the first edge has bytes before it");
