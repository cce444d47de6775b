//! Cutting a streamed body into whole raw events, without copying those that arrive whole.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use crate::wire::items;
use crate::wire::json::Span;
use crate::wire::sse::{self, Data};

/// Largest event that is taken apart, in bytes: pictures come as one event.
pub const MAX_EVENT: usize = 8 << 20;

/// An event grew past [`MAX_EVENT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("streamed event of more than {MAX_EVENT} bytes; it cannot be inspected as a whole")]
pub struct TooLong;

/// How events are set apart.
#[derive(Debug)]
enum End {
    /// Server-sent events.
    Event(sse::End),
    /// The items of one JSON array.
    Item(items::End),
    /// Each chunk is an event.
    Message,
}

impl End {
    fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        match self {
            End::Event(end) => end.find(bytes),
            End::Item(end) => end.find(bytes),
            End::Message => (!bytes.is_empty()).then_some(bytes.len()),
        }
    }

    /// Begins the search for the next end.
    fn restart(&mut self) {
        match self {
            End::Event(end) => *end = sse::End::default(),
            End::Item(end) => *end = items::End::default(),
            End::Message => {}
        }
    }
}

/// Cuts a stream into events. Feed chunks with [`Framer::push`], take events with [`Framer::next_event`] until there
/// is none, and only then push again.
#[derive(Debug)]
pub struct Framer {
    /// The bytes events are cut from, contiguous.
    buffer: Bytes,
    /// Where in `buffer` the next event starts.
    at: usize,
    /// Start of an event whose end has not come.
    carry: BytesMut,
    end: End,
}

impl Framer {
    /// A framer of server-sent events.
    pub fn events() -> Framer {
        Framer::new(End::Event(sse::End::default()))
    }

    /// A framer of the items of a JSON array. What stands between two items belongs to the second one.
    pub fn items() -> Framer {
        Framer::new(End::Item(items::End::default()))
    }

    /// A framer of messages, each of which comes as one chunk and is nothing but data.
    pub fn messages() -> Framer {
        Framer::new(End::Message)
    }

    fn new(end: End) -> Framer {
        Framer { buffer: Bytes::new(), at: 0, carry: BytesMut::new(), end }
    }

    /// Where the data of an event stands.
    pub fn data(&self, event: &[u8]) -> Data {
        match self.end {
            End::Event(_) => sse::data(event),
            End::Item(_) => items::data(event),
            End::Message => Data::Line(Span::new(0, event.len())),
        }
    }

    /// Takes the next bytes of the stream.
    pub fn push(&mut self, chunk: Bytes) {
        if self.carry.is_empty() {
            (self.buffer, self.at) = (chunk, 0);
        } else {
            self.carry.extend_from_slice(&chunk);
        }
    }

    /// The next whole event: its place in [`Framer::buffer`].
    pub fn next_event(&mut self) -> Result<Option<Range<usize>>, TooLong> {
        let carried = !self.carry.is_empty();
        let open = if carried { &self.carry[..] } else { &self.buffer[self.at..] };
        let end = self.end.find(open);
        if end.unwrap_or(open.len()) > MAX_EVENT {
            return Err(TooLong);
        }
        let Some(end) = end else {
            if !carried {
                self.carry.extend_from_slice(&self.buffer[self.at..]);
                self.at = self.buffer.len();
            }
            return Ok(None);
        };
        self.end.restart();
        if carried {
            (self.buffer, self.at) = (self.carry.split().freeze(), 0);
        }
        let start = self.at;
        self.at += end;
        Ok(Some(start..self.at))
    }

    /// The bytes that events were cut from since the last push; the same for all of them.
    pub fn buffer(&self) -> &Bytes {
        &self.buffer
    }

    /// Everything that was pushed and not cut: an event without its blank line, or nothing.
    pub fn rest(&mut self) -> Bytes {
        self.end.restart();
        let at = std::mem::replace(&mut self.at, self.buffer.len());
        if self.carry.is_empty() { self.buffer.slice(at..) } else { self.carry.split().freeze() }
    }
}

#[cfg(test)]
#[path = "framer_tests.rs"]
mod tests;
