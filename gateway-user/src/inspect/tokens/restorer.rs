//! Finds tokens in a text that comes in pieces, and holds no more of it than may still become one.

use std::fmt;
use std::sync::Arc;

use memchr::memchr;

use super::Tokens;
use super::form::{MAX_TOKEN, may_begin};

/// A token to be replaced by its value.
#[derive(Clone, PartialEq, Eq)]
pub struct Restored {
    /// Its first byte, counted in the text.
    pub start: u64,
    /// One past its last byte.
    pub end: u64,
    /// What takes its place.
    pub value: Arc<str>,
}

/// The state of one text.
#[derive(Debug)]
pub struct Restorer {
    tokens: Tokens,
    /// Values that JSON would have to escape stay tokens: nobody knows how they would have to stand there.
    plain: bool,
    fed: u64,
    /// What may still become a token, from its `[` on.
    open: [u8; MAX_TOKEN],
    length: usize,
}

impl fmt::Debug for Restored {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Restored({}..{})", self.start, self.end)
    }
}

impl Restorer {
    /// A text before its first byte. `plain`: only values that stand in JSON as they are.
    pub fn new(tokens: Tokens, plain: bool) -> Restorer {
        Restorer { tokens, plain, fed: 0, open: [0; MAX_TOKEN], length: 0 }
    }

    /// Takes in the next piece and appends the tokens that end in it, in order and disjoint.
    pub fn push(&mut self, text: &[u8], found: &mut Vec<Restored>) {
        let mut at = 0;
        while let Some(&byte) = text.get(at) {
            if self.length == 0 {
                match memchr(b'[', &text[at..]) {
                    Some(away) => at += away,
                    None => break,
                }
                (self.open[0], self.length) = (b'[', 1);
                at += 1;
                continue;
            }
            match byte {
                b']' => {
                    self.open[self.length] = byte;
                    self.complete(self.fed + at as u64 + 1, found);
                    self.length = 0;
                }
                _ => {
                    self.open[self.length] = byte;
                    self.length += 1;
                    if !may_begin(&self.open[..self.length]) {
                        self.length = 0;
                        // Another one may begin with this very byte.
                        continue_at(byte, &mut at);
                        continue;
                    }
                }
            }
            at += 1;
        }
        self.fed += text.len() as u64;
    }

    /// No token will reach below this offset any more.
    pub fn frontier(&self) -> u64 {
        self.fed - self.length as u64
    }

    /// Ends the text: what is open is no token.
    pub fn finish(&mut self) {
        self.length = 0;
    }

    /// Starts afresh, with another text.
    pub fn restart(&mut self) {
        (self.fed, self.length) = (0, 0);
    }

    fn complete(&self, end: u64, found: &mut Vec<Restored>) {
        let length = self.length + 1;
        if let Some(value) = self.tokens.value(&self.open[..length])
            && !(self.plain && is_escaped_in_json(&value))
        {
            found.push(Restored { start: end - length as u64, end, value });
        }
    }
}

/// Steps over a byte that ended what was open, unless it may begin a token itself.
fn continue_at(byte: u8, at: &mut usize) {
    if byte != b'[' {
        *at += 1;
    }
}

/// Whether a text stands otherwise inside a JSON string than as it is (RFC 8259 §7).
fn is_escaped_in_json(text: &str) -> bool {
    text.bytes().any(|byte| byte < 0x20 || matches!(byte, b'"' | b'\\'))
}
