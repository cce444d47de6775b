//! Base64 payloads of a document: read where they are text, and written again with another text.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Digits by which most of what is no text is told.
const SNIFF: usize = 128;
/// Of the bytes of a text at most one in so many is neither UTF-8 nor printable.
const ODD: usize = 16;

/// A payload that is text.
#[derive(Debug)]
pub struct Payload<'a> {
    /// What stands before the base64: the head of a `data:` URL.
    head: &'a [u8],
    url_safe: bool,
    padded: bool,
    text: Vec<u8>,
}

impl<'a> Payload<'a> {
    /// Reads a string, which may be a `data:` URL. `None` when it is no base64, or does not decode to text.
    pub fn read(string: &'a [u8]) -> Option<Payload<'a>> {
        let comma = if string.starts_with(b"data:") { memchr::memchr(b',', string)? + 1 } else { 0 };
        let (head, digits) = string.split_at(comma);
        let url_safe = memchr::memchr2(b'-', b'_', digits).is_some();
        let padded = digits.ends_with(b"=") || digits.len().is_multiple_of(4);
        let engine = engine(url_safe, padded);
        let binary = |begins: &[u8]| engine.decode(begins).is_ok_and(|begins| !is_text(&begins));
        if digits.get(..SNIFF).is_some_and(binary) {
            return None;
        }
        // Lines, as MIME and PEM write them.
        let lines = memchr::memchr2(b'\r', b'\n', digits).is_some();
        let text = match lines {
            true => {
                let digits = digits.iter().copied().filter(|digit| !digit.is_ascii_whitespace());
                engine.decode(digits.collect::<Vec<u8>>())
            }
            false => engine.decode(digits),
        };
        let text = text.ok().filter(|text| is_text(text))?;
        Some(Payload { head, url_safe, padded, text })
    }

    /// The decoded text.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// The string with another text in the place of this one, encoded the same way; in one line.
    pub fn with_text(&self, text: &[u8]) -> String {
        let mut string = String::from_utf8_lossy(self.head).into_owned();
        engine(self.url_safe, self.padded).encode_string(text, &mut string);
        string
    }
}

fn engine(url_safe: bool, padded: bool) -> GeneralPurpose {
    let config = GeneralPurposeConfig::new()
        .with_encode_padding(padded)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(if url_safe { &URL_SAFE } else { &STANDARD }, config)
}

/// Whether bytes are text: hardly anything in them is neither UTF-8 nor printable, and no byte is zero.
fn is_text(bytes: &[u8]) -> bool {
    let odd = |byte: &u8| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0C | 0x1B);
    let odd = |chunk: std::str::Utf8Chunk<'_>| {
        chunk.invalid().len() + chunk.valid().as_bytes().iter().filter(|byte| odd(byte)).count()
    };
    !bytes.is_empty()
        && memchr::memchr(0, bytes).is_none()
        && bytes.utf8_chunks().map(odd).sum::<usize>() * ODD <= bytes.len()
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};

    use super::*;

    #[test]
    fn text_is_read_and_written_alike() {
        let text = "Größe: 3 ✓\nand ??>>~~ more";
        let strings = [
            BASE64_STANDARD.encode(text),
            BASE64_STANDARD_NO_PAD.encode(text),
            BASE64_URL_SAFE_NO_PAD.encode(text),
            format!("data:text/plain;charset=utf-8;base64,{}", BASE64_STANDARD.encode(text)),
        ];
        for string in strings {
            let payload = Payload::read(string.as_bytes()).expect("text");
            assert_eq!(payload.text(), text.as_bytes());
            assert_eq!(payload.with_text(text.as_bytes()), string);
        }
        let lines = format!("{}\r\n{}", BASE64_STANDARD.encode("a line o"), BASE64_STANDARD.encode("f text"));
        assert!(Payload::read(lines.as_bytes()).is_none(), "padding in the middle");
        let lines = format!("{}\r\n{}", BASE64_STANDARD.encode("a line of"), BASE64_STANDARD.encode(" text"));
        assert_eq!(Payload::read(lines.as_bytes()).expect("text").text(), b"a line of text");
    }

    #[test]
    fn pictures_and_what_is_no_base64_are_left_out() {
        let picture: Vec<u8> = (0..400u32).map(|number| (number * number % 251) as u8).collect();
        let strings = [
            BASE64_STANDARD.encode(&picture),
            format!("data:image/png;base64,{}", BASE64_STANDARD.encode(&picture)),
            "no base64 at all!".to_owned(),
            String::new(),
            "data:".to_owned(),
            "AAAA".to_owned(),
        ];
        for string in strings {
            assert!(Payload::read(string.as_bytes()).is_none(), "{string}");
        }
    }
}
