//! The first look at a connection: what it begins with, read without being consumed.

use std::{io, time::Duration};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    net::TcpStream,
    time::timeout,
};

use super::{
    path::Client,
    plain::{self, Asks, Plain},
    prefixed::Prefixed,
    recorder::Recorder,
};
use crate::{
    tls::hello::{self, Hello, Peek},
    upstream::Alpn,
};

/// How long a client may stay silent before it is asked whether the server speaks first.
const SILENCE: Duration = Duration::from_secs(3);

/// What the first bytes are.
#[derive(Clone, Debug)]
pub enum Opening {
    /// A whole ClientHello.
    Tls(Hello),
    /// TLS whose hello cannot be read, and why.
    Malformed(&'static str),
    /// HTTP in clear.
    Plain(Plain),
    /// A SOCKS greeting: the destination comes later, and to another proxy.
    Socks,
    /// Nothing within the time a client may stay silent.
    Silent,
    /// The server speaks first, or nobody does.
    ServerFirst,
    /// Something else.
    Other,
}

/// A connection that was looked at.
pub type Looked = (Opening, Client);

/// Reads until the opening is known; the stream that comes back replays every byte.
///
/// # Errors
/// When the client goes away first.
pub async fn look(stream: Client, patience: Duration) -> io::Result<Looked> {
    let (head, stream) = stream.into_parts();
    let mut read = BytesMut::with_capacity(2048);
    read.extend_from_slice(&head);
    look_on(stream, read, patience).await
}

/// The same where `read` has been read already.
///
/// # Errors
/// When the client goes away first.
pub async fn look_on(mut stream: TcpStream, mut read: BytesMut, patience: Duration) -> io::Result<Looked> {
    let opening = loop {
        match opening(&read) {
            Seen::Opening(opening) => break opening,
            Seen::Http2 => {
                let host = http2_host(&mut stream, &mut read, patience).await;
                break Opening::Plain(Plain { alpn: Alpn::Http2, asks: Asks::Host(host) });
            }
            Seen::NeedMore => {}
        }
        let wait = if read.is_empty() { SILENCE.min(patience) } else { patience };
        match timeout(wait, stream.read_buf(&mut read)).await {
            Ok(Ok(0)) if read.is_empty() => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(Ok(0)) => break unfinished(&read, "the connection ended inside its ClientHello"),
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(error),
            Err(_) if read.is_empty() => break Opening::Silent,
            Err(_) => break unfinished(&read, "its ClientHello did not come in time"),
        }
    };
    Ok((opening, Prefixed::new(read.freeze(), stream)))
}

/// Which version of HTTP a client speaks that offered none by ALPN: most often 1.1, and 2 when it says so at once.
///
/// # Errors
/// When the client goes away first.
pub async fn version<S: AsyncRead + Unpin>(
    mut stream: S,
    patience: Duration,
) -> io::Result<(Alpn, Prefixed<S>)> {
    let mut read = BytesMut::with_capacity(plain::PREFACE.len());
    while read.len() < plain::PREFACE.len() && plain::PREFACE.starts_with(&read) {
        match timeout(patience, stream.read_buf(&mut read)).await {
            Ok(Ok(0)) | Err(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => read?,
        };
    }
    let alpn = if read.starts_with(plain::PREFACE) { Alpn::Http2 } else { Alpn::Http1 };
    Ok((alpn, Prefixed::new(read.freeze(), stream)))
}

enum Seen {
    NeedMore,
    Opening(Opening),
    Http2,
}

fn opening(read: &[u8]) -> Seen {
    if read.is_empty() {
        return Seen::NeedMore;
    }
    match hello::peek(read) {
        Peek::Hello(hello) => Seen::Opening(Opening::Tls(hello)),
        Peek::Malformed(why) => Seen::Opening(Opening::Malformed(why)),
        Peek::NeedMore => Seen::NeedMore,
        Peek::NotTls => match plain::peek(read) {
            plain::Peek::NeedMore => Seen::NeedMore,
            plain::Peek::Http1(asks) => Seen::Opening(Opening::Plain(Plain { alpn: Alpn::Http1, asks })),
            plain::Peek::Http2 => Seen::Http2,
            plain::Peek::Socks => Seen::Opening(Opening::Socks),
            plain::Peek::Other => Seen::Opening(Opening::Other),
        },
    }
}

/// What bytes are that were to become an opening and did not.
fn unfinished(read: &[u8], why: &'static str) -> Opening {
    match hello::peek(read) {
        Peek::NeedMore => Opening::Malformed(why),
        _ => Opening::Other,
    }
}

/// The host in the first request of an HTTP/2 client, which sends it without waiting for the server (RFC 9113 §3.4);
/// none when it does wait. The library reads it, and its answers go nowhere.
async fn http2_host(stream: &mut TcpStream, read: &mut BytesMut, patience: Duration) -> Option<String> {
    let first = async {
        let mut connection = h2::server::Builder::new()
            .max_header_list_size(plain::MOST_HEAD as u32)
            .handshake::<_, Bytes>(Recorder::new(stream, read))
            .await
            .ok()?;
        let (request, _) = connection.accept().await?.ok()?;
        let authority = request.uri().authority().map(|authority| authority.as_str().to_owned());
        let host = || Some(request.headers().get(http::header::HOST)?.to_str().ok()?.to_owned());
        authority.or_else(host)
    };
    let authority = timeout(patience.min(SILENCE), first).await.ok().flatten()?;
    Some(plain::host_of(&authority))
}
