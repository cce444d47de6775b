//! The way through a proxy that the app itself asked for: its own CONNECT is said again on each new connection.

use std::{fmt, io, net::SocketAddr};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Most bytes of a proxy's answer to CONNECT.
const MOST_ANSWER: usize = 64 * 1024;

/// A proxy the app opened a tunnel through, and how it asked. Two apps share a connection only when both are equal.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Tunnel {
    /// The proxy.
    pub proxy: SocketAddr,
    /// The head of the app's CONNECT, byte for byte: it may hold its credentials for the proxy.
    pub head: Bytes,
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Tunnel({})", self.proxy)
    }
}

/// A proxy's answer to CONNECT.
pub struct Answer {
    /// Its status (RFC 9110 §9.3.6: 2xx opens the tunnel).
    pub status: u16,
    /// Its head, and whatever came with it.
    pub bytes: Bytes,
    /// Where the head ends in `bytes`.
    pub head: usize,
}

impl Answer {
    /// Whether the tunnel stands.
    pub fn is_open(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl Tunnel {
    /// Asks for the tunnel on a connection to the proxy.
    ///
    /// # Errors
    /// When the connection breaks, or the answer is no HTTP or has a head longer than 64 KiB.
    pub async fn ask(&self, stream: &mut TcpStream) -> io::Result<Answer> {
        stream.write_all(&self.head).await?;
        let mut read = BytesMut::new();
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 64];
            let mut answer = httparse::Response::new(&mut headers);
            match answer.parse(&read) {
                Ok(httparse::Status::Complete(head)) => {
                    let status = answer.code.unwrap_or(0);
                    return Ok(Answer { status, bytes: read.freeze(), head });
                }
                Ok(httparse::Status::Partial) if read.len() < MOST_ANSWER => {}
                _ => return Err(io::Error::other("the proxy's answer to CONNECT cannot be read")),
            }
            if stream.read_buf(&mut read).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Opens the tunnel; nothing of the target's may have come yet.
    ///
    /// # Errors
    /// As [`Tunnel::ask`], and when the proxy refuses.
    pub async fn open(&self, stream: &mut TcpStream) -> io::Result<()> {
        let answer = self.ask(stream).await?;
        match answer.is_open() && answer.head == answer.bytes.len() {
            true => Ok(()),
            false => Err(io::Error::other(format!("the proxy answered CONNECT with {}", answer.status))),
        }
    }
}
