//! A one-pass JSON tokenizer over raw bytes that allocates nothing and tells where every value stands.

use memchr::memchr2;

/// Deepest nesting that is read; deeper documents are an error, not a stack overflow.
pub const MAX_DEPTH: u32 = 127;

/// How many bytes of a string are looked at one by one.
const SHORT_STRING: usize = 16;

/// A byte range of the document, `start..end`. Documents end below 4 GiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset behind the last byte.
    pub end: u32,
}

impl Span {
    /// The span `start..end`.
    pub fn new(start: usize, end: usize) -> Span {
        Span { start: start as u32, end: end as u32 }
    }

    /// The bytes of `document` that the span covers; empty when it does not fit.
    pub fn of(self, document: &[u8]) -> &[u8] {
        document.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// Length in bytes.
    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// The span so many bytes further on; it must stay within what spans can address.
    pub fn moved_by(self, bytes: i64) -> Span {
        let moved = |offset: u32| (i64::from(offset) + bytes) as u32;
        Span { start: moved(self.start), end: moved(self.end) }
    }

    /// Whether it covers nothing.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }
}

/// One token of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// `{`, with its offset.
    ObjectStart(u32),
    /// `}`, with the offset behind it.
    ObjectEnd(u32),
    /// `[`, with its offset.
    ArrayStart(u32),
    /// `]`, with the offset behind it.
    ArrayEnd(u32),
    /// A key: the span inside its quotes, and whether it holds escapes.
    Key(Span, bool),
    /// A string value: the span inside its quotes, and whether it holds escapes.
    String(Span, bool),
    /// A number, as written.
    Number(Span),
    /// `true` or `false`, and where.
    Bool(Span, bool),
    /// `null`, and where.
    Null(Span),
}

/// Why bytes are not a JSON document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Something else than JSON stands at this offset.
    #[error("not JSON: unexpected byte at offset {0}")]
    Unexpected(usize),
    /// The document stops before it is complete.
    #[error("not JSON: the document ends too early")]
    Truncated,
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("JSON nested deeper than {MAX_DEPTH} levels at offset {0}")]
    TooDeep(usize),
    /// Larger than spans can address.
    #[error("JSON document of 4 GiB or more")]
    TooLong,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    Value,
    KeyOrEnd,
    Key,
    ItemOrEnd,
    CommaOrEnd,
    Nothing,
}

/// Pulls the tokens of one document (RFC 8259), tolerant where servers are: a leading byte order mark, raw control
/// characters and invalid UTF-8 in strings, unknown escapes, duplicate keys. Anything behind the document is an error.
pub struct Tokens<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: u32,
    /// Bit `n` says whether the container at depth `n` is an object.
    objects: u128,
    expect: Expect,
}

