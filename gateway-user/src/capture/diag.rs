//! The kernel's list of sockets (sock_diag(7)): who holds a connection, and closing one for its owner.
//!
//! Written out here because the netlink crates know neither `SOCK_DESTROY` nor the cgroup of a socket.

use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};

/// Most sockets listed at once; more are left out.
pub const MAX_SOCKETS: usize = 65_536;
/// The kernel fills at most 32 KiB of a dump at once (netlink(7)).
const REPLY_BYTES: usize = 64 * 1024;

/// Messages and flags of linux/netlink.h and linux/sock_diag.h.
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const SOCK_DESTROY: u16 = 21;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_DUMP: u16 = 0x300;
/// Attribute of linux/inet_diag.h: the socket's cgroup v2 (Linux 5.9).
const INET_DIAG_CGROUP_ID: u16 = 21;
/// States in which an app can still send (net/tcp_states.h): established, SYN sent, closed by the peer only.
const SENDING: u32 = 1 << 1 | 1 << 2 | 1 << 8;
const ANY_STATE: u32 = u32::MAX;
const NO_COOKIE: [u8; 8] = [0xff; 8];

/// Bytes of `nlmsghdr`, `inet_diag_req_v2`, and `inet_diag_msg`.
const HEADER: usize = 16;
const REQUEST: usize = 56;
const MESSAGE: usize = 72;
/// Where `inet_diag_sockid` stands in the request and in the message.
const ID_IN_REQUEST: usize = 8;
const ID_IN_MESSAGE: usize = 4;

/// A transport protocol with ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP; only sockets that are connected have a peer.
    Udp,
}

/// One socket as the kernel lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// Its protocol.
    pub protocol: Protocol,
    /// Its own address; an IPv4-mapped one as IPv4.
    pub local: SocketAddr,
    /// Where it is connected to; an IPv4-mapped address as IPv4.
    pub peer: SocketAddr,
    /// The user who made it.
    pub uid: u32,
    /// Its inode, as in `/proc/PID/fd`; 0 when no process holds it any more.
    pub inode: u32,
    /// Id of the cgroup it was made in, where the kernel says so.
    pub cgroup: Option<u64>,
    /// How the kernel names it: family, ports, addresses, interface and cookie.
    family: u8,
    id: [u8; 48],
}

/// The kernel's list of sockets in one network namespace.
pub struct Diag(OwnedFd);

impl Diag {
    /// Opens the list of the calling thread's network namespace.
    ///
    /// # Errors
    /// The kernel has no sock_diag, or a sandbox forbids it.
    pub fn open() -> io::Result<Diag> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let kind = SockType::Datagram;
        Ok(Diag(socket(AddressFamily::Netlink, kind, flags, SockProtocol::NetlinkSockDiag)?))
    }

    /// Every connected socket that can still send, over both address families; at most [`MAX_SOCKETS`].
    ///
    /// # Errors
    /// The kernel refuses, or lacks the list for this protocol.
    pub fn connected(&self, protocol: Protocol) -> io::Result<Vec<Socket>> {
        let mut found = Vec::new();
        for family in [libc::AF_INET as u8, libc::AF_INET6 as u8] {
            let request = request(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, protocol, family, SENDING, &[0; 48]);
            self.ask(&request, protocol, &mut found)?;
        }
        found.retain(|socket| socket.peer.port() != 0);
        Ok(found)
    }

    /// The TCP socket with these two addresses, if there is one.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn find(&self, local: SocketAddr, peer: SocketAddr) -> io::Result<Option<Socket>> {
        let family = if local.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 } as u8;
        let mut id = [0; 48];
        id[0..2].copy_from_slice(&local.port().to_be_bytes());
        id[2..4].copy_from_slice(&peer.port().to_be_bytes());
        put(&mut id[4..20], local.ip());
        put(&mut id[20..36], peer.ip());
        id[40..48].copy_from_slice(&NO_COOKIE);
        let request = request(SOCK_DIAG_BY_FAMILY, 0, Protocol::Tcp, family, ANY_STATE, &id);
        let mut found = Vec::new();
        match self.ask(&request, Protocol::Tcp, &mut found) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            outcome => outcome.map(|()| found.pop()),
        }
    }

    /// Closes a socket for its owner, who is told ECONNABORTED. One that is already gone is fine.
    ///
    /// # Errors
    /// `Unsupported` from a kernel without `CONFIG_INET_DIAG_DESTROY`; `PermissionDenied` without CAP_NET_ADMIN.
    pub fn destroy(&self, socket: &Socket) -> io::Result<()> {
        let request = request(SOCK_DESTROY, NLM_F_ACK, socket.protocol, socket.family, ANY_STATE, &socket.id);
        match self.ask(&request, socket.protocol, &mut Vec::new()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            outcome => outcome,
        }
    }

    /// Sends one request and reads all that answers it.
    fn ask(&self, request: &[u8], protocol: Protocol, found: &mut Vec<Socket>) -> io::Result<()> {
        send(self.0.as_raw_fd(), request, MsgFlags::empty())?;
        let is_dump = u16::from_ne_bytes([request[6], request[7]]) & NLM_F_DUMP == NLM_F_DUMP;
        let mut buffer = vec![0; REPLY_BYTES];
        loop {
            let length = recv(self.0.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
            if read(&buffer[..length], protocol, found)? == Answer::Ended || !is_dump {
                return Ok(());
            }
        }
    }
}

