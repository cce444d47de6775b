//! One reading of an encoded run: decoded as it comes, scanned, and given up at the first byte that is no plain text.

use crate::inspect::Engine;
use crate::inspect::scan::{Live, Pass};
use crate::wire::event::Direction;
use crate::wire::places::Places;

/// Shortest match that counts, decoded bytes.
const SHORTEST: u64 = 10;
/// Digits of a line after which base64 may go on in the next; MIME breaks after 76, PEM after 64.
const FULL_LINE: u64 = 60;

/// How text is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Base64 in either alphabet (RFC 4648, sections 4 and 5).
    Base64,
    /// Two hexadecimal digits a byte.
    Hex,
}

/// What was read of a run so far.
#[derive(Clone, Debug)]
pub struct Decoder {
    encoding: Encoding,
    /// Where the first digit stands in the source.
    start: u64,
    digits: u64,
    /// Bits that are no whole byte yet, the lowest ones.
    bits: u32,
    /// From digits to bytes behind `start`, line ends included.
    places: Places,
    /// Over the decoded text; not there as long as the reading has not outlived its first piece.
    pass: Option<Box<Pass>>,
}

impl Decoder {
    /// A reading that begins at `start`.
    pub fn new(encoding: Encoding, start: u64) -> Decoder {
        Decoder { encoding, start, digits: 0, bits: 0, places: Places::default(), pass: None }
    }

    /// Reads digits; returns how many, which is fewer than there are where the reading ends. `decoded` is scratch space.
    pub fn read(
        &mut self,
        engine: &Engine,
        direction: Direction,
        run: &[u8],
        decoded: &mut Vec<u8>,
    ) -> usize {
        decoded.clear();
        let read = match self.encoding {
            Encoding::Base64 => self.base64(run, decoded),
            Encoding::Hex => self.hex(run, decoded),
        };
        if self.pass.is_some() || read == run.len() || decoded.len() as u64 >= SHORTEST {
            let pass = self.pass.get_or_insert_with(|| Box::new(Pass::inner(None)));
            pass.feed(engine, direction, decoded);
        }
        read
    }

    fn base64(&mut self, run: &[u8], decoded: &mut Vec<u8>) -> usize {
        for (place, &digit) in run.iter().enumerate() {
            self.bits = self.bits << 6 | u32::from(sextet(digit));
            // Of four digits the first completes no byte, each other one does.
            let left = [6, 4, 2, 0][(self.digits % 4) as usize];
            if left < 6 {
                let byte = (self.bits >> left) as u8;
                if !is_plain(byte) {
                    return place;
                }
                decoded.push(byte);
            }
            self.digits += 1;
        }
        run.len()
    }

    fn hex(&mut self, run: &[u8], decoded: &mut Vec<u8>) -> usize {
        for (place, &digit) in run.iter().enumerate() {
            let Some(value) = char::from(digit).to_digit(16) else { return place };
            self.bits = self.bits << 4 | value;
            if self.digits % 2 == 1 {
                let byte = self.bits as u8;
                if !is_plain(byte) {
                    return place;
                }
                decoded.push(byte);
            }
            self.digits += 1;
        }
        run.len()
    }

    /// Whether what was read fills a line, so that the next one may belong to it.
    pub fn is_full_line(&self) -> bool {
        self.encoding == Encoding::Base64 && self.digits >= FULL_LINE && self.digits.is_multiple_of(4)
    }

    /// Passes over a byte of a line's end.
    pub fn pass_over(&mut self) {
        let source = self.places.source_start(self.digits);
        self.places.add(self.digits, 0, source + 1, 1);
    }

    /// The first digit that belongs to the decoded byte `offset` alone.
    fn first_digit(&self, offset: u64) -> u64 {
        match self.encoding {
            Encoding::Base64 => (offset * 4).div_ceil(3),
            Encoding::Hex => offset * 2,
        }
    }

    fn place(&self, offset: u64) -> u64 {
        self.start + self.places.source_start(self.first_digit(offset))
    }

    /// Hands over what was found to the pass over the source, and forgets what is not needed any more.
    pub fn hand_over(&mut self, engine: &Engine, direction: Direction, plain: &mut Pass) {
        let Some(mut pass) = self.pass.take() else { return };
        pass.take_matches(|rule, start, end| {
            if end - start >= SHORTEST && engine.counts_inside(rule) {
                let end = self.start + self.places.source_end(self.first_digit(end));
                plain.adopt(engine, direction, rule, self.place(start), end);
            }
        });
        self.places.forget_before(self.first_digit(pass.live(engine, direction).least()));
        self.pass = Some(pass);
    }

    /// Ends the reading.
    pub fn end(mut self, engine: &Engine, direction: Direction, plain: &mut Pass) {
        if let Some(pass) = &mut self.pass {
            pass.end(engine, direction);
            self.hand_over(engine, direction, plain);
        }
    }

    /// Where open matches begin in the source.
    pub fn live(&self, engine: &Engine, direction: Direction) -> Live {
        let Some(pass) = &self.pass else { return Live::default() };
        let fed = pass.fed();
        let live =
            pass.live(engine, direction).map(|start| if start == fed { u64::MAX } else { self.place(start) });
        // The first digit of a byte leaves some choice which one it is.
        let bytes = match (self.encoding, self.digits % 4) {
            (Encoding::Base64, 1) => (self.bits & 0x3F) << 2..=(self.bits & 0x3F) << 2 | 3,
            (Encoding::Hex, 1 | 3) => (self.bits & 0xF) << 4..=(self.bits & 0xF) << 4 | 15,
            _ => return live,
        };
        let mut bytes = bytes.map(|byte| byte as u8).filter(|byte| is_plain(*byte));
        match bytes.any(|byte| pass.may_begin(engine, direction, byte)) {
            true => live.min(Live::both(self.place(fed))),
            false => live,
        }
    }
}

/// What text is made of: printable ASCII, tabs and line ends.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r')
}

/// The value of a digit of base64.
fn sextet(digit: u8) -> u8 {
    match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' | b'-' => 62,
        _ => 63,
    }
}
