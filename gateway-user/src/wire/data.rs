//! What a raw event carries: where its payload stands, and the event with that payload changed.

use bytes::Bytes;

use crate::wire::edit::{Edit, splice};
use crate::wire::frames::{self, Chunk};
use crate::wire::json::Span;
use crate::wire::sse;

/// The payload of an event: the document that is read and judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// None: a comment, a keep-alive.
    None,
    /// It stands in the raw event in one piece.
    Line(Span),
    /// The `data` lines of a server-sent event, joined by LF as the standard says.
    Lines(Vec<u8>),
    /// It stands in a binary frame, whose length and checksums must fit it.
    Frame(Span),
    /// It is made from what stands encoded in a binary frame.
    Chunk(Box<Chunk>),
}

impl Data {
    /// The payload, given the raw event it was found in.
    pub fn payload<'a>(&'a self, raw: &'a [u8]) -> &'a [u8] {
        match self {
            Data::None => &[],
            Data::Line(span) | Data::Frame(span) => span.of(raw),
            Data::Lines(joined) => joined,
            Data::Chunk(chunk) => &chunk.document,
        }
    }

    /// The raw event with the edits done in its payload; everything else byte for byte, but for lengths and checksums.
    pub fn edited(&self, raw: &Bytes, edits: &mut [Edit]) -> Bytes {
        match self {
            Data::None => raw.clone(),
            Data::Line(span) => {
                let payload = splice(span.of(raw), edits);
                let (before, after) = (&raw[..span.start as usize], &raw[span.end as usize..]);
                [before, &payload, after].concat().into()
            }
            Data::Lines(joined) => sse::with_data(raw, &splice(joined, edits)).into(),
            Data::Frame(span) => {
                edits.iter_mut().for_each(|edit| edit.span = edit.span.moved_by(i64::from(span.start)));
                frames::spliced(raw, edits).into()
            }
            Data::Chunk(chunk) => frames::spliced(raw, &mut chunk.edits(edits)).into(),
        }
    }

    /// Whether an event with this payload can be said in two, each with a part of its text.
    pub fn is_divisible(&self) -> bool {
        matches!(self, Data::Line(_) | Data::Frame(_) | Data::Chunk(_))
    }
}
