//! The exact scan: anchored automata started wherever a rule may begin, their state carried from piece to piece.
//!
//! A place where a rule may begin starts a *candidate*: an anchored automaton that steps over the following bytes
//! until it dies or reaches its rule's bound. Only what begins before the oldest live candidate is decided; with
//! none live, everything is. Nothing is ever looked at twice, and the cost per byte is the number of candidates
//! alive there, which is one in ordinary text. Rules that only warn run beside in a lane of their own, so they
//! find the same and delay nothing.

mod arms;
mod before;
mod build;
mod candidate;
mod engine;
mod filter;
mod gates;
mod history;
mod keywords;
mod lane;
mod lead;
mod machine;
mod need;
mod next;
mod parallel;
mod share;

#[cfg(test)]
mod corpus_tests;
#[cfg(test)]
mod tests;

use arms::Armed;
use candidate::{Accepted, Candidate};
pub use engine::{Engine, Hold};
use gates::Spot;
use history::{History, Past};
use keywords::Seen;
use lane::{Lane, Match};
use next::Next;
pub use share::Live;

use crate::inspect::Finding;
use crate::wire::event::Direction;

/// The state of one channel. Small: some hundred bytes, plus the text from the oldest live candidate on, which is
/// bounded by the longest rule and [`lane::MAX_SPAN`].
#[derive(Clone, Debug, Default)]
pub struct Pass {
    /// Bytes taken in so far.
    fed: u64,
    /// Everything before is decided.
    frontier: u64,
    live: Vec<Candidate>,
    accepted: Vec<Accepted>,
    enforcing: Lane,
    warning: Lane,
    /// The text before `fed` that is still needed.
    kept: Vec<u8>,
    /// The text before that.
    history: History,
    /// The words of contexts in it.
    seen: Seen,
    /// The contexts whose words are near.
    armed: Armed,
    /// Where views of the same text still have something open.
    views: Live,
    /// Only rules that hold inside other encodings begin.
    inner: bool,
}

/// What one call of the scan works on.
#[derive(Clone, Copy)]
struct Window<'a> {
    engine: &'a Engine,
    direction: Direction,
    /// Offset of `text[0]` in the channel.
    base: u64,
    text: &'a [u8],
}

impl Window<'_> {
    fn slice(&self, start: u64, end: u64) -> &[u8] {
        &self.text[(start - self.base) as usize..(end - self.base) as usize]
    }
}

impl Pass {
    /// The state before the first byte of a channel.
    pub fn new() -> Pass {
        Pass::default()
    }

    /// Takes in the next piece of the channel's decoded text and appends what became final to `out`.
    ///
    /// Enforcing findings come in ascending order, do not overlap, and end at or before [`Pass::frontier`].
    /// `engine` and `direction` must be the same for all calls on one pass.
    pub fn push(&mut self, engine: &Engine, direction: Direction, text: &[u8], out: &mut Vec<Finding>) {
        self.feed(engine, direction, text);
        self.settle(engine, direction, out);
    }

    /// Takes in the next piece of text without deciding anything yet.
    pub fn feed(&mut self, engine: &Engine, direction: Direction, text: &[u8]) {
        if text.is_empty() {
            return;
        }
        let from = self.kept.len();
        let base = self.fed - from as u64;
        self.fed += text.len() as u64;
        if from == 0 {
            self.run(Window { engine, direction, base, text }, 0);
            let keep = (self.needed() - base) as usize;
            self.history.add(&text[..keep]);
            self.kept.extend_from_slice(&text[keep..]);
        } else {
            let mut kept = std::mem::take(&mut self.kept);
            kept.extend_from_slice(text);
            self.run(Window { engine, direction, base, text: &kept }, from);
            self.kept = kept;
            self.trim();
        }
    }

    /// Ends the channel: what was still open is decided. The frontier is then [`Pass::fed`].
    pub fn finish(&mut self, engine: &Engine, direction: Direction, out: &mut Vec<Finding>) {
        self.end(engine, direction);
        self.settle(engine, direction, out);
    }

    /// Everything before this offset is decided: no enforcing finding will reach into it any more.
    pub fn frontier(&self) -> u64 {
        self.frontier
    }

