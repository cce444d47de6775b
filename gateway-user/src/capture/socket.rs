//! Socket options the kernel programs rely on, and the gateway's own connections, which they must not steer.

use super::Steering;
use std::io;
use std::mem::{MaybeUninit, size_of};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use tokio::net::{TcpSocket, TcpStream};

/// The socket's cookie (`SO_COOKIE`): unique while the system runs, never used twice, not to be forged.
///
/// # Errors
/// Not a socket.
pub fn cookie(socket: BorrowedFd<'_>) -> io::Result<u64> {
    read_u64(socket, libc::SO_COOKIE)
}

/// The cookie of the network namespace the socket lives in (`SO_NETNS_COOKIE`, Linux 5.14).
///
/// # Errors
/// Not a socket, or an older kernel.
pub fn namespace(socket: BorrowedFd<'_>) -> io::Result<u64> {
    /// From asm-generic/socket.h; libc does not name it for every target.
    const SO_NETNS_COOKIE: libc::c_int = 71;
    read_u64(socket, SO_NETNS_COOKIE)
}

/// Connects to `to` with `TCP_NODELAY`. With `steer` the socket is exempt first, so that a gateway inside its own
/// cgroup does not capture itself.
///
/// # Errors
/// As `connect(2)`, or the exemption could not be stored.
pub async fn connect(to: SocketAddr, steer: Option<&Steering>) -> io::Result<TcpStream> {
    let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_nodelay(true)?;
    if let Some(steer) = steer {
        steer.exempt(socket.as_fd())?;
    }
    socket.connect(to).await
}

fn read_u64(socket: BorrowedFd<'_>, option: libc::c_int) -> io::Result<u64> {
    let mut value = MaybeUninit::<u64>::uninit();
    let mut length = size_of::<u64>() as libc::socklen_t;
    // SAFETY: the pointer and the length describe `value`, which outlives the call.
    let outcome = unsafe {
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, value.as_mut_ptr().cast(), &mut length)
    };
    if outcome != 0 {
        return Err(io::Error::last_os_error());
    }
    if length as usize != size_of::<u64>() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    // SAFETY: the kernel has written all eight bytes.
    Ok(unsafe { value.assume_init() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_tell_sockets_apart_and_namespaces_together() {
        let first = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let second = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
        assert_ne!(cookie(first.as_fd()).expect("cookie"), cookie(second.as_fd()).expect("cookie"));
        assert_eq!(namespace(first.as_fd()).expect("cookie"), namespace(second.as_fd()).expect("cookie"));
    }

    #[tokio::test]
    async fn own_connections_send_without_delay() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let stream = connect(listener.local_addr().expect("bound"), None).await.expect("connected");
        assert!(stream.nodelay().expect("readable option"));
    }
}
