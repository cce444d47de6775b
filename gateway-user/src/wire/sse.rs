//! Server-sent events: where they end, and where their data stands.
//!
//! Source: HTML Standard, section 9.2. Lines end with LF, CRLF or CR; a blank line ends an event.

use memchr::{memchr, memchr2};

use crate::wire::data::Data;
use crate::wire::json::Span;

/// The search for the end of an event; goes on where it stopped.
#[derive(Debug, Default)]
pub struct End {
    /// Start of the line that is being searched, and how far it was: both counted from the start of the event.
    line: usize,
    seen: usize,
}

impl End {
    /// The end of the first event of `bytes`, behind its blank line.
    pub fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        event_end(bytes, &mut self.line, &mut self.seen)
    }
}

/// Finds the end of the first event, behind its blank line. `line` is the start of the current line, `seen` how far it
/// was searched; both let the next call go on where this one stopped. A CR at the very end is left undecided, because
/// it may be the first half of CRLF.
fn event_end(bytes: &[u8], line: &mut usize, seen: &mut usize) -> Option<usize> {
    loop {
        let Some(found) = memchr2(b'\n', b'\r', &bytes[*seen..]) else {
            *seen = bytes.len();
            return None;
        };
        let at = *seen + found;
        let next = match (bytes[at], bytes.get(at + 1)) {
            (b'\r', None) => {
                *seen = at;
                return None;
            }
            (b'\r', Some(b'\n')) => at + 2,
            _ => at + 1,
        };
        let blank = at == *line;
        (*line, *seen) = (next, next);
        if blank {
            return Some(next);
        }
    }
}

/// Finds the data of a raw event.
pub fn data(event: &[u8]) -> Data {
    let mut first = None;
    let mut joined: Option<Vec<u8>> = None;
    for (line, _) in lines(event) {
        let Some(value) = data_value(event, line) else { continue };
        match (first, &mut joined) {
            (None, _) => first = Some(value),
            (Some(before), None) => {
                joined = Some([before.of(event), b"\n", value.of(event)].concat());
            }
            (Some(_), Some(joined)) => {
                joined.push(b'\n');
                joined.extend_from_slice(value.of(event));
            }
        }
    }
    match (first, joined) {
        (_, Some(joined)) => Data::Lines(joined),
        (Some(span), None) => Data::Line(span),
        (None, None) => Data::None,
    }
}

/// The event with other data: all its other lines as they were, the data lines (one per line of `payload`) in the
/// place of the first one.
pub fn with_data(event: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(event.len());
    let mut written = false;
    for (line, end) in lines(event) {
        if data_value(event, line).is_none() {
            out.extend_from_slice(&event[line.start as usize..end]);
        } else if !std::mem::replace(&mut written, true) {
            for part in payload.split(|&byte| byte == b'\n') {
                out.extend_from_slice(b"data: ");
                out.extend_from_slice(part);
                out.extend_from_slice(&event[line.end as usize..end]);
            }
        }
    }
    out
}

/// The value of a `data` line; `None` for other lines.
fn data_value(event: &[u8], line: Span) -> Option<Span> {
    let text = line.of(event);
    let colon = match memchr(b':', &text[..text.len().min(5)]) {
        Some(4) => 5,
        None if text.len() == 4 => 4,
        _ => return None,
    };
    if &text[..4] != b"data" {
        return None;
    }
    let skip = if text.get(colon) == Some(&b' ') { colon + 1 } else { colon };
    Some(Span { start: line.start + skip as u32, end: line.end })
}

/// The lines of an event without their ends, each with the offset behind its end. A byte order mark is no part of them.
fn lines(event: &[u8]) -> impl Iterator<Item = (Span, usize)> {
    let mut at = if event.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
    std::iter::from_fn(move || {
        if at >= event.len() {
            return None;
        }
        let end = memchr2(b'\n', b'\r', &event[at..]).map_or(event.len(), |found| at + found);
        let next = match (event.get(end), event.get(end + 1)) {
            (Some(b'\r'), Some(b'\n')) => end + 2,
            (Some(_), _) => end + 1,
            (None, _) => end,
        };
        let line = Span::new(at, end);
        at = next;
        Some((line, next))
    })
}

#[cfg(test)]
#[path = "sse_tests.rs"]
mod tests;
