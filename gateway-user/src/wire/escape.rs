//! JSON string escapes: decoding, encoding, and mapping decoded offsets back to raw ones.

use memchr::memchr;

/// What stands for an escape that encodes no character (a lone surrogate).
const REPLACEMENT: char = '\u{FFFD}';

/// The longest raw form of one character: a surrogate pair, `\ud83d\ude00`.
pub const LONGEST_ESCAPE: usize = 12;

/// One escape at the start of `raw` (which begins with a backslash).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escape {
    /// `raw` bytes stand for `text[..len]`.
    Whole {
        /// Bytes of the escape in the raw form.
        raw: u8,
        /// The decoded bytes, UTF-8.
        text: [u8; 4],
        /// How many of them.
        len: u8,
    },
    /// The escape goes on behind the end of `raw`.
    Cut,
}

/// Reads the escape at the start of `raw`. Unknown escapes stand for themselves, lone surrogates for U+FFFD.
pub fn read(raw: &[u8]) -> Escape {
    let simple = |byte: u8| Escape::Whole { raw: 2, text: [byte, 0, 0, 0], len: 1 };
    match raw.get(1) {
        None => Escape::Cut,
        Some(b'n') => simple(b'\n'),
        Some(b't') => simple(b'\t'),
        Some(b'r') => simple(b'\r'),
        Some(b'b') => simple(8),
        Some(b'f') => simple(12),
        Some(&byte @ (b'"' | b'\\' | b'/')) => simple(byte),
        Some(b'u') => read_unicode(raw),
        Some(_) => Escape::Whole { raw: 1, text: *b"\\\0\0\0", len: 1 },
    }
}

fn read_unicode(raw: &[u8]) -> Escape {
    let literal = Escape::Whole { raw: 1, text: *b"\\\0\0\0", len: 1 };
    let first = match hex4(&raw[2..]) {
        Hex::Value(value) => value,
        Hex::Cut => return Escape::Cut,
        Hex::Bad => return literal,
    };
    if !(0xD800..0xDC00).contains(&first) {
        return whole(6, char::from_u32(first).unwrap_or(REPLACEMENT));
    }
    let lone = whole(6, REPLACEMENT);
    match (raw.get(6), raw.get(7)) {
        (None, _) | (Some(b'\\'), None) => Escape::Cut,
        (Some(b'\\'), Some(b'u')) => match hex4(&raw[8..]) {
            Hex::Cut => Escape::Cut,
            Hex::Value(second @ 0xDC00..=0xDFFF) => {
                let code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
                whole(LONGEST_ESCAPE as u8, char::from_u32(code).unwrap_or(REPLACEMENT))
            }
            _ => lone,
        },
        _ => lone,
    }
}

fn whole(raw: u8, character: char) -> Escape {
    let mut text = [0; 4];
    let len = character.encode_utf8(&mut text).len() as u8;
    Escape::Whole { raw, text, len }
}

enum Hex {
    Value(u32),
    Cut,
    Bad,
}

fn hex4(raw: &[u8]) -> Hex {
    let mut value = 0;
    for index in 0..4 {
        let Some(&byte) = raw.get(index) else { return Hex::Cut };
        let Some(digit) = char::from(byte).to_digit(16) else { return Hex::Bad };
        value = value << 4 | digit;
    }
    Hex::Value(value)
}

/// Appends the text that `raw` (the inside of a JSON string) stands for.
pub fn decode(raw: &[u8], out: &mut Vec<u8>) {
    walk(raw, |part| {
        out.extend_from_slice(part.text());
        true
    });
}

/// Where the decoded byte range `start..end` stands in `raw`. Escapes are never cut: the range grows to their ends.
pub fn locate(raw: &[u8], start: usize, end: usize) -> (usize, usize) {
    let (mut decoded, mut from, mut to) = (0, None, raw.len());
    walk(raw, |part| {
        let next = decoded + part.text().len();
        if from.is_none() && start < next {
            from = Some(part.raw_at(start.saturating_sub(decoded)));
        }
        if end <= next {
            to = part.raw_end(end.saturating_sub(decoded));
            return false;
        }
        decoded = next;
        true
    });
    let from = from.unwrap_or(raw.len());
    (from, to.max(from))
}

/// Appends `text` as the inside of a JSON string. Bytes that are not UTF-8 are kept.
pub fn encode(text: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for &byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..0x20 => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            }
            _ => out.push(byte),
        }
    }
}

/// A JSON string literal of `text`, quotes included.
pub fn quoted(text: &str) -> String {
    let mut out = vec![b'"'];
    encode(text.as_bytes(), &mut out);
    out.push(b'"');
    String::from_utf8(out).expect("escaping inserts ASCII before ASCII bytes only, so UTF-8 stays UTF-8")
}

/// A stretch of raw string content: plain bytes, or one escape.
enum Part<'a> {
    Plain { at: usize, bytes: &'a [u8] },
    Escape { at: usize, raw: u8, text: [u8; 4], len: u8 },
}

impl Part<'_> {
    fn text(&self) -> &[u8] {
        match self {
            Part::Plain { bytes, .. } => bytes,
            Part::Escape { text, len, .. } => &text[..usize::from(*len)],
        }
    }

    fn raw_at(&self, decoded: usize) -> usize {
        match self {
            Part::Plain { at, .. } => at + decoded,
            Part::Escape { at, .. } => *at,
        }
    }

    fn raw_end(&self, decoded: usize) -> usize {
        match self {
            Part::Plain { at, .. } => at + decoded,
            Part::Escape { at, .. } if decoded == 0 => *at,
            Part::Escape { at, raw, .. } => at + usize::from(*raw),
        }
    }
}

/// Hands the parts of `raw` to `visit`, in order, until it returns false. A cut escape at the end stands for itself.
fn walk(raw: &[u8], mut visit: impl FnMut(Part<'_>) -> bool) {
    let mut at = 0;
    while at < raw.len() {
        let plain = memchr(b'\\', &raw[at..]).unwrap_or(raw.len() - at);
        if plain > 0 {
            if !visit(Part::Plain { at, bytes: &raw[at..at + plain] }) {
                return;
            }
            at += plain;
            continue;
        }
        let part = match read(&raw[at..]) {
            Escape::Whole { raw, text, len } => Part::Escape { at, raw, text, len },
            Escape::Cut => Part::Plain { at, bytes: &raw[at..] },
        };
        let step = match &part {
            Part::Plain { bytes, .. } => bytes.len(),
            Part::Escape { raw, .. } => usize::from(*raw),
        };
        if !visit(part) {
            return;
        }
        at += step;
    }
}

#[cfg(test)]
#[path = "escape_tests.rs"]
mod tests;
