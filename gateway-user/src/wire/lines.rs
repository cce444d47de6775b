//! The lines of a body as the events of a stream, one JSON document each (NDJSON): where they end, and their data.
//!
//! Source: <https://github.com/ndjson/ndjson-spec>. Lines end with LF or CRLF; blank ones carry nothing.

use memchr::memchr;

use crate::wire::data::Data;
use crate::wire::json::Span;

/// The search for the end of a line; goes on where it stopped.
#[derive(Debug, Default)]
pub struct End {
    seen: usize,
}

impl End {
    /// The end of the first line of `bytes`, behind its line feed.
    pub fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        let found = memchr(b'\n', &bytes[self.seen..]);
        let end = found.map(|at| self.seen + at + 1);
        self.seen = bytes.len();
        end
    }
}

/// Where the document of a raw line stands: in front of the line's end.
pub fn data(event: &[u8]) -> Data {
    let mut end = event.len();
    while end > 0 && matches!(event[end - 1], b'\n' | b'\r') {
        end -= 1;
    }
    if event[..end].trim_ascii().is_empty() { Data::None } else { Data::Line(Span::new(0, end)) }
}
