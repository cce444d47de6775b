//! One end of a WebSocket as a server has it: messages in and out, frames and compression as the test wants them.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use bytes::BytesMut;
use flate2::{Compress, Compression, FlushCompress};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::wire::websocket::{Deflate, Frame, Incoming, Kind, Message, Opcode, Reader, ReaderOptions, Side};

/// Largest message that is taken: 64 MiB, above the largest any test sends.
const MOST: u64 = 64 << 20;

/// A server's end.
pub(super) struct Peer {
    stream: TokioIo<Upgraded>,
    reader: Reader,
    compress: Option<(Compress, bool)>,
    /// Bytes per frame; all in one when absent.
    frame: Option<usize>,
    /// Messages that came while something was written.
    waiting: VecDeque<Message>,
    closed: bool,
}

impl Peer {
    pub(super) fn new(stream: TokioIo<Upgraded>, deflate: Option<Deflate>, frame: Option<usize>) -> Peer {
        let options = ReaderOptions {
            from: Side::Client,
            most: MOST,
            deflate: deflate.map(|deflate| deflate.client_keeps_context),
        };
        let compress = deflate
            .map(|deflate| (Compress::new(Compression::default(), false), deflate.server_keeps_context));
        let frame = frame.filter(|size| *size > 0);
        Peer {
            stream,
            reader: Reader::new(options),
            compress,
            frame,
            waiting: VecDeque::new(),
            closed: false,
        }
    }

    /// The next message; `None` once the client has closed. Pings are answered on the way.
    pub(super) async fn next(&mut self) -> io::Result<Option<Message>> {
        loop {
            if let Some(message) = self.waiting.pop_front() {
                return Ok(Some(message));
            }
            if self.closed {
                return Ok(None);
            }
            self.read().await?;
        }
    }

    /// Waits for `time`; false when the client closes or goes away meanwhile.
    pub(super) async fn pause(&mut self, time: Duration) -> bool {
        let end = tokio::time::Instant::now() + time;
        loop {
            tokio::select! {
                biased;
                read = self.read() => if read.is_err() || self.closed { return false },
                () = tokio::time::sleep_until(end) => return true,
            }
        }
    }

    /// Takes in what has come. Dropped half-way it loses nothing but a pong.
    async fn read(&mut self) -> io::Result<()> {
        if self.stream.read_buf(self.reader.buffer()).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        while let Some(incoming) = self.reader.next_incoming().map_err(io::Error::other)? {
            match incoming {
                Incoming::Message(message) => self.waiting.push_back(message),
                Incoming::Control(control) if control.opcode == Opcode::Ping => {
                    self.control(Opcode::Pong, b"").await?;
                }
                Incoming::Control(control) if control.opcode == Opcode::Close => {
                    self.closed = true;
                    let code = control.code.map(u16::to_be_bytes);
                    self.control(Opcode::Close, code.as_ref().map_or(&[][..], |code| &code[..])).await?;
                    self.stream.shutdown().await?;
                }
                Incoming::Control(_) => {}
            }
        }
        Ok(())
    }

    async fn control(&mut self, opcode: Opcode, payload: &[u8]) -> io::Result<()> {
        let mut out = BytesMut::new();
        Frame { fin: true, compressed: false, opcode, mask: None, payload }.write(&mut out);
        self.write(&out).await
    }

    /// Sends a message.
    pub(super) async fn send(&mut self, kind: Kind, payload: &[u8]) -> io::Result<()> {
        let packed = self.compress.as_mut().map(|(compress, keeps)| pack(compress, *keeps, payload));
        let bytes = packed.as_deref().unwrap_or(payload);
        let size = self.frame.unwrap_or(bytes.len().max(1));
        let mut out = BytesMut::new();
        let mut rest = bytes;
        let mut opcode = kind.opcode();
        loop {
            let (part, left) = rest.split_at(size.min(rest.len()));
            let compressed = packed.is_some() && opcode != Opcode::Continuation;
            Frame { fin: left.is_empty(), compressed, opcode, mask: None, payload: part }.write(&mut out);
            if left.is_empty() {
                break;
            }
            (rest, opcode) = (left, Opcode::Continuation);
        }
        self.write(&out).await
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }
}

/// Compresses one message (RFC 7692 §7.2.1).
fn pack(compress: &mut Compress, keeps: bool, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() / 2 + 64);
    let start = compress.total_in();
    loop {
        out.reserve(64);
        let done = (compress.total_in() - start) as usize;
        let packed = compress.compress_vec(&payload[done..], &mut out, FlushCompress::Sync);
        packed.expect("a compressor in the middle of its stream takes any bytes");
        if (compress.total_in() - start) as usize == payload.len() && out.len() < out.capacity() {
            break;
        }
    }
    out.truncate(out.len().saturating_sub(4));
    if !keeps {
        compress.reset();
    }
    out
}
