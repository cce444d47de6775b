//! One running text seen as it stands, and as a reader sees it who looks past disguises.

use crate::inspect::scan::Pass;
use crate::inspect::{Engine, Finding};
use crate::wire::event::Direction;

/// The state of one channel: everything that looks at its text.
#[derive(Debug, Default)]
pub struct Scan {
    plain: Pass,
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
        self.plain.push(engine, direction, text, out);
    }

    /// Ends the channel: what was still open is decided. The frontier is then [`Scan::fed`].
    pub fn finish(&mut self, engine: &Engine, direction: Direction, out: &mut Vec<Finding>) {
        self.plain.finish(engine, direction, out);
    }

    /// Everything before this offset is decided: no enforcing finding will reach into it any more.
    pub fn frontier(&self) -> u64 {
        self.plain.frontier()
    }

    /// Bytes taken in so far.
    pub fn fed(&self) -> u64 {
        self.plain.fed()
    }

    /// Bytes this state takes, without the text it keeps for what is held.
    pub fn state(&self) -> usize {
        self.plain.state()
    }
}
