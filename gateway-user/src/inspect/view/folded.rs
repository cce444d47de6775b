//! The text as a reader takes it who sees through disguises: a second pass that goes on from where the first one is.

use std::collections::VecDeque;

use super::characters::Fold;
use super::fold;
use crate::inspect::Engine;
use crate::inspect::scan::{Live, Pass};
use crate::wire::event::Direction;
use crate::wire::places::Places;

/// Of a match, at most three quarters may be look-alike letters of another script: with more it is a word of that
/// script.
const FOREIGN: (u64, u64) = (3, 4);

/// A pass over the folded text. Its offsets are those of the source where it began.
#[derive(Clone, Debug)]
pub struct Folded {
    pass: Pass,
    places: Places,
    /// Where look-alike letters stand in the folded text.
    letters: VecDeque<u64>,
    made: Vec<u8>,
}

impl Folded {
    /// Goes on from `plain`, before the first disguise. Of what is open it takes what began at `since` or later.
    pub fn new(plain: &Pass, since: u64) -> Folded {
        let (places, letters) = (Places::default(), VecDeque::new());
        Folded { pass: plain.branch(since), places, letters, made: Vec::new() }
    }

    /// Takes in `text` from `from` to `to`, or to the end of a disguise that stands there; `base` is the offset of
    /// `text` in the source. Returns how far it came, and where the last disguise ended.
    pub fn push(
        &mut self,
        engine: &Engine,
        direction: Direction,
        text: &[u8],
        (from, to): (usize, usize),
        (base, column): (u64, usize),
    ) -> (usize, Option<u64>) {
        self.made.clear();
        let mut at = from;
        let mut last = None;
        while at < to {
            let found = fold::next(text, at, column).filter(|(place, _)| *place < to);
            let Some((place, disguise)) = found else { break };
            self.made.extend_from_slice(&text[at..place]);
            at = place + disguise.length;
            let letter = match disguise.fold {
                Fold::To(byte) | Fold::Letter(byte) => Some(byte),
                Fold::Keep | Fold::Drop => None,
            };
            if let Fold::Letter(_) = disguise.fold {
                self.letters.push_back(self.pass.fed() + self.made.len() as u64);
            }
            self.made.extend(letter);
            let made = self.pass.fed() + self.made.len() as u64;
            let length = u8::from(letter.is_some());
            self.places.add(made, length, base + at as u64, disguise.length as u8);
            last = Some(base + at as u64);
        }
        let end = at.max(to);
        self.made.extend_from_slice(&text[at..end]);
        self.pass.feed(engine, direction, &self.made);
        (end, last)
    }

    /// Hands over what was found to the pass over the source, and forgets what is not needed any more.
    pub fn hand_over(&mut self, engine: &Engine, direction: Direction, plain: &mut Pass) {
        let (places, letters) = (&self.places, &self.letters);
        self.pass.take_matches(|rule, start, end| {
            let before = |offset: u64| letters.partition_point(|place| *place < offset) as u64;
            if (before(end) - before(start)) * FOREIGN.1 <= (end - start) * FOREIGN.0 {
                plain.adopt(engine, direction, rule, places.source_start(start), places.source_end(end));
            }
        });
        let needed = self.pass.live(engine, direction).least();
        self.places.forget_before(needed);
        while self.letters.front().is_some_and(|place| *place < needed) {
            self.letters.pop_front();
        }
    }

    /// Where open matches begin in the source.
    pub fn live(&self, engine: &Engine, direction: Direction) -> Live {
        let fed = self.pass.fed();
        let place = |start| if start == fed { u64::MAX } else { self.places.source_start(start) };
        self.pass.live(engine, direction).map(place)
    }

    /// Whether nothing is open.
    pub fn is_idle(&self) -> bool {
        self.pass.is_idle()
    }

    /// Ends the text.
    pub fn end(&mut self, engine: &Engine, direction: Direction, plain: &mut Pass) {
        self.pass.end(engine, direction);
        self.hand_over(engine, direction, plain);
    }
}
