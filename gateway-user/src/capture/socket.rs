//! Socket options the kernel programs rely on, and the gateway's own connections, which they must not steer.

use super::Steering;
use super::netns::Namespace;
use std::io;
use std::mem::{MaybeUninit, size_of};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::{Arc, PoisonError, RwLock, Weak};
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

/// Every steering that must leave the gateway's own sockets alone: one for each app it serves.
///
/// It keeps none of them alive: what is detached drops out by itself.
#[derive(Clone, Default)]
pub struct Exempt(Arc<RwLock<Vec<Weak<Steering>>>>);

impl Exempt {
    /// Has `steer` leave alone what [`connect`] opens from now on.
    pub fn add(&self, steer: &Arc<Steering>) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.retain(|known| known.strong_count() > 0);
        all.push(Arc::downgrade(steer));
    }

    /// Exempts one socket from all of them. To be called before `connect`.
    ///
    /// # Errors
    /// Not a socket, or a table that cannot be written.
    pub fn exempt(&self, socket: BorrowedFd<'_>) -> io::Result<()> {
        // A panic elsewhere cannot leave a list of pointers half written.
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter_map(Weak::upgrade).try_for_each(|steer| steer.exempt(socket))
    }
}

/// Connects to `to` with `TCP_NODELAY`, from inside `namespace` where one is given: over its routes, from its
/// addresses, under its packet filter. The socket is exempt from all steering first, so that a gateway inside a cgroup
/// it serves does not capture itself.
///
/// # Errors
/// As `connect(2)`, the namespace cannot be entered, or the exemption could not be stored.
pub async fn connect(
    to: SocketAddr,
    exempt: &Exempt,
    namespace: Option<&Namespace>,
) -> io::Result<TcpStream> {
    let socket = match namespace {
        Some(namespace) => namespace.socket(to).await?,
        None => fresh(to)?,
    };
    socket.set_nodelay(true)?;
    exempt.exempt(socket.as_fd())?;
    socket.connect(to).await
}

/// An unconnected socket of the family of `to`, in the namespace of the calling thread.
pub(super) fn fresh(to: SocketAddr) -> io::Result<TcpSocket> {
    if to.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }
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
        let stream = connect(listener.local_addr().expect("bound"), &Exempt::default(), None)
            .await
            .expect("connected");
        assert!(stream.nodelay().expect("readable option"));
    }
}
