//! The transparent door's listeners: loopback, IPv4 and IPv6 on one port.

use nix::sys::socket::{Backlog, listen};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use tokio::net::{TcpListener, TcpStream};

/// Connections the kernel keeps ready before they are accepted; the system's `somaxconn` caps it.
const BACKLOG: i32 = 4096;
/// How many free IPv4 ports are tried until one is free for IPv6 too.
const ATTEMPTS: usize = 16;

/// Bound sockets that do not need a runtime yet, so that they may be opened in another network namespace.
#[derive(Debug)]
pub struct Bound {
    /// On `127.0.0.1`.
    pub v4: std::net::TcpListener,
    /// On `[::1]`, same port; none where the namespace has no IPv6.
    pub v6: Option<std::net::TcpListener>,
}

/// Listeners of the running gateway.
#[derive(Debug)]
pub struct Listeners {
    v4: TcpListener,
    v6: Option<TcpListener>,
}

/// Binds `port`, or any free one, on both loopback addresses. Without IPv6 in this namespace only IPv4 is bound:
/// the kernel then steers IPv6 destinations to the IPv4 listener.
///
/// # Errors
/// `AddrInUse` when the wanted port is taken, or whatever else `bind` says.
pub fn bind_loopback(port: Option<u16>) -> io::Result<Bound> {
    let mut last = None;
    for _ in 0..if port.is_some() { 1 } else { ATTEMPTS } {
        let v4 = bound((Ipv4Addr::LOCALHOST, port.unwrap_or(0)).into())?;
        match bound((Ipv6Addr::LOCALHOST, v4.local_addr()?.port()).into()) {
            Ok(v6) => return Ok(Bound { v4, v6: Some(v6) }),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = Some(error),
            Err(_) => return Ok(Bound { v4, v6: None }),
        }
    }
    Err(last.unwrap_or_else(|| io::ErrorKind::AddrInUse.into()))
}

/// As [`bind_loopback`], with any free port where the wanted one is taken: the kernel is then pointed at that.
///
/// # Errors
/// No port is free, or whatever else `bind` says.
pub fn bind_again(port: Option<u16>) -> io::Result<Bound> {
    match bind_loopback(port) {
        Err(error) if port.is_some() && error.kind() == io::ErrorKind::AddrInUse => bind_loopback(None),
        other => other,
    }
}

impl Bound {
    /// The addresses to steer to.
    ///
    /// # Errors
    /// The kernel does not say where a socket is bound.
    pub fn addresses(&self) -> io::Result<(SocketAddrV4, Option<SocketAddrV6>)> {
        let SocketAddr::V4(v4) = self.v4.local_addr()? else { return Err(io::ErrorKind::InvalidData.into()) };
        let v6 = match self.v6.as_ref().map(std::net::TcpListener::local_addr).transpose()? {
            Some(SocketAddr::V6(v6)) => Some(v6),
            _ => None,
        };
        Ok((v4, v6))
    }

    /// Hands the sockets to the runtime this is called in.
    ///
    /// # Errors
    /// The runtime cannot watch a socket.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn into_listeners(self) -> io::Result<Listeners> {
        let v6 = self.v6.map(TcpListener::from_std).transpose()?;
        Ok(Listeners { v4: TcpListener::from_std(self.v4)?, v6 })
    }
}

impl Listeners {
    /// The next connection over either protocol, with `TCP_NODELAY` set, and its peer's address: the key for
    /// [`super::Steer::captured`]. Cancel safe.
    ///
    /// # Errors
    /// As `accept(2)`; a connection that was reset while it waited is such an error and no reason to stop.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = match &self.v6 {
            Some(v6) => tokio::select! {
                accepted = self.v4.accept() => accepted?,
                accepted = v6.accept() => accepted?,
            },
            None => self.v4.accept().await?,
        };
        stream.set_nodelay(true)?;
        Ok((stream, peer))
    }
}

fn bound(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    listen(&listener, Backlog::new(BACKLOG)?)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_protocols_share_a_port_and_a_taken_one_is_an_error() {
        let first = bind_loopback(None).expect("a free port");
        let (v4, v6) = first.addresses().expect("addresses");
        assert_eq!(v4.ip(), &Ipv4Addr::LOCALHOST);
        if let Some(v6) = v6 {
            assert_eq!(v6.port(), v4.port());
        }
        let again = bind_loopback(Some(v4.port())).expect_err("the port is taken");
        assert_eq!(again.kind(), io::ErrorKind::AddrInUse);
    }

    #[tokio::test]
    async fn accepted_connections_send_without_delay() {
        let bound = bind_loopback(None).expect("a free port");
        let (v4, v6) = bound.addresses().expect("addresses");
        let listeners = bound.into_listeners().expect("in a runtime");
        for address in [Some(SocketAddr::V4(v4)), v6.map(SocketAddr::V6)].into_iter().flatten() {
            let (connected, accepted) = tokio::join!(TcpStream::connect(address), listeners.accept());
            let (stream, peer) = accepted.expect("accepted");
            assert!(stream.nodelay().expect("readable option"));
            assert_eq!(peer, connected.expect("connected").local_addr().expect("bound"));
        }
    }
}
