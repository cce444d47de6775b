//! Undoing JSON escapes in a text that comes in pieces, with a way back from decoded to source offsets.

use memchr::memchr;

use crate::wire::escape::{self, Escape};
use crate::wire::places::Places;

/// Decodes escapes wherever they stand in a running text, which need not be inside quotes: in JSON text a backslash
/// stands nowhere else, and in other text unknown escapes are kept as they are.
#[derive(Debug, Default)]
pub struct Unescape {
    /// An escape whose end has not come; shorter than [`escape::LONGEST_ESCAPE`].
    pending: Vec<u8>,
    /// Source bytes taken in.
    source: u64,
    /// Decoded bytes given out.
    decoded: u64,
    places: Places,
}

impl Unescape {
    /// Decodes the next piece and appends its text.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        if self.pending.is_empty() {
            self.source += piece.len() as u64;
            self.decode(piece, out);
        } else {
            let mut joined = std::mem::take(&mut self.pending);
            joined.extend_from_slice(piece);
            self.source += piece.len() as u64;
            self.decode(&joined, out);
        }
    }

    /// Ends the text: a cut escape stands for itself.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.decoded += self.pending.len() as u64;
        out.append(&mut self.pending);
    }

    /// Where the source of the decoded byte `offset` starts; the offset behind the last one gives the start of what is
    /// not decoded yet.
    pub fn source_start(&self, offset: u64) -> u64 {
        self.places.source_start(offset)
    }

    /// Where the source of the decoded byte before `offset` ends.
    pub fn source_end(&self, offset: u64) -> u64 {
        self.places.source_end(offset)
    }

    /// Forgets what is needed only for offsets before `decoded`.
    pub fn forget_before(&mut self, decoded: u64) {
        self.places.forget_before(decoded);
    }

    /// Decodes `bytes`, whose end is at `self.source`.
    fn decode(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let end = self.source;
        let mut at = 0;
        while let Some(found) = memchr(b'\\', &bytes[at..]) {
            self.plain(&bytes[at..at + found], out);
            at += found;
            match escape::read(&bytes[at..]) {
                Escape::Cut => {
                    self.pending.extend_from_slice(&bytes[at..]);
                    return;
                }
                Escape::Whole { raw, text, len } => {
                    at += usize::from(raw);
                    self.decoded += u64::from(len);
                    out.extend_from_slice(&text[..usize::from(len)]);
                    if raw != len {
                        let source = end - (bytes.len() - at) as u64;
                        self.places.add(self.decoded, len, source, raw);
                    }
                }
            }
        }
        self.plain(&bytes[at..], out);
    }

    fn plain(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.decoded += bytes.len() as u64;
        out.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever the cut, decoding gives the same text and the same way back.
    #[test]
    fn every_split_decodes_and_maps_alike() {
        let source = br#"{"a":"x\nAKIA\u0041\ud83d\ude00 \ud83d! \q \\ \"end\u00"#;
        let mut whole = Vec::new();
        escape::decode(source, &mut whole);
        for first in 0..=source.len() {
            for second in first..=source.len() {
                let (mut unescape, mut text) = (Unescape::default(), Vec::new());
                for part in [&source[..first], &source[first..second], &source[second..]] {
                    unescape.push(part, &mut text);
                }
                unescape.finish(&mut text);
                assert_eq!(text, whole, "cut at {first} and {second}");
                for start in 0..whole.len() {
                    for end in start + 1..=whole.len() {
                        let expected = escape::locate(source, start, end);
                        let found = (
                            unescape.source_start(start as u64) as usize,
                            unescape.source_end(end as u64) as usize,
                        );
                        assert_eq!(found, expected, "{start}..{end}, cut at {first} and {second}");
                    }
                }
            }
        }
    }
}