    /// Bytes taken in so far.
    pub fn fed(&self) -> u64 {
        self.fed
    }

    /// Bytes this state takes, without the text it keeps for what is held.
    pub fn state(&self) -> usize {
        size_of::<Pass>()
            + self.live.capacity() * size_of::<Candidate>()
            + self.accepted.capacity() * size_of::<Accepted>()
            + self.seen.memory()
            + self.armed.memory()
            + self.enforcing.memory()
            + self.warning.memory()
    }

    fn run(&mut self, window: Window<'_>, from: usize) {
        let armed = std::mem::take(&mut self.armed);
        let mut next = Next::new(window, self.history.text(), armed, from);
        let mut at = from;
        while at < window.text.len() {
            let (begin, bits) = next.from(at);
            match self.live.len() {
                0 => at = begin,
                1 => at = self.coast(window, at, begin),
                _ => {}
            }
            let Some(&byte) = window.text.get(at) else { break };
            if at == begin {
                self.begin(window, at, bits, next.armed());
            }
            if !self.live.is_empty() {
                self.step(window, window.base + at as u64, byte);
            }
            at += 1;
        }
        self.armed = next.finish();
    }

    /// Starts the candidates that the filter's `bits` and what stands before allow.
    fn begin(&mut self, window: Window<'_>, at: usize, bits: u64, armed: &Armed) {
        let past = Past { history: self.history.text(), text: &window.text[..at] };
        let spot = Spot::new(past, &window.text[at..]);
        let start = window.base + at as u64;
        // Rules with the same context often stand together.
        let mut last = (None, true);
        for gate in window.engine.gates().all() {
            let crowd = gate.of(window.direction as usize, self.inner, bits);
            let mut crowd = gate.admit(gate.near(crowd, start, armed.contexts()), spot);
            while let Some(place) = crowd.take() {
                let number = gate.number(place);
                let machine = window.engine.machine(number);
                if machine.before != last.0 {
                    last = (machine.before, machine.before.is_none_or(|it| self.follows(window, at, it)));
                }
                if last.1 && !machine.dies_in(spot.text) {
                    self.live.push(Candidate { start, machine: number, state: machine.start, value: 0 });
                }
            }
        }
    }

    /// Whether a context stands before the place `at`.
    fn follows(&mut self, window: Window<'_>, at: usize, number: u16) -> bool {
        let past = Past { history: self.history.text(), text: &window.text[..at] };
        let before = &window.engine.befores()[usize::from(number)];
        if before.exact {
            return true;
        }
        let keywords = window.engine.keywords();
        if !before.words.is_empty() {
            self.seen.catch_up(keywords, past, window.base + at as u64);
        }
        before.matches(number, past, keywords, &self.seen)
    }

    /// Decides what can be decided and moves the frontier.
    pub fn settle(&mut self, engine: &Engine, direction: Direction, out: &mut Vec<Finding>) {
        let live = self.live(engine, direction).min(self.views);
        let kept = std::mem::take(&mut self.kept);
        let window = Window { engine, direction, base: self.fed - kept.len() as u64, text: &kept };
        self.frontier = self.enforcing.settle(window, live.enforcing, out);
        self.warning.settle(window, live.warning, out);
        self.kept = kept;
        self.trim();
    }

    /// Lets go of text that nothing needs any more.
    fn trim(&mut self) {
        let base = self.fed - self.kept.len() as u64;
        let done = (self.needed() - base) as usize;
        if done > 0 {
            self.history.add(&self.kept[..done]);
            self.kept.drain(..done);
        }
    }

    /// Start of the text that must be kept.
    fn needed(&self) -> u64 {
        let lanes = self.enforcing.start().into_iter().chain(self.warning.start());
        // What a view found may stand beyond what this pass has taken in.
        let least = self.fed.min(self.views.least());
        self.live.iter().map(|candidate| candidate.start).chain(lanes).fold(least, u64::min)
    }

    fn found(&mut self, window: Window<'_>, found: Match) {
        match window.engine.action(found.rule, window.direction).enforces() {
            true => self.enforcing.add(found),
            false => self.warning.add(found),
        }
    }
}
