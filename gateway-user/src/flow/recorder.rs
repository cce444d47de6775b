//! Lets a library read the beginning of a connection without consuming it: what it reads is kept, what it writes is
//! dropped.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Most bytes that are kept; a client that sends more before it is decided on is no longer read.
const MOST: usize = 256 * 1024;

/// Reads what was read before, then the stream, and keeps all of it.
pub struct Recorder<'a, S> {
    stream: &'a mut S,
    read: &'a mut BytesMut,
    /// How much of `read` was handed out.
    at: usize,
}

impl<'a, S> Recorder<'a, S> {
    /// Replays `read`, then reads `stream` and appends to `read`.
    pub fn new(stream: &'a mut S, read: &'a mut BytesMut) -> Self {
        Recorder { stream, read, at: 0 }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Recorder<'_, S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.at == this.read.len() {
            if this.at >= MOST {
                return Poll::Ready(Err(io::ErrorKind::OutOfMemory.into()));
            }
            let before = out.filled().len();
            ready!(Pin::new(&mut *this.stream).poll_read(context, out))?;
            this.read.extend_from_slice(&out.filled()[before..]);
            this.at = this.read.len();
            return Poll::Ready(Ok(()));
        }
        let take = (this.read.len() - this.at).min(out.remaining());
        out.put_slice(&this.read[this.at..this.at + take]);
        this.at += take;
        Poll::Ready(Ok(()))
    }
}

impl<S: Unpin> AsyncWrite for Recorder<'_, S> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
