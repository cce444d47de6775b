//! Relays a connection that is not ours to read: bytes are copied and counted, nothing else.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes},
    time::timeout,
};

use crate::capture::{Steering, socket};

/// Copy buffer per direction, in bytes.
const BUFFER: usize = 16 * 1024;

/// Bytes that passed, client to server and back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// From the client.
    pub up: u64,
    /// To the client.
    pub down: u64,
}

/// Connects to `address` within `limit` and copies until both sides have ended. A reset by either side is an end like
/// any other: what passed until then is returned.
///
/// # Errors
/// When the address cannot be connected.
pub async fn relay<S: AsyncRead + AsyncWrite + Unpin>(
    client: &mut S,
    address: SocketAddr,
    steer: Option<&Steering>,
    limit: Duration,
) -> io::Result<Passed> {
    let server =
        timeout(limit, socket::connect(address, steer)).await.map_err(|_| io::ErrorKind::TimedOut)??;
    Ok(copy(client, server).await)
}

/// Copies both ways until both sides have ended.
pub async fn copy<C, S>(client: &mut C, server: S) -> Passed
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut server = Counted { stream: server, passed: Passed::default() };
    // How it ended does not matter: the counts stand either way.
    let _ = copy_bidirectional_with_sizes(client, &mut server, BUFFER, BUFFER).await;
    server.passed
}

/// A server side that counts; `copy_bidirectional` forgets its counts on a reset.
struct Counted<S> {
    stream: S,
    passed: Passed,
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = out.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, out))?;
        self.passed.down += (out.filled().len() - before) as u64;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, data))?;
        self.passed.up += written as u64;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, duplex},
        net::TcpListener,
    };

    use super::*;

    #[tokio::test]
    async fn bytes_pass_both_ways_and_are_counted() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut got = Vec::new();
            socket.read_to_end(&mut got).await.unwrap();
            socket.write_all(b"goodbye").await.unwrap();
            got
        });
        let (mut app, mut ours) = duplex(64);
        let relay =
            tokio::spawn(async move { relay(&mut ours, address, None, Duration::from_secs(5)).await });
        app.write_all(b"hello").await.unwrap();
        app.shutdown().await.unwrap();
        let mut back = Vec::new();
        app.read_to_end(&mut back).await.unwrap();
        assert_eq!(server.await.unwrap(), b"hello");
        assert_eq!(back, b"goodbye");
        assert_eq!(relay.await.unwrap().unwrap(), Passed { up: 5, down: 7 });
    }
}
