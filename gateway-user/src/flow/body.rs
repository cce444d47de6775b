//! The body of a reply on its way to the client: whole, inspected as it streams, or passed through and counted.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use super::{stream::Inspected, through::Through};

/// A reply body that broke off; the connection to the client breaks with it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BrokenOff(pub String);

/// What the client is sent.
pub enum ReplyBody {
    /// Known bytes.
    Whole {
        /// Empty once sent.
        data: Bytes,
        /// Trailers that upstream sent.
        trailers: Option<HeaderMap>,
    },
    /// A stream behind the holdback.
    Inspected(Box<Inspected>),
    /// A body that is not looked into.
    Through(Box<Through>),
}

impl ReplyBody {
    /// Known bytes without trailers.
    pub fn whole(data: Bytes) -> Self {
        ReplyBody::Whole { data, trailers: None }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match &mut *self {
            ReplyBody::Whole { data, trailers } => {
                let next = if data.is_empty() {
                    trailers.take().map(Frame::trailers)
                } else {
                    Some(Frame::data(std::mem::take(data)))
                };
                Poll::Ready(next.map(Ok))
            }
            ReplyBody::Inspected(stream) => stream.poll(context),
            ReplyBody::Through(through) => through.poll(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            ReplyBody::Whole { data, trailers } => data.is_empty() && trailers.is_none(),
            // What an inspected stream has yet to flush is known only when it is polled.
            ReplyBody::Inspected(_) => false,
            ReplyBody::Through(through) => through.is_end(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            ReplyBody::Whole { data, trailers: None } => SizeHint::with_exact(data.len() as u64),
            ReplyBody::Whole { .. } | ReplyBody::Inspected(_) => SizeHint::default(),
            ReplyBody::Through(through) => through.size_hint(),
        }
    }
}
