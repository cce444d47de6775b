//! Less usual ways to open a connection.

use io_uring::{IoUring, opcode, types};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, bind, connect, send, sendto,
    setsockopt, socket, sockopt,
};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork, setuid};
use std::io;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Connects in a forked child, which then goes on as this process would; the parent waits and has nothing.
pub fn forked(to: SocketAddr) -> io::Result<Option<TcpStream>> {
    // SAFETY: this process has one thread.
    match unsafe { fork()? } {
        ForkResult::Child => TcpStream::connect(to).map(Some),
        ForkResult::Parent { child } => {
            waitpid(child, None)?;
            Ok(None)
        }
    }
}

/// Starts a connection, waits until the socket is writable and looks how it went.
pub fn nonblocking(to: SocketAddr) -> io::Result<TcpStream> {
    let socket = stream(to, SockFlag::SOCK_NONBLOCK, None)?;
    match connect(socket.as_raw_fd(), &SockaddrStorage::from(to)) {
        Err(nix::errno::Errno::EINPROGRESS) | Ok(()) => {}
        Err(error) => return Err(error.into()),
    }
    let mut wanted = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
    // SAFETY: one entry, which lives through the call.
    if unsafe { libc::poll(&mut wanted, 1, 10_000) } != 1 {
        return Err(io::ErrorKind::TimedOut.into());
    }
    let stream = TcpStream::from(socket);
    stream.set_nonblocking(false)?;
    match stream.take_error()? {
        Some(error) => Err(error),
        None => Ok(stream),
    }
}

/// Fails at a closed port first, then uses the same socket again.
pub fn retry(to: SocketAddr) -> io::Result<TcpStream> {
    let socket = stream(to, SockFlag::empty(), None)?;
    let closed = SocketAddr::new(to.ip(), 9);
    if connect(socket.as_raw_fd(), &SockaddrStorage::from(closed)).is_ok() {
        return Err(io::Error::other("the port was not closed"));
    }
    connect(socket.as_raw_fd(), &SockaddrStorage::from(to))?;
    Ok(socket.into())
}

/// From an address of its own.
pub fn bound(from: SocketAddr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = stream(to, SockFlag::empty(), None)?;
    bind(socket.as_raw_fd(), &SockaddrStorage::from(from))?;
    connect(socket.as_raw_fd(), &SockaddrStorage::from(to))?;
    Ok(socket.into())
}

/// From the address asked for itself, which is this machine's own in the tests.
pub fn from_source(to: SocketAddr) -> io::Result<TcpStream> {
    bound(SocketAddr::new(to.ip().to_canonical(), 0), SocketAddr::new(to.ip().to_canonical(), to.port()))
}

/// Bound to a network device (`SO_BINDTODEVICE`), as a user without rights where `user` is given.
pub fn on_device(to: SocketAddr, user: Option<u32>) -> io::Result<TcpStream> {
    let socket = stream(to, SockFlag::empty(), None)?;
    setsockopt(&socket, sockopt::BindToDevice, &"outer".into())?;
    if let Some(user) = user {
        setuid(user.into())?;
    }
    connect(socket.as_raw_fd(), &SockaddrStorage::from(to))?;
    Ok(socket.into())
}

/// `TCP_FASTOPEN_CONNECT`: the SYN leaves with the first data, after `connect` has returned.
pub fn fast_open_connect(to: SocketAddr) -> io::Result<TcpStream> {
    let socket = stream(to, SockFlag::empty(), None)?;
    setsockopt(&socket, sockopt::TcpFastOpenConnect, &true)?;
    connect(socket.as_raw_fd(), &SockaddrStorage::from(to))?;
    send(socket.as_raw_fd(), b"hello", MsgFlags::empty())?;
    Ok(socket.into())
}

/// With a socket made before this process joined the cgroup whose folder `JOIN` names.
pub fn brought_along(to: SocketAddr) -> io::Result<TcpStream> {
    let socket = stream(to, SockFlag::empty(), None)?;
    let cgroup = std::env::var_os("JOIN").ok_or(io::ErrorKind::NotFound)?;
    std::fs::write(std::path::Path::new(&cgroup).join("cgroup.procs"), "0")?;
    connect(socket.as_raw_fd(), &SockaddrStorage::from(to))?;
    Ok(socket.into())
}

/// `sendto` with `MSG_FASTOPEN` instead of `connect`.
pub fn fast_open(to: SocketAddr) -> io::Result<TcpStream> {
    let socket = stream(to, SockFlag::empty(), None)?;
    let flags = MsgFlags::from_bits_retain(libc::MSG_FASTOPEN);
    sendto(socket.as_raw_fd(), b"hello", &SockaddrStorage::from(to), flags)?;
    Ok(socket.into())
}

/// An MPTCP socket.
pub fn multipath(to: SocketAddr) -> io::Result<TcpStream> {
    let socket = stream(to, SockFlag::empty(), Some(libc::IPPROTO_MPTCP))?;
    connect(socket.as_raw_fd(), &SockaddrStorage::from(to))?;
    Ok(socket.into())
}

/// `IORING_OP_CONNECT`.
pub fn uring(to: SocketAddr) -> io::Result<TcpStream> {
    let socket = stream(to, SockFlag::empty(), None)?;
    let mut ring = IoUring::new(2)?;
    let name = SockaddrStorage::from(to);
    let length = nix::sys::socket::SockaddrLike::len(&name);
    let pointer = nix::sys::socket::SockaddrLike::as_ptr(&name);
    let entry = opcode::Connect::new(types::Fd(socket.as_raw_fd()), pointer, length).build();
    // SAFETY: the socket and its name live until the completion is here.
    unsafe { ring.submission().push(&entry).map_err(io::Error::other)? };
    ring.submit_and_wait(1)?;
    let done = ring.completion().next().ok_or(io::ErrorKind::UnexpectedEof)?;
    if done.result() < 0 {
        return Err(io::Error::from_raw_os_error(-done.result()));
    }
    Ok(socket.into())
}

/// Connects a UDP socket and sends.
pub fn datagram_connect(to: SocketAddr) -> io::Result<String> {
    let socket = UdpSocket::bind(any(to))?;
    socket.connect(to)?;
    socket.send(b"hello")?;
    Ok("ok sent".to_owned())
}

/// Sends from an unconnected UDP socket.
pub fn datagram_send(to: SocketAddr) -> io::Result<String> {
    UdpSocket::bind(any(to))?.send_to(b"hello", to)?;
    Ok("ok sent".to_owned())
}

fn any(to: SocketAddr) -> &'static str {
    if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }
}

fn stream(to: SocketAddr, flags: SockFlag, protocol: Option<libc::c_int>) -> io::Result<OwnedFd> {
    let family = if to.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let Some(protocol) = protocol else {
        return Ok(socket(family, SockType::Stream, flags, SockProtocol::Tcp)?);
    };
    // SAFETY: plain integers; a good descriptor is owned by nobody else.
    unsafe {
        let descriptor =
            libc::socket(family as libc::c_int, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, protocol);
        if descriptor < 0 { Err(io::Error::last_os_error()) } else { Ok(OwnedFd::from_raw_fd(descriptor)) }
    }
}
