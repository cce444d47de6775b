//! The body of a request on its way upstream: held whole after it was judged, or passed through.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

/// A request body to send.
pub enum SendBody {
    /// A judged body, and the trailers that came with it.
    Whole {
        /// The bytes; empty once they are sent.
        data: Bytes,
        /// Trailers (RFC 9110 §6.5).
        trailers: Option<HeaderMap>,
    },
    /// A body that is not inspected (control paths, or beyond the bound in warn mode): what was read, then the rest.
    Through {
        /// Bytes already read; empty once they are sent.
        head: Bytes,
        /// The rest, as it comes.
        rest: Incoming,
    },
}

impl SendBody {
    /// A whole body without trailers.
    pub fn whole(data: Bytes) -> Self {
        SendBody::Whole { data, trailers: None }
    }
}

impl Body for SendBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut *self {
            SendBody::Whole { data, trailers } => {
                let next = if data.is_empty() {
                    trailers.take().map(Frame::trailers)
                } else {
                    Some(Frame::data(std::mem::take(data)))
                };
                Poll::Ready(next.map(Ok))
            }
            SendBody::Through { head, .. } if !head.is_empty() => {
                Poll::Ready(Some(Ok(Frame::data(std::mem::take(head)))))
            }
            SendBody::Through { rest, .. } => Pin::new(rest).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            SendBody::Whole { data, trailers } => data.is_empty() && trailers.is_none(),
            SendBody::Through { head, rest } => head.is_empty() && rest.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            // A body with trailers has to be chunked, so its length is not announced.
            SendBody::Whole { data, trailers: None } => SizeHint::with_exact(data.len() as u64),
            SendBody::Whole { .. } => SizeHint::default(),
            SendBody::Through { head, rest } => match rest.size_hint().exact() {
                Some(rest) => SizeHint::with_exact(rest + head.len() as u64),
                None => SizeHint::default(),
            },
        }
    }
}
