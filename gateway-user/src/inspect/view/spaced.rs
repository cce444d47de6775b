//! Text that is spelled out: single characters with the same sign between them, `s k - a n t`.

use crate::inspect::Engine;
use crate::inspect::scan::{Live, Pass};
use crate::wire::event::Direction;

/// Shortest match that counts, characters. Chance spells shorter ones.
const SHORTEST: u64 = 8;

/// Looks for runs of single characters and scans what they spell.
#[derive(Clone, Debug, Default)]
pub struct Spaced {
    fed: u64,
    /// The last two bytes, newest last; 0 before the text.
    last: [u8; 2],
    run: Option<Box<Run>>,
}

/// A run of single characters.
#[derive(Clone, Debug)]
struct Run {
    sign: u8,
    /// Where the first character stands; each further one two bytes on.
    start: u64,
    pass: Pass,
    /// A character behind which the sign has not come yet.
    single: Option<u8>,
    /// What the pass has not taken in yet.
    spelled: Vec<u8>,
}

impl Spaced {
    /// Takes in the next piece; matches go to `plain`.
    pub fn push(&mut self, engine: &Engine, direction: Direction, text: &[u8], plain: &mut Pass) {
        let mut at = 0;
        while at < text.len() {
            let to = if self.run.is_some() { text.len() } else { self.skip(text, &mut at) };
            while at < to || (at < text.len() && self.run.is_some()) {
                self.byte(engine, direction, text[at], self.fed + at as u64, plain);
                at += 1;
            }
        }
        self.fed += text.len() as u64;
        if let Some(run) = &mut self.run {
            run.scan(engine, direction, plain);
        }
    }

    /// Ends the text.
    pub fn end(&mut self, engine: &Engine, direction: Direction, plain: &mut Pass) {
        if let Some(run) = self.run.take() {
            run.end(engine, direction, true, plain);
        }
    }

    /// Where open matches begin.
    pub fn live(&self, engine: &Engine, direction: Direction) -> Live {
        self.run.as_ref().map_or_else(Live::default, |run| run.live(engine, direction))
    }

    /// Outside a run: moves `at` on to where one may begin, and returns up to where the bytes are to be looked at one
    /// by one.
    fn skip(&mut self, text: &[u8], at: &mut usize) -> usize {
        let from = *at;
        let (to, near) = match begun(&text[from..]) {
            // To the third sign, so that the next search begins behind.
            Some(place) => (from + place + 5, from + place),
            None => (text.len(), text.len()),
        };
        // Of two neighbours in a run one is the sign: behind two others there is none.
        let clear = |place: &usize| !is_sign(text[*place - 1]) && !is_sign(text[*place - 2]);
        let start = (from + 2..=near).rev().find(clear).unwrap_or(from);
        if start >= from + 2 {
            self.last = [text[start - 2], text[start - 1]];
        }
        *at = start;
        to
    }

    fn byte(&mut self, engine: &Engine, direction: Direction, byte: u8, place: u64, plain: &mut Pass) {
        if let Some(run) = &mut self.run {
            match run.single {
                None if byte.is_ascii_graphic() => run.single = Some(byte),
                Some(single) if byte == run.sign => {
                    run.spelled.push(single);
                    run.single = None;
                }
                _ => {
                    let alone = !(byte.is_ascii_alphanumeric() || byte == b'_');
                    if let Some(run) = self.run.take() {
                        run.end(engine, direction, alone, plain);
                    }
                }
            }
        }
        let [before, single] = self.last;
        if self.run.is_none()
            && is_sign(byte)
            && single.is_ascii_alphanumeric()
            && !before.is_ascii_alphanumeric()
        {
            let behind = (place >= 2).then_some(before);
            let pass = Pass::inner(behind);
            let run = Run { sign: byte, start: place - 1, pass, single: None, spelled: vec![single] };
            self.run = Some(Box::new(run));
        }
        self.last = [single, byte];
    }
}

impl Run {
    /// Scans what is spelled so far.
    fn scan(&mut self, engine: &Engine, direction: Direction, plain: &mut Pass) {
        self.pass.feed(engine, direction, &self.spelled);
        self.spelled.clear();
        self.hand_over(engine, direction, plain);
    }

    fn hand_over(&mut self, engine: &Engine, direction: Direction, plain: &mut Pass) {
        let origin = self.start;
        self.pass.take_matches(|rule, start, end| {
            if end - start >= SHORTEST && engine.counts_inside(rule) {
                plain.adopt(engine, direction, rule, origin + 2 * start, origin + 2 * end - 1);
            }
        });
    }

    /// Ends the run; `alone` says whether its last character belongs to it.
    fn end(mut self: Box<Self>, engine: &Engine, direction: Direction, alone: bool, plain: &mut Pass) {
        self.spelled.extend(self.single.filter(|_| alone));
        self.pass.feed(engine, direction, &self.spelled);
        self.pass.end(engine, direction);
        self.hand_over(engine, direction, plain);
    }

    fn live(&self, engine: &Engine, direction: Direction) -> Live {
        let fed = self.pass.fed();
        let place = |start| if start == fed { u64::MAX } else { self.start + 2 * start };
        let live = self.pass.live(engine, direction).map(place);
        match self.single {
            Some(single) if self.pass.may_begin(engine, direction, single) => {
                live.min(Live::both(self.start + 2 * fed))
            }
            _ => live,
        }
    }
}

/// Signs that stand between spelled-out characters.
#[inline(always)]
fn is_sign(byte: u8) -> bool {
    (byte == b' ') | (byte == b'-') | (byte == b'.') | (byte == b'_') | (byte == b'*') | (byte == b'|')
}

/// Bytes looked at together.
const BLOCK: usize = 32;

/// Where the first of three equal signs stands that have single characters between them.
fn begun(text: &[u8]) -> Option<usize> {
    let is = |[sign, first, second, third, fourth]: [u8; 5]| {
        is_sign(sign)
            & (sign == second)
            & (sign == fourth)
            & (first > b' ')
            & (third > b' ')
            & !((first == sign) & (third == sign))
    };
    let mut at = 0;
    while let Some(block) = text.get(at..at + BLOCK + 4) {
        // Without branches, so that it compiles to vector instructions.
        let any = (0..BLOCK).fold(false, |any, place| {
            any | is([block[place], block[place + 1], block[place + 2], block[place + 3], block[place + 4]])
        });
        if any {
            break;
        }
        at += BLOCK;
    }
    let found = text[at..].windows(5).position(|five| is([five[0], five[1], five[2], five[3], five[4]]));
    found.map(|place| at + place)
}