impl<'a> Tokens<'a> {
    /// Starts on `bytes`.
    pub fn new(bytes: &'a [u8]) -> Tokens<'a> {
        let at = if bytes.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
        Tokens { bytes, at, depth: 0, objects: 0, expect: Expect::Value }
    }

    /// How many containers are open.
    pub fn depth(&self) -> u32 {
        self.depth
    }

    /// The next token; `None` at the end of a complete document.
    pub fn next_token(&mut self) -> Result<Option<Token>, JsonError> {
        if self.bytes.len() > u32::MAX as usize {
            return Err(JsonError::TooLong);
        }
        loop {
            let Some(byte) = self.peek() else {
                return if self.expect == Expect::Nothing { Ok(None) } else { Err(JsonError::Truncated) };
            };
            return match (self.expect, byte) {
                (Expect::CommaOrEnd, b',') => {
                    self.at += 1;
                    self.expect = if self.in_object() { Expect::Key } else { Expect::Value };
                    continue;
                }
                (Expect::CommaOrEnd | Expect::KeyOrEnd, b'}') if self.in_object() => self.close(true),
                (Expect::CommaOrEnd | Expect::ItemOrEnd, b']') if !self.in_object() => self.close(false),
                (Expect::KeyOrEnd | Expect::Key, b'"') => self.key(),
                (Expect::Value | Expect::ItemOrEnd, _) => self.value(byte),
                _ => Err(JsonError::Unexpected(self.at)),
            }
            .map(Some);
        }
    }

    /// Skips white space and looks at the next byte.
    fn peek(&mut self) -> Option<u8> {
        while let Some(&byte) = self.bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
        None
    }

    fn in_object(&self) -> bool {
        self.depth > 0 && self.objects >> self.depth & 1 == 1
    }

    fn value(&mut self, byte: u8) -> Result<Token, JsonError> {
        match byte {
            b'"' => {
                let (span, escaped) = self.string()?;
                self.done();
                Ok(Token::String(span, escaped))
            }
            b'{' => self.open(true),
            b'[' => self.open(false),
            b'-' | b'0'..=b'9' => Ok(self.number()),
            b't' => self.word(b"true").map(|span| Token::Bool(span, true)),
            b'f' => self.word(b"false").map(|span| Token::Bool(span, false)),
            b'n' => self.word(b"null").map(Token::Null),
            _ => Err(JsonError::Unexpected(self.at)),
        }
    }

    fn open(&mut self, object: bool) -> Result<Token, JsonError> {
        if self.depth == MAX_DEPTH {
            return Err(JsonError::TooDeep(self.at));
        }
        let at = self.at as u32;
        self.at += 1;
        self.depth += 1;
        let bit = 1u128 << self.depth;
        if object {
            self.objects |= bit;
            self.expect = Expect::KeyOrEnd;
            Ok(Token::ObjectStart(at))
        } else {
            self.objects &= !bit;
            self.expect = Expect::ItemOrEnd;
            Ok(Token::ArrayStart(at))
        }
    }

    fn close(&mut self, object: bool) -> Result<Token, JsonError> {
        self.at += 1;
        self.depth -= 1;
        self.done();
        let end = self.at as u32;
        Ok(if object { Token::ObjectEnd(end) } else { Token::ArrayEnd(end) })
    }

    fn done(&mut self) {
        self.expect = if self.depth == 0 { Expect::Nothing } else { Expect::CommaOrEnd };
    }

    fn key(&mut self) -> Result<Token, JsonError> {
        let (span, escaped) = self.string()?;
        match self.peek() {
            Some(b':') => {
                self.at += 1;
                self.expect = Expect::Value;
                Ok(Token::Key(span, escaped))
            }
            Some(_) => Err(JsonError::Unexpected(self.at)),
            None => Err(JsonError::Truncated),
        }
    }

    /// Reads a string whose opening quote stands at `at`.
    fn string(&mut self) -> Result<(Span, bool), JsonError> {
        let start = self.at + 1;
        let mut escaped = false;
        self.at = start;
        // Most strings are short: looking at some bytes by hand is faster than starting a vector search.
        for &byte in self.bytes[start..].iter().take(SHORT_STRING) {
            match byte {
                b'"' => {
                    self.at += 1;
                    return Ok((Span::new(start, self.at - 1), false));
                }
                b'\\' => break,
                _ => self.at += 1,
            }
        }
        loop {
            let rest = self.bytes.get(self.at..).ok_or(JsonError::Truncated)?;
            let found = memchr2(b'"', b'\\', rest).ok_or(JsonError::Truncated)?;
            self.at += found;
            if rest[found] == b'"' {
                self.at += 1;
                return Ok((Span::new(start, self.at - 1), escaped));
            }
            escaped = true;
            self.at += 2;
        }
    }

    fn number(&mut self) -> Token {
        let start = self.at;
        while matches!(self.bytes.get(self.at), Some(b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')) {
            self.at += 1;
        }
        self.done();
        Token::Number(Span::new(start, self.at))
    }

    fn word(&mut self, word: &[u8]) -> Result<Span, JsonError> {
        let start = self.at;
        let rest = &self.bytes[start..];
        if rest.starts_with(word) {
            self.at += word.len();
            self.done();
            Ok(Span::new(start, self.at))
        } else if word.starts_with(rest) {
            Err(JsonError::Truncated)
        } else {
            Err(JsonError::Unexpected(start))
        }
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
