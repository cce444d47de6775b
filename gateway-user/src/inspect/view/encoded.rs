//! Text that is encoded once more: runs of base64, base64url or hexadecimal digits that decode to plain ASCII.

mod decoder;

use crate::inspect::Engine;
use crate::inspect::scan::{Live, Pass};
use crate::wire::event::Direction;
use decoder::{Decoder, Encoding};

/// Readings of one run that are followed at a time. They begin at its start and behind each sign in it; nearly all end
/// within a few characters.
const MOST: usize = 4;
/// Runs shorter than this hold nothing that counts.
const SHORTEST_RUN: usize = 12;

/// Looks for encoded runs and scans what they decode to.
#[derive(Clone, Debug, Default)]
pub struct Encoded {
    fed: u64,
    stands: Stands,
    /// The last byte.
    last: u8,
    open: Vec<Decoder>,
    decoded: Vec<u8>,
}

/// Where the text ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stands {
    /// Behind a byte that is in no run.
    #[default]
    Outside,
    /// In a run.
    Inside,
    /// Behind a full line of base64, and so much of the line's end.
    Wrapped(LineEnd),
}

/// How much of a line's end was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LineEnd {
    None,
    Return,
    Feed,
}

impl Encoded {
    /// Takes in the next piece; matches go to `plain`.
    pub fn push(&mut self, engine: &Engine, direction: Direction, text: &[u8], plain: &mut Pass) {
        let mut at = 0;
        while at < text.len() {
            match self.stands {
                Stands::Outside => {
                    at = run_from(text, at);
                    if at < text.len() {
                        self.stands = Stands::Inside;
                    }
                }
                Stands::Inside => {
                    let ended = text[at..].iter().position(|byte| !in_run(*byte));
                    let end = ended.map_or(text.len(), |length| at + length);
                    self.run(engine, direction, text, (at, end), plain);
                    at = end;
                    if at < text.len() {
                        self.leave(engine, direction, text[at], plain);
                    }
                }
                Stands::Wrapped(so_far) => {
                    if self.line_end(engine, direction, text[at], so_far, plain) {
                        at += 1;
                    }
                }
            }
        }
        self.last = text.last().copied().unwrap_or(self.last);
        self.fed += text.len() as u64;
    }

    /// Ends the text.
    pub fn end(&mut self, engine: &Engine, direction: Direction, plain: &mut Pass) {
        for decoder in self.open.drain(..) {
            decoder.end(engine, direction, plain);
        }
    }

    /// Where open matches begin.
    pub fn live(&self, engine: &Engine, direction: Direction) -> Live {
        self.open.iter().fold(Live::default(), |live, decoder| live.min(decoder.live(engine, direction)))
    }

    /// Takes in a stretch of a run.
    fn run(
        &mut self,
        engine: &Engine,
        direction: Direction,
        text: &[u8],
        (from, to): (usize, usize),
        plain: &mut Pass,
    ) {
        // How far each reading gets.
        let mut reaches = [from; MOST];
        for (mut decoder, reach) in std::mem::take(&mut self.open).into_iter().zip(&mut reaches) {
            *reach += decoder.read(engine, direction, &text[from..to], &mut self.decoded);
            self.keep(engine, direction, decoder, *reach < to, plain);
        }
        let mut before = if from == 0 { self.last } else { text[from - 1] };
        for at in from..to {
            let begins = text[at].is_ascii_alphanumeric() && !before.is_ascii_alphanumeric();
            before = text[at];
            if !begins {
                continue;
            }
            for encoding in [Encoding::Base64, Encoding::Hex] {
                let Some(free) = reaches.iter().position(|reach| *reach <= at) else { break };
                let mut decoder = Decoder::new(encoding, self.fed + at as u64);
                reaches[free] = at + decoder.read(engine, direction, &text[at..to], &mut self.decoded);
                self.keep(engine, direction, decoder, reaches[free] < to, plain);
            }
        }
    }

    /// Keeps a reading, or ends it.
    fn keep(
        &mut self,
        engine: &Engine,
        direction: Direction,
        mut decoder: Decoder,
        ended: bool,
        plain: &mut Pass,
    ) {
        if ended {
            decoder.end(engine, direction, plain);
        } else {
            decoder.hand_over(engine, direction, plain);
            self.open.push(decoder);
        }
    }

    /// Ends a run before `byte`. Base64 in full lines may go on in the next one.
    fn leave(&mut self, engine: &Engine, direction: Direction, byte: u8, plain: &mut Pass) {
        let line_end = matches!(byte, b'\r' | b'\n');
        for decoder in std::mem::take(&mut self.open) {
            let wraps = line_end && decoder.is_full_line();
            self.keep(engine, direction, decoder, !wraps, plain);
        }
        self.stands = if self.open.is_empty() { Stands::Outside } else { Stands::Wrapped(LineEnd::None) };
    }

    /// Looks at a byte behind a full line; returns whether it belongs to the line's end.
    fn line_end(
        &mut self,
        engine: &Engine,
        direction: Direction,
        byte: u8,
        so_far: LineEnd,
        plain: &mut Pass,
    ) -> bool {
        let next = match (so_far, byte) {
            (LineEnd::None, b'\r') => LineEnd::Return,
            (LineEnd::None | LineEnd::Return, b'\n') => LineEnd::Feed,
            (LineEnd::Feed, byte) if in_run(byte) => {
                self.stands = Stands::Inside;
                return false;
            }
            _ => {
                self.end(engine, direction, plain);
                self.stands = Stands::Outside;
                return false;
            }
        };
        self.stands = Stands::Wrapped(next);
        self.open.iter_mut().for_each(Decoder::pass_over);
        true
    }
}

/// Characters of all encodings that are looked for.
#[inline(always)]
fn in_run(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

/// Where the next run begins that is long enough or reaches the end of `text`, outside of a run before `at`.
fn run_from(text: &[u8], mut at: usize) -> usize {
    // A look at every twelfth byte is enough to miss no run.
    while let Some(window) = text.get(at..at + SHORTEST_RUN) {
        match window.iter().rposition(|byte| !in_run(*byte)) {
            Some(outside) => at += outside + 1,
            None => return at,
        }
    }
    text[at..].iter().rposition(|byte| !in_run(*byte)).map_or(at, |outside| at + outside + 1)
}
