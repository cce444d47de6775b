//! Relays a connection that is not ours to read: bytes are moved and counted, nothing else.

mod kernel;

use std::{
    io,
    os::fd::AsFd,
    pin::Pin,
    sync::atomic::AtomicU64,
    task::{Context, Poll, ready},
};

use nix::sys::socket::{setsockopt, sockopt};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf, copy_bidirectional_with_sizes},
    net::TcpStream,
};

use super::prefixed::Prefixed;

/// Copy buffer per direction, in bytes.
const BUFFER: usize = 16 * 1024;

/// Seconds without a byte after which a relayed connection's server is asked whether it is still there, and between
/// further questions. What keep-alive the app itself asked for ends at our listener, and a relayed connection has no
/// limit on its silence, as it had none without us.
const KEEP_ALIVE_SECONDS: u32 = 60;

/// Bytes that passed, client to server and back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// From the client.
    pub up: u64,
    /// To the client.
    pub down: u64,
}

/// Lets the kernel move bytes between a client and its server until both sides have ended. A reset by either side is
/// passed on to the other, and what passed until then is returned.
///
/// # Errors
/// When the server's socket takes no options.
pub async fn relay(client: Prefixed<TcpStream>, mut server: TcpStream) -> io::Result<Passed> {
    keep_alive(&server)?;
    let (head, client) = client.into_parts();
    let (up, down) = (AtomicU64::new(0), AtomicU64::new(0));
    let both = async {
        server.write_all(&head).await?;
        up.store(head.len() as u64, std::sync::atomic::Ordering::Relaxed);
        tokio::try_join!(kernel::forward(&client, &server, &up), kernel::forward(&server, &client, &down))
    };
    if both.await.is_err() {
        // The other side must not take the broken answer for a whole one: closing now resets it.
        for stream in [&client, &server] {
            let _ = setsockopt(&stream.as_fd(), sockopt::Linger, &libc::linger { l_onoff: 1, l_linger: 0 });
        }
    }
    Ok(Passed { up: up.into_inner(), down: down.into_inner() })
}

fn keep_alive(server: &TcpStream) -> io::Result<()> {
    setsockopt(&server.as_fd(), sockopt::KeepAlive, &true)?;
    setsockopt(&server.as_fd(), sockopt::TcpKeepIdle, &KEEP_ALIVE_SECONDS)?;
    setsockopt(&server.as_fd(), sockopt::TcpKeepInterval, &KEEP_ALIVE_SECONDS)?;
    Ok(())
}

/// Copies both ways between streams the kernel cannot join, until both sides have ended.
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
mod tests;
