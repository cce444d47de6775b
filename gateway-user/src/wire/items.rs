//! The items of one JSON array as the events of a stream: where they end, and where their data stands.
//!
//! An item is an object. Brackets are only counted; whether it is JSON at all is seen when it is read.

use crate::wire::data::Data;
use crate::wire::json::Span;

/// The search for the end of an item; goes on where it stopped.
#[derive(Debug, Default)]
pub struct End {
    seen: usize,
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl End {
    /// The end of the first object of `bytes`, behind its closing brace.
    pub fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        while let Some(&byte) = bytes.get(self.seen) {
            self.seen += 1;
            if self.in_string {
                self.text(byte);
            } else if self.structure(byte) {
                return Some(self.seen);
            }
        }
        None
    }

    fn text(&mut self, byte: u8) {
        let escaped = std::mem::take(&mut self.escaped);
        match byte {
            _ if escaped => {}
            b'\\' => self.escaped = true,
            b'"' => self.in_string = false,
            _ => {}
        }
    }

    /// Takes a byte outside of strings; true if it ends an item. Brackets outside of items are those of the array.
    fn structure(&mut self, byte: u8) -> bool {
        match byte {
            b'"' => self.in_string = true,
            b'{' => self.depth += 1,
            b'[' if self.depth > 0 => self.depth += 1,
            b'}' | b']' if self.depth > 0 => {
                self.depth -= 1;
                return self.depth == 0;
            }
            _ => {}
        }
        false
    }
}

/// Where the item of a raw event stands: behind the brackets, commas and spaces of the array. Anything else before it,
/// or alone, counts as data too, so that nothing goes unread.
pub fn data(event: &[u8]) -> Data {
    let framing = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'[' | b',' | b']');
    match event.iter().position(|byte| !framing(byte)) {
        None => Data::None,
        Some(start) if event[start] == b'{' => Data::Line(Span::new(start, event.len())),
        Some(_) => Data::Line(Span::new(0, event.len())),
    }
}
