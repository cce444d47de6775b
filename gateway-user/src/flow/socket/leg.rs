//! One side's socket: what is read of it, and what waits to be written to it.

use std::io;

use bytes::BytesMut;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};

use crate::wire::websocket::{Reader, ReaderOptions};

/// The stream of one side.
pub type Io = TokioIo<Upgraded>;

/// Bytes asked for in one read.
const READ: usize = 16 * 1024;

/// One side.
pub struct Leg {
    /// Where its bytes come from.
    pub read: ReadHalf<Io>,
    /// Where its bytes go to.
    pub write: WriteHalf<Io>,
    /// Takes its messages apart.
    pub reader: Reader,
    /// What is to be written.
    pub out: BytesMut,
    /// More may come.
    pub reads: bool,
    /// Written bytes may still stand in a buffer below.
    pub dirty: bool,
    /// Once everything is written, the sending half is shut.
    pub shuts: bool,
    /// Its bytes are passed on unread (warn mode, after something that cannot be read).
    pub relays: bool,
}

impl Leg {
    /// A side before its first byte.
    pub fn new(stream: Io, options: ReaderOptions) -> Leg {
        let (read, write) = split(stream);
        Leg {
            read,
            write,
            reader: Reader::new(options),
            out: BytesMut::new(),
            reads: true,
            dirty: false,
            shuts: false,
            relays: false,
        }
    }

    /// Whether anything is left to be done for what was sent to it.
    pub fn is_busy(&self) -> bool {
        !self.out.is_empty() || self.dirty || self.shuts
    }
}

/// Reads more; 0 at the end. Nothing is lost when it is dropped half-way.
pub async fn fill(read: &mut ReadHalf<Io>, buffer: &mut BytesMut) -> io::Result<usize> {
    buffer.reserve(READ);
    read.read_buf(buffer).await
}

/// Writes some of `out`; when it is empty, flushes and, if asked to, shuts the sending half. Gives the bytes written.
pub async fn push(write: &mut WriteHalf<Io>, out: &mut BytesMut, shuts: bool) -> io::Result<usize> {
    if !out.is_empty() {
        return match write.write_buf(out).await? {
            0 => Err(io::ErrorKind::WriteZero.into()),
            count => Ok(count),
        };
    }
    write.flush().await?;
    if shuts {
        write.shutdown().await?;
    }
    Ok(0)
}
