//! One running text, as it stands and as a reader takes it who looks past disguises.
//!
//! [`Scan`] is the state of one channel. The plain text is always scanned. Beside it stand three *views*, which cost
//! next to nothing while they have nothing to look at:
//!
//! - **folded**: invisible characters, look-alikes, digits and letters of other widths, percent-encoding and soft line
//!   breaks undone. It branches off the plain pass at the first such place, with everything that is still open there,
//!   and ends when nothing of it is open and no such place is near.
//! - **spelled out**: runs of single characters with one sign between them.
//! - **encoded**: base64 and hexadecimal runs that decode to plain ASCII, one level deep.
//!
//! What the views find goes, in places of the source, to the plain pass, which merges and reports it as if it had found
//! it itself; and nothing is decided beyond the oldest place where a view has something open. All they do depends on
//! the text alone and not on how it is cut.

mod characters;
mod encoded;
mod fold;
mod folded;
mod spaced;

#[cfg(test)]
mod tests;

use crate::inspect::scan::{Live, Pass};
use crate::inspect::{Engine, Finding};
use crate::wire::event::Direction;
use encoded::Encoded;
use folded::Folded;
use spaced::Spaced;

/// Bytes behind a disguise after which nothing that begins there can tell that it was one: more than a rule looks back.
const MEMORY: u64 = 192;
/// Bytes folded together.
const STRETCH: usize = 1024;

/// The state of one channel: some hundred bytes, plus the text from the oldest place on where something is open, and
/// as much again for each view that has something open.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    plain: Pass,
    spaced: Spaced,
    encoded: Encoded,
    folded: Option<Box<Folded>>,
    /// From here on no disguise is near.
    quiet: u64,
    /// Bytes of the last line that were taken in.
    column: usize,
    /// The beginning of what may be a disguise; not taken in yet, and shorter than [`fold::LONGEST`].
    pending: Vec<u8>,
}

impl Scan {
    /// The state before the first byte of a channel.
    pub fn new() -> Scan {
        Scan::default()
    }

    /// Takes in the next piece of the channel's decoded text and appends what became final to `out`.
    ///
    /// Enforcing findings come in ascending order, do not overlap, and end at or before [`Scan::frontier`].
    /// `engine` and `direction` must be the same for all calls on one scan.
    pub fn push(&mut self, engine: &Engine, direction: Direction, text: &[u8], out: &mut Vec<Finding>) {
        if self.pending.is_empty() {
            self.take(engine, direction, text);
        } else {
            let mut joined = std::mem::take(&mut self.pending);
            joined.extend_from_slice(text);
            self.take(engine, direction, &joined);
        }
        self.plain.settle(engine, direction, out);
    }

    /// Ends the channel: what was still open is decided. The frontier is then [`Scan::fed`].
    pub fn finish(&mut self, engine: &Engine, direction: Direction, out: &mut Vec<Finding>) {
        let pending = std::mem::take(&mut self.pending);
        self.look(engine, direction, &pending);
        self.spaced.end(engine, direction, &mut self.plain);
        self.encoded.end(engine, direction, &mut self.plain);
        if let Some(mut folded) = self.folded.take() {
            folded.end(engine, direction, &mut self.plain);
        }
        self.plain.hold(Live::default());
        self.plain.finish(engine, direction, out);
    }

    /// Everything before this offset is decided: no enforcing finding will reach into it any more.
    pub fn frontier(&self) -> u64 {
        self.plain.frontier()
    }

    /// Bytes taken in so far.
    pub fn fed(&self) -> u64 {
        self.plain.fed() + self.pending.len() as u64
    }

    /// Takes in `text` but for the beginning of a disguise at its end.
    fn take(&mut self, engine: &Engine, direction: Direction, text: &[u8]) {
        let (text, pending) = text.split_at(text.len() - fold::undecided(text, self.column));
        self.look(engine, direction, text);
        self.pending.extend_from_slice(pending);
    }

    fn look(&mut self, engine: &Engine, direction: Direction, text: &[u8]) {
        self.spaced.push(engine, direction, text, &mut self.plain);
        self.encoded.push(engine, direction, text, &mut self.plain);
        let base = self.plain.fed();
        let mut at = 0;
        while at < text.len() {
            at = match &mut self.folded {
                None => self.unfolded(engine, direction, text, at),
                Some(folded) => {
                    let to = text.len().min(at + STRETCH);
                    let (end, last) = folded.push(engine, direction, text, (at, to), (base, self.column));
                    folded.hand_over(engine, direction, &mut self.plain);
                    self.quiet = last.map_or(self.quiet, |last| last + MEMORY);
                    self.feed(engine, direction, &text[at..end]);
                    self.end_fold();
                    end
                }
            };
        }
        self.column = fold::column_after(text, self.column);
    }

    /// Takes in what stands before the first disguise, and begins to fold there.
    fn unfolded(&mut self, engine: &Engine, direction: Direction, text: &[u8], at: usize) -> usize {
        let next = fold::next(text, at, self.column);
        let end = next.map_or(text.len(), |(place, _)| place);
        self.feed(engine, direction, &text[at..end]);
        if next.is_some() {
            self.folded = Some(Box::new(Folded::new(&self.plain, self.quiet)));
        }
        end
    }

    /// Feeds the plain pass, which keeps what the views have open.
    fn feed(&mut self, engine: &Engine, direction: Direction, text: &[u8]) {
        let folded = self.folded.as_ref().map(|folded| folded.live(engine, direction)).unwrap_or_default();
        let live = self.spaced.live(engine, direction).min(self.encoded.live(engine, direction)).min(folded);
        self.plain.hold(live);
        self.plain.feed(engine, direction, text);
    }

    /// Ends the folded view where it is the plain text again.
    fn end_fold(&mut self) {
        if self.plain.fed() >= self.quiet && self.folded.as_ref().is_some_and(|folded| folded.is_idle()) {
            self.folded = None;
        }
    }

    /// Bytes this state takes, without the text it keeps for what is held.
    pub fn state(&self) -> usize {
        self.plain.state()
    }
}