#[derive(PartialEq, Eq)]
enum Answer {
    Ended,
    MoreToCome,
}

fn request(
    kind: u16,
    flags: u16,
    protocol: Protocol,
    family: u8,
    states: u32,
    id: &[u8; 48],
) -> [u8; HEADER + REQUEST] {
    let mut bytes = [0; HEADER + REQUEST];
    bytes[0..4].copy_from_slice(&((HEADER + REQUEST) as u32).to_ne_bytes());
    bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
    bytes[6..8].copy_from_slice(&(NLM_F_REQUEST | flags).to_ne_bytes());
    let body = &mut bytes[HEADER..];
    body[0] = family;
    body[1] = match protocol {
        Protocol::Tcp => libc::IPPROTO_TCP as u8,
        Protocol::Udp => libc::IPPROTO_UDP as u8,
    };
    body[4..8].copy_from_slice(&states.to_ne_bytes());
    body[ID_IN_REQUEST..].copy_from_slice(id);
    bytes
}

/// Reads the messages of one datagram.
fn read(mut rest: &[u8], protocol: Protocol, found: &mut Vec<Socket>) -> io::Result<Answer> {
    while rest.len() >= HEADER {
        let length = (u32_at(rest, 0) as usize).clamp(HEADER, rest.len());
        let (message, after) = rest.split_at(length.next_multiple_of(4).min(rest.len()));
        let body = &message[HEADER..length.min(message.len())];
        match u16_at(message, 4) {
            NLMSG_DONE => return Ok(Answer::Ended),
            NLMSG_ERROR => return errno(body).map(|()| Answer::Ended),
            SOCK_DIAG_BY_FAMILY if found.len() < MAX_SOCKETS => found.extend(parsed(body, protocol)),
            _ => {}
        }
        rest = after;
    }
    Ok(Answer::MoreToCome)
}

