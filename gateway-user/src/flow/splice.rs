//! Relays a connection that is not ours to read: bytes are moved and counted, nothing else.

mod kernel;

use std::{
    io,
    os::fd::AsFd,
    sync::{Arc, atomic::AtomicU64},
};

use nix::sys::socket::{setsockopt, sockopt};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy_bidirectional_with_sizes},
    net::TcpStream,
};

use super::{counted::Counted, coverage::Meter, prefixed::Prefixed};

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
    let meter = Arc::new(Meter::default());
    let (mut client, mut server) = (Counted::new(client, Arc::clone(&meter)), server);
    // How it ended does not matter: the counts stand either way.
    let _ = copy_bidirectional_with_sizes(&mut client, &mut server, BUFFER, BUFFER).await;
    let (up, down) = meter.aside();
    Passed { up, down }
}

#[cfg(test)]
mod tests;
