//! The first look at a connection: its ClientHello, read without being consumed.

use std::{io, time::Duration};

use bytes::BytesMut;
use tokio::{io::AsyncReadExt, net::TcpStream, time::timeout};

use super::prefixed::Prefixed;
use crate::tls::hello::{self, Hello, Peek};

/// How long a client may stay silent before its connection is taken for one where the server speaks first.
const SILENCE: Duration = Duration::from_secs(3);

/// What the first bytes are.
#[derive(Clone, Debug)]
pub enum Opening {
    /// A whole ClientHello.
    Tls(Hello),
    /// TLS whose hello cannot be read, and why.
    Malformed(&'static str),
    /// Something else, or nothing within the time a client may stay silent.
    NotTls,
}

/// Reads until the opening is known; the stream that comes back replays every byte.
///
/// # Errors
/// When the client goes away first.
pub async fn look(
    stream: Prefixed<TcpStream>,
    patience: Duration,
) -> io::Result<(Opening, Prefixed<TcpStream>)> {
    let (head, mut stream) = stream.into_parts();
    let mut read = BytesMut::with_capacity(2048);
    read.extend_from_slice(&head);
    let opening = loop {
        match hello::peek(&read) {
            Peek::Hello(hello) => break Opening::Tls(hello),
            Peek::NotTls => break Opening::NotTls,
            Peek::Malformed(why) => break Opening::Malformed(why),
            Peek::NeedMore => {}
        }
        let wait = if read.is_empty() { SILENCE.min(patience) } else { patience };
        match timeout(wait, stream.read_buf(&mut read)).await {
            Ok(Ok(0)) if read.is_empty() => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(Ok(0)) => break Opening::Malformed("the connection ended inside its ClientHello"),
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(error),
            Err(_) if read.is_empty() => break Opening::NotTls,
            Err(_) => break Opening::Malformed("its ClientHello did not come in time"),
        }
    };
    Ok((opening, Prefixed::new(read.freeze(), stream)))
}
