//! A WebSocket client that shows what really came: frames, messages, and the raw bytes of both directions.

use std::net::SocketAddr;

use bytes::BytesMut;
use flate2::{Compress, Compression, FlushCompress};
use gateway::wire::websocket::{
    Control, Frame, Incoming, Kind, Message, Opcode, Reader, ReaderOptions, Side, agreed,
};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::PATIENCE;
use crate::http::{Connection, Reply, Stream};

/// The offer of most clients.
pub const DEFLATE: &str = "permessage-deflate; client_max_window_bits";

/// The mask of every frame; a test need not be unforeseeable.
const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// An open WebSocket.
pub struct WebSocket {
    stream: Box<dyn Stream>,
    reader: Reader,
    compress: Option<(Compress, bool)>,
    /// Everything that came after the handshake.
    pub received: Vec<u8>,
    /// Everything that was sent after it.
    pub sent: Vec<u8>,
}

impl WebSocket {
    /// Opens one through the reverse door at `address`; `offer` is the extensions header, none when empty. The reply is
    /// given back when it is not 101.
    pub async fn open(address: SocketAddr, path: &str, offer: &str) -> Result<WebSocket, Reply> {
        let headers =
            if offer.is_empty() { String::new() } else { format!("Sec-WebSocket-Extensions: {offer}\r\n") };
        WebSocket::open_with(address, path, &headers).await.map(|(socket, _)| socket)
    }

    /// As [`WebSocket::open`] with any headers; also gives the answer's head.
    pub async fn open_with(
        address: SocketAddr,
        path: &str,
        headers: &str,
    ) -> Result<(WebSocket, Reply), Reply> {
        let mut connection = Connection::plain(address).await;
        let ask = format!(
            "GET {path} HTTP/1.1\r\nHost: api.openai.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Authorization: Bearer simulated\r\n{headers}\r\n"
        );
        connection.send(ask.as_bytes()).await;
        let reply = connection.reply().await;
        if reply.status != 101 {
            return Err(reply);
        }
        let deflate = agreed(reply.header("sec-websocket-extensions")).expect("extensions we offered");
        let options = ReaderOptions {
            from: Side::Server,
            most: 64 << 20,
            deflate: deflate.map(|deflate| deflate.server_keeps_context),
        };
        let mut reader = Reader::new(options);
        let received = connection.unread().to_vec();
        reader.buffer().extend_from_slice(&received);
        let compress = deflate
            .map(|deflate| (Compress::new(Compression::default(), false), deflate.client_keeps_context));
        let stream = connection.into_stream();
        Ok((WebSocket { stream, reader, compress, received, sent: Vec::new() }, reply))
    }

    /// Sends a text message in one frame, compressed if that was agreed on.
    pub async fn send(&mut self, text: &str) {
        self.send_in_frames(Kind::Text, text.as_bytes(), usize::MAX).await;
    }

    /// Sends a message in frames of `size` bytes, compressed if that was agreed on.
    pub async fn send_in_frames(&mut self, kind: Kind, payload: &[u8], size: usize) {
        let packed = self.compress.as_mut().map(|(compress, keeps)| pack(compress, *keeps, payload));
        let mut rest = packed.as_deref().unwrap_or(payload);
        let mut out = BytesMut::new();
        let mut opcode = kind.opcode();
        loop {
            let (part, left) = rest.split_at(size.min(rest.len()));
            let compressed = packed.is_some() && opcode != Opcode::Continuation;
            Frame { fin: left.is_empty(), compressed, opcode, mask: Some(MASK), payload: part }
                .write(&mut out);
            if left.is_empty() {
                break;
            }
            (rest, opcode) = (left, Opcode::Continuation);
        }
        self.send_raw(&out).await;
    }

    /// Sends a control frame.
    pub async fn control(&mut self, opcode: Opcode, payload: &[u8]) {
        let mut out = BytesMut::new();
        Frame { fin: true, compressed: false, opcode, mask: Some(MASK), payload }.write(&mut out);
        self.send_raw(&out).await;
    }

    /// Sends bytes as they are; what the peer does not take any more is lost.
    pub async fn send_raw(&mut self, bytes: &[u8]) {
        self.sent.extend_from_slice(bytes);
        if self.stream.write_all(bytes).await.is_ok() {
            let _ = self.stream.flush().await;
        }
    }

    /// Ends the sending half without a close frame.
    pub async fn shut(&mut self) {
        self.stream.shutdown().await.expect("the connection can be shut");
    }

    /// What comes next; `None` at the end of the connection.
    ///
    /// # Panics
    /// When nothing comes within [`PATIENCE`], or it breaks the protocol.
    pub async fn next(&mut self) -> Option<Incoming> {
        loop {
            if let Some(incoming) = self.reader.next_incoming().expect("the gateway keeps to the protocol") {
                return Some(incoming);
            }
            let mut bytes = [0; 4096];
            let read = tokio::time::timeout(PATIENCE, self.stream.read(&mut bytes)).await;
            match read.expect("something comes in time") {
                Ok(0) | Err(_) => return None,
                Ok(count) => {
                    self.received.extend_from_slice(&bytes[..count]);
                    self.reader.buffer().extend_from_slice(&bytes[..count]);
                }
            }
        }
    }

    /// The next message.
    ///
    /// # Panics
    /// When something else comes.
    pub async fn message(&mut self) -> Message {
        match self.next().await {
            Some(Incoming::Message(message)) => message,
            other => panic!("a message was expected, not {other:?}"),
        }
    }

    /// The next message as JSON.
    pub async fn json(&mut self) -> Value {
        let message = self.message().await;
        serde_json::from_slice(&message.payload).expect("a JSON message")
    }

    /// All messages as JSON, up to and with the first whose `type` is `last`.
    pub async fn until(&mut self, last: &str) -> Vec<Value> {
        let mut all = Vec::new();
        loop {
            all.push(self.json().await);
            if all.last().is_some_and(|message| message["type"] == last) {
                return all;
            }
        }
    }

    /// Reads to the close frame and gives its code.
    ///
    /// # Panics
    /// When the connection ends without one.
    pub async fn closed(&mut self) -> Option<u16> {
        loop {
            match self.next().await {
                Some(Incoming::Control(Control { opcode: Opcode::Close, code, .. })) => return code,
                Some(_) => {}
                None => panic!("the connection ended without a close frame"),
            }
        }
    }
}

/// Compresses one message (RFC 7692 §7.2.1).
fn pack(compress: &mut Compress, keeps: bool, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let start = compress.total_in();
    loop {
        out.reserve(256);
        let done = (compress.total_in() - start) as usize;
        compress.compress_vec(&payload[done..], &mut out, FlushCompress::Sync).expect("it compresses");
        if (compress.total_in() - start) as usize == payload.len() && out.len() < out.capacity() {
            break;
        }
    }
    out.truncate(out.len() - 4);
    if !keeps {
        compress.reset();
    }
    out
}
