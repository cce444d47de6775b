//! The next place of a text where something may begin, found once and remembered.

use super::Window;
use super::arms::Armed;
use super::filter::{Behind, EDGE, Edge, Filter, START};
use super::history::Past;
use super::lead::{AHEAD, BEHIND};
use super::need::Places;

/// Goes ahead of the scan of one window: over its edges piece by piece, over what lies between in one go.
pub(super) struct Next<'a> {
    filter: &'a Filter,
    text: &'a [u8],
    behind: Behind,
    window: Window<'a>,
    places: Places<'a>,
    armed: Armed,
    /// The next place where a word of a context begins.
    word: usize,
    /// The bits of rules that may begin, and up to where that holds.
    active: u64,
    until: usize,
    /// The bits of rules that wait for something.
    waiting: u64,
    edge: Edge,
    /// Where the edge begins, and its places, not yet told, where something may begin.
    edge_at: usize,
    open: u64,
    /// The place found last, and the filter's bits there; the end of the text and none when there is no other.
    found: (usize, u64),
}

impl<'a> Next<'a> {
    /// Looks from `from` on; `history` stands before the window, and what is `armed` was found there.
    #[inline]
    pub fn new(window: Window<'a>, history: &[u8], mut armed: Armed, from: usize) -> Next<'a> {
        let arms = window.engine.arms();
        let past = Past { history, text: &window.text[..from] };
        armed.bridge(arms, past, &window.text[from..], window.base + from as u64);
        let places = Places::new(window.engine.needs(window.direction));
        let filter = window.engine.filter(window.direction);
        let behind = Filter::behind(history, START);
        let edge = Edge::new(window.text, from, behind);
        let mut next = Next {
            filter,
            text: window.text,
            behind,
            window,
            waiting: places.bits() | window.engine.armed_bits(window.direction),
            places,
            armed,
            word: arms.next(window.text, from),
            active: 0,
            until: 0,
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
                self.look(at);
                let until = self.until.min(whole);
                let found = self.filter.find(self.text, at, until, self.active);
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

    /// Finds which rules may begin at `at`. Places are asked for in ascending order.
    #[inline]
    fn look(&mut self, at: usize) {
        if at >= self.until {
            self.look_again(at);
        }
    }

    fn look_again(&mut self, at: usize) {
        self.places.look(self.text, at);
        self.arm(at);
        let arms = self.window.engine.arms();
        let direction = self.window.direction;
        let (armed, until) = self.armed.active(arms, direction as usize, self.window.base + at as u64);
        self.active = self.places.active & !(self.window.engine.armed_bits(direction) & !armed);
        let until = until.saturating_sub(self.window.base).min(usize::MAX as u64) as usize;
        self.until = until.min(self.places.until).min(self.word + 1);
    }

    /// Takes in the words that begin before `at`.
    fn arm(&mut self, at: usize) {
        let arms = self.window.engine.arms();
        while self.word < at.min(self.text.len()) {
            self.armed.arm(arms, self.text, self.word, self.window.base);
            self.word = arms.next(self.text, self.word + 1);
        }
    }

    /// What is armed at the place found last.
    pub fn armed(&self) -> &Armed {
        &self.armed
    }

    /// What is armed at the end of the text.
    pub fn finish(mut self) -> Armed {
        self.arm(self.text.len());
        self.armed
    }

    /// The next place of the edge from `at` on.
    fn in_edge(&mut self, at: usize) -> Option<(usize, u64)> {
        self.open &= u64::MAX << (at - self.edge_at);
        while self.open != 0 {
            let place = self.open.trailing_zeros() as usize;
            self.open &= self.open - 1;
            let at = self.edge_at + place;
            let mut bits = self.filter.at(&self.edge, place);
            if bits & self.waiting != 0 {
                self.look(at);
                bits &= self.active;
            }
            if bits != 0 {
                return Some((at, bits));
            }
        }
        None
    }
}

const _: () = assert!(EDGE >= BEHIND, "what follows the first edge has bytes before it");
