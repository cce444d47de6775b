//! Cutting a streamed body into whole raw events, without copying those that arrive whole.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use crate::wire::data::Data;
use crate::wire::json::Span;
use crate::wire::{frames, items, lines, sse};

/// Largest event that is taken apart, in bytes: pictures come as one event.
pub const MAX_EVENT: usize = 8 << 20;

/// Why a stream cannot be taken apart any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// An event grew past [`MAX_EVENT`].
    #[error("streamed event of more than {MAX_EVENT} bytes; it cannot be inspected as a whole")]
    TooLong,
    /// A binary frame has a wrong length or checksum.
    #[error("streamed frame whose length or checksum is wrong; what follows it cannot be read")]
    Broken,
}

/// How the events of a stream are set apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// Server-sent events.
    #[default]
    Events,
    /// The items of one JSON array. What stands between two items belongs to the second one.
    Items,
    /// One JSON document a line.
    Lines,
    /// Binary frames with checksums.
    Frames,
    /// Messages, each of which comes as one chunk and is nothing but data.
    Messages,
}

/// The search for the end of an event.
#[derive(Debug)]
enum End {
    Event(sse::End),
    Item(items::End),
    Line(lines::End),
    Frame,
    Message,
}

impl End {
    fn new(framing: Framing) -> End {
        match framing {
            Framing::Events => End::Event(sse::End::default()),
            Framing::Items => End::Item(items::End::default()),
            Framing::Lines => End::Line(lines::End::default()),
            Framing::Frames => End::Frame,
            Framing::Messages => End::Message,
        }
    }

    fn find(&mut self, bytes: &[u8]) -> Result<Option<usize>, Unreadable> {
        match self {
            End::Event(end) => Ok(end.find(bytes)),
            End::Item(end) => Ok(end.find(bytes)),
            End::Line(end) => Ok(end.find(bytes)),
            End::Frame => frames::find(bytes),
            End::Message => Ok((!bytes.is_empty()).then_some(bytes.len())),
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
    framing: Framing,
    end: End,
}

impl Framer {
    /// A framer before its first byte.
    pub fn new(framing: Framing) -> Framer {
        Framer { buffer: Bytes::new(), at: 0, carry: BytesMut::new(), framing, end: End::new(framing) }
    }

    /// What an event carries.
    pub fn data(&self, event: &[u8]) -> Data {
        match self.framing {
            Framing::Events => sse::data(event),
            Framing::Items => items::data(event),
            Framing::Lines => lines::data(event),
            Framing::Frames => frames::data(event),
            Framing::Messages => Data::Line(Span::new(0, event.len())),
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
    pub fn next_event(&mut self) -> Result<Option<Range<usize>>, Unreadable> {
        let carried = !self.carry.is_empty();
        let open = if carried { &self.carry[..] } else { &self.buffer[self.at..] };
        let end = self.end.find(open)?;
        if end.unwrap_or(open.len()) > MAX_EVENT {
            return Err(Unreadable::TooLong);
        }
        let Some(end) = end else {
            if !carried {
                self.carry.extend_from_slice(&self.buffer[self.at..]);
                self.at = self.buffer.len();
            }
            return Ok(None);
        };
        self.end = End::new(self.framing);
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
        self.end = End::new(self.framing);
        let at = std::mem::replace(&mut self.at, self.buffer.len());
        if self.carry.is_empty() { self.buffer.slice(at..) } else { self.carry.split().freeze() }
    }
}

#[cfg(test)]
#[path = "framer_tests.rs"]
mod tests;