/// `nlmsgerr`: a negative errno, or 0 for a plain acknowledgement.
fn errno(body: &[u8]) -> io::Result<()> {
    match body.first_chunk().map(|bytes| i32::from_ne_bytes(*bytes)) {
        Some(0) => Ok(()),
        Some(code) => Err(io::Error::from_raw_os_error(-code)),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// One `inet_diag_msg` with its attributes.
fn parsed(body: &[u8], protocol: Protocol) -> Option<Socket> {
    let (message, attributes) = body.split_at_checked(MESSAGE)?;
    let id: [u8; 48] = message[ID_IN_MESSAGE..ID_IN_MESSAGE + 48].try_into().ok()?;
    let address = |port: usize, ip: usize| {
        let port = u16::from_be_bytes([id[port], id[port + 1]]);
        SocketAddr::new(taken(&id[ip..ip + 16], message[0]), port)
    };
    Some(Socket {
        protocol,
        local: address(0, 4),
        peer: address(2, 20),
        uid: u32_at(message, 64),
        inode: u32_at(message, 68),
        cgroup: attribute(attributes, INET_DIAG_CGROUP_ID)
            .and_then(|value| value.first_chunk().map(|bytes| u64::from_ne_bytes(*bytes))),
        family: message[0],
        id,
    })
}

/// The value of the attribute of this kind (`nlattr`).
fn attribute(mut rest: &[u8], wanted: u16) -> Option<&[u8]> {
    while rest.len() >= 4 {
        let length = (u16_at(rest, 0) as usize).clamp(4, rest.len());
        if u16_at(rest, 2) == wanted {
            return Some(&rest[4..length]);
        }
        rest = &rest[length.next_multiple_of(4).min(rest.len())..];
    }
    None
}

fn put(bytes: &mut [u8], address: IpAddr) {
    match address {
        IpAddr::V4(v4) => bytes[..4].copy_from_slice(&v4.octets()),
        IpAddr::V6(v6) => bytes.copy_from_slice(&v6.octets()),
    }
}

fn taken(bytes: &[u8], family: u8) -> IpAddr {
    let mut octets = [0; 16];
    octets.copy_from_slice(bytes);
    if i32::from(family) == libc::AF_INET {
        return Ipv4Addr::new(octets[0], octets[1], octets[2], octets[3]).into();
    }
    Ipv6Addr::from(octets).to_canonical()
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream, UdpSocket};

    #[test]
    fn both_ends_of_a_connection_are_listed_and_found() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(address).expect("a port");
            let app = TcpStream::connect(listener.local_addr().expect("bound")).expect("connected");
            let (local, peer) = (app.local_addr().expect("bound"), app.peer_addr().expect("connected"));
            let diag = Diag::open().expect("sock_diag");
            let listed = diag.connected(Protocol::Tcp).expect("listed");
            let one = listed.iter().find(|socket| socket.local == local).expect("it is listed");
            assert_eq!((one.peer, one.uid), (peer, nix::unistd::geteuid().as_raw()));
            assert_ne!(one.inode, 0);
            assert_eq!(diag.find(local, peer).expect("asked").as_ref(), Some(one));
            drop((app, listener));
            assert_eq!(diag.find(peer, SocketAddr::new(local.ip(), 1)).expect("asked"), None);
        }
    }

    #[test]
    fn a_mapped_socket_is_found_by_its_plain_addresses() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let app = TcpStream::connect(format!("[::ffff:127.0.0.1]:{port}")).expect("connected");
        let local = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), app.local_addr().expect("bound").port());
        let found = Diag::open().expect("sock_diag").find(local, listener.local_addr().expect("bound"));
        let found = found.expect("asked").expect("found");
        assert_eq!((found.local, found.family), (local, libc::AF_INET6 as u8));
    }

    #[test]
    fn datagram_sockets_are_listed_once_connected() {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let local = socket.local_addr().expect("bound");
        let listed = || Diag::open().expect("sock_diag").connected(Protocol::Udp).expect("listed");
        assert!(!listed().iter().any(|socket| socket.local == local));
        socket.connect("127.0.0.1:9").expect("connected");
        assert!(listed().iter().any(|socket| socket.local == local && socket.peer.port() == 9));
    }

    #[test]
    fn cut_and_strange_answers_are_no_panic() {
        let mut whole = vec![0; HEADER + MESSAGE + 12];
        let length = whole.len() as u32;
        whole[0..4].copy_from_slice(&length.to_ne_bytes());
        whole[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        whole[HEADER + MESSAGE..HEADER + MESSAGE + 4].copy_from_slice(&[12, 0, 21, 0]);
        whole[HEADER + MESSAGE + 4] = 7;
        for cut in 0..=whole.len() {
            let mut found = Vec::new();
            let _ = read(&whole[..cut], Protocol::Tcp, &mut found);
            assert_eq!(found.first().and_then(|socket| socket.cgroup).is_some(), cut == whole.len(), "{cut}");
        }
        for length in [0_u32, 3, u32::MAX] {
            whole[0..4].copy_from_slice(&length.to_ne_bytes());
            let _ = read(&whole, Protocol::Tcp, &mut Vec::new());
        }
    }
}
