//! The layout of everything the kernel programs share with user space.
//!
//! Addresses are always sixteen bytes in network order, an IPv4 address as its IPv4-mapped form, so that one
//! classifier sees IPv4, IPv6 and mapped destinations alike. Every struct spells out its padding, because map keys
//! are compared byte by byte.
#![no_std]

/// Words of the set of steered ports: port `p` is bit `p % 64` of word `p / 64`.
pub const PORT_WORDS: u32 = 1024;
/// Most network namespaces one set of programs serves.
pub const MAX_LISTENERS: u32 = 1024;
/// Most known host patterns.
pub const MAX_HOSTS: u32 = 4096;
/// Most addresses remembered for known hosts; beyond it the least recently used is forgotten.
pub const MAX_LEARNED: u32 = 16_384;
/// Most connections between `connect` and their SYN; beyond it the least recently used is forgotten.
pub const MAX_PENDING: u32 = 16_384;
/// Most captured connections user space has not asked about yet, and most peer names given back to the app.
pub const MAX_CAPTURED: u32 = 65_536;
/// Most sockets of the gateway exempt at one time; an entry is needed only until its `connect` returns.
pub const MAX_EXEMPT: u32 = 16_384;
/// Most exact destinations that are steered whatever their port.
pub const MAX_ENDPOINTS: u32 = 256;
/// Most rows of traffic that was not steered; beyond it the least recently used is forgotten.
pub const MAX_DIRECT: u32 = 8_192;
/// Most open connections whose bytes are still to be counted; beyond it the least recently used count as none.
pub const MAX_WATCHED: u32 = 16_384;
/// Most namespaces remembered as told to user space; beyond it one may be told again too soon.
pub const MAX_TOLD: u32 = 1_024;
/// Bytes of the ring that tells user space of namespaces, some 2,700 of them.
pub const STRANGERS_BYTES: u32 = 65_536;
/// A namespace is told again after this long without a listener.
pub const TELL_AGAIN_NANOSECONDS: u64 = 2_000_000_000;

/// A learned address is kept at least this long, whatever its TTL: applications cache addresses past it, and
/// steering too much costs a relay while steering too little is a bypass.
pub const LEARNED_AT_LEAST_SECONDS: u64 = 3_600;
/// A learned address is kept at most this long.
pub const LEARNED_AT_MOST_SECONDS: u64 = 86_400;

/// Types that may cross between kernel and user space as plain bytes.
///
/// # Safety
/// Implement it only for `repr(C)` types without implicit padding for which every bit pattern is a value.
pub unsafe trait Plain: Copy + 'static {}

/// An IP address, network byte order in memory; IPv4 as `::ffff:a.b.c.d`.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ip(pub [u32; 4]);

/// Third word of an IPv4-mapped address, as it lies in memory.
const MAPPED: u32 = 0xffff_u32.to_be();

impl Ip {
    /// The IPv4 address whose four bytes lie in `word` in network order.
    #[inline(always)]
    pub const fn v4(word: u32) -> Ip {
        Ip([0, 0, MAPPED, word])
    }

    /// The address of these sixteen bytes, as in `Ipv6Addr::octets`.
    pub const fn from_octets(octets: [u8; 16]) -> Ip {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = octets;
        Ip([
            u32::from_ne_bytes([a, b, c, d]),
            u32::from_ne_bytes([e, f, g, h]),
            u32::from_ne_bytes([i, j, k, l]),
            u32::from_ne_bytes([m, n, o, p]),
        ])
    }

    /// The sixteen bytes in network order.
    pub fn octets(self) -> [u8; 16] {
        let mut octets = [0; 16];
        for (chunk, word) in octets.chunks_exact_mut(4).zip(self.0) {
            chunk.copy_from_slice(&word.to_ne_bytes());
        }
        octets
    }

    /// Whether this is an IPv4 address.
    #[inline(always)]
    pub const fn is_v4(&self) -> bool {
        self.0[0] == 0 && self.0[1] == 0 && self.0[2] == MAPPED
    }

    /// Whether this is `0.0.0.0` or `::`, which the kernel takes for loopback in `connect`.
    #[inline(always)]
    pub const fn is_unspecified(&self) -> bool {
        self.0[3] == 0 && self.0[0] == 0 && self.0[1] == 0 && (self.0[2] == 0 || self.0[2] == MAPPED)
    }

    /// Whether this is in `127.0.0.0/8` or `::1`.
    #[inline(always)]
    pub const fn is_loopback(&self) -> bool {
        if self.is_v4() {
            return u32::from_be(self.0[3]) >> 24 == 127;
        }
        self.0[0] == 0 && self.0[1] == 0 && self.0[2] == 0 && self.0[3] == 1_u32.to_be()
    }

    /// Whether both are the same address, compared word by word (`==` becomes a call to `memcmp`, which BPF lacks).
    #[inline(always)]
    pub const fn same(&self, other: &Ip) -> bool {
        self.0[0] == other.0[0]
            && self.0[1] == other.0[1]
            && self.0[2] == other.0[2]
            && self.0[3] == other.0[3]
    }
}

/// An address and a port.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// The address.
    pub ip: Ip,
    /// The port, host byte order; 0 is no port.
    pub port: u32,
}

impl Endpoint {
    /// The key of this destination among the exact ones: all of loopback is one host, and the kernel takes `0.0.0.0`
    /// and `::` for it in `connect`.
    #[inline(always)]
    pub const fn as_key(&self) -> Endpoint {
        if self.ip.is_loopback() || self.ip.is_unspecified() {
            return Endpoint { ip: Ip::v4(0x7f00_0001_u32.to_be()), port: self.port };
        }
        *self
    }
}

/// Where steered connections of one network namespace go; an endpoint with port 0 is absent.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Listener {
    /// Takes IPv4 and IPv4-mapped connections, and IPv6 ones where `v6` is absent.
    pub v4: Endpoint,
    /// Takes IPv6 connections.
    pub v6: Endpoint,
}

/// A client's own address, unique within a network namespace.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Cookie of the network namespace (`SO_NETNS_COOKIE`).
    pub netns: u64,
    /// The client's address.
    pub at: Endpoint,
    /// Padding, zero.
    pub zero: u32,
}

/// Where a steered connection wanted to go, and who asked.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Original {
    /// Cgroup id (the inode of its directory) of the asking task.
    pub cgroup: u64,
    /// The destination the application asked for.
    pub to: Endpoint,
    /// Process id (tgid) in the initial pid namespace.
    pub pid: u32,
    /// Real uid in the initial user namespace.
    pub uid: u32,
    /// Padding, zero.
    pub zero: u32,
    /// The task's name, NUL-padded.
    pub comm: [u8; 16],
}

/// An address learned for a known host.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Learned {
    /// Valid until this many nanoseconds of `CLOCK_MONOTONIC`.
    pub until: u64,
    /// Number of the pattern it was learned for.
    pub pattern: u64,
}

/// What user space is told of a network namespace that has no listener.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stranger {
    /// Cookie of the namespace.
    pub netns: u64,
    /// Process id (tgid), in the initial pid namespace, of a task that opened a socket in it.
    pub pid: u32,
    /// Padding, zero.
    pub zero: u32,
}

/// What traffic that was not steered is counted by.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Traffic {
    /// The task's name, NUL-padded.
    pub comm: [u8; 16],
    /// Where it went.
    pub to: Endpoint,
    /// IP protocol number: 6 or 17.
    pub protocol: u16,
    /// 1 for what was refused, 0 for what passed.
    pub refused: u16,
}

/// How much there was of it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Volume {
    /// TCP connections; for UDP, connected sockets and datagrams with an address of their own.
    pub connections: u64,
    /// Bytes the other side acknowledged, of closed TCP connections.
    pub bytes_up: u64,
    /// Bytes received, of closed TCP connections.
    pub bytes_down: u64,
    /// The last process (tgid), in the initial pid namespace.
    pub pid: u32,
    /// Padding, zero.
    pub zero: u32,
}

/// What the programs are told to do; one entry.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Identifies the object the programs came from, so that another version replaces them.
    pub object: u64,
    /// [`SCOPE_TLS`] or [`SCOPE_KNOWN`].
    pub scope: u32,
    /// [`FAIL_CLOSED`] or [`FAIL_OPEN`]: what happens in a namespace that has no listener.
    pub fail: u32,
    /// [`QUIC_KNOWN`] or [`QUIC_ALL`]: which UDP is refused.
    pub quic: u32,
    /// How many exact destinations are steered; with none, nothing looks for them.
    pub endpoints: u32,
}

/// Steer every connection to a steered port, and to addresses learned for known hosts.
pub const SCOPE_TLS: u32 = 0;
/// Steer only connections to addresses learned for known hosts.
pub const SCOPE_KNOWN: u32 = 1;
/// Refuse what cannot be steered.
pub const FAIL_CLOSED: u32 = 0;
/// Let pass what cannot be steered.
pub const FAIL_OPEN: u32 = 1;

/// Refuse UDP to addresses learned for known hosts.
pub const QUIC_KNOWN: u32 = 0;
/// Refuse that, and UDP to every steered port.
pub const QUIC_ALL: u32 = 1;

/// Whether a protocol lives on this port in which the server speaks first, mail and shells, or that no LLM is served
/// by (DNS). To an address learned for a known host, which a CDN may share with such a server, these are not steered
/// unless they are configured: the gateway would wait for a hello.
#[inline(always)]
pub const fn is_left_alone(port: u32) -> bool {
    matches!(port, 21 | 22 | 23 | 25 | 53 | 110 | 119 | 143 | 465 | 587 | 993 | 995)
}

/// Slots of the counter array.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// TCP connections steered to the listener.
    Steered,
    /// TCP connections to other ports or hosts, left alone.
    Passed,
    /// The gateway's own connections.
    Exempt,
    /// UDP sockets or datagrams that would be QUIC to a known host, refused.
    RefusedUdp,
    /// Direct connections to the gateway's listener, refused.
    RefusedListener,
    /// Connections to be steered in a namespace without a listener, refused (`fail: closed`).
    RefusedNamespace,
    /// Connections to be steered in a namespace without a listener, passed (`fail: open`).
    PassedNamespace,
    /// Addresses learned from DNS answers (each time they are seen).
    Learned,
}

/// How many counters there are.
pub const COUNTERS: u32 = 8;

// SAFETY: `repr(C)`, integers only, padding spelled out (the size is checked below).
unsafe impl Plain for Ip {}
// SAFETY: as above.
unsafe impl Plain for u32 {}
// SAFETY: as above.
unsafe impl Plain for u64 {}
// SAFETY: as above.
unsafe impl Plain for Listener {}
// SAFETY: as above.
unsafe impl Plain for Peer {}
// SAFETY: as above.
unsafe impl Plain for Original {}
// SAFETY: as above.
unsafe impl Plain for Learned {}
// SAFETY: as above.
unsafe impl Plain for Settings {}
// SAFETY: as above.
unsafe impl Plain for Endpoint {}
// SAFETY: as above.
unsafe impl Plain for Stranger {}
// SAFETY: as above.
unsafe impl Plain for Traffic {}
// SAFETY: as above.
unsafe impl Plain for Volume {}
// SAFETY: bytes only.
unsafe impl Plain for Name {}

const _: () = assert!(size_of::<Listener>() == 40);
const _: () = assert!(size_of::<Peer>() == 8 + 20 + 4);
const _: () = assert!(size_of::<Original>() == 8 + 20 + 12 + 16);
const _: () = assert!(size_of::<Traffic>() == 16 + 20 + 4);
const _: () = assert!(size_of::<Volume>() == 3 * 8 + 8);
const _: () = assert!(size_of::<Settings>() == 8 + 4 * 4);

/// Bytes of a reversed name, its closing zero or dot included (RFC 1035: 255 on the wire, with one length byte more).
pub const NAME_BYTES: usize = 255;

/// A host name or pattern as a key of the longest-prefix table: lower case, from its last byte to its first, then a
/// zero for a whole name, or a dot for what every name below it starts with.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Name {
    /// The bytes, zero after their end.
    pub bytes: [u8; NAME_BYTES + 1],
}

impl Name {
    /// The key of `pattern`, and how many of its bytes count; none if it is too long.
    pub fn of_pattern(pattern: &str) -> Option<(Name, u32)> {
        let (name, last) = match pattern.strip_prefix("*.") {
            Some(suffix) => (suffix, b'.'),
            None => (pattern, 0),
        };
        let mut bytes = [0; NAME_BYTES + 1];
        let length = name.len() + 1;
        let room = bytes.get_mut(..length).filter(|room| room.len() <= NAME_BYTES)?;
        for (slot, byte) in room.iter_mut().zip(name.bytes().rev().map(lower).chain([last])) {
            *slot = byte;
        }
        Some((Name { bytes }, length as u32))
    }
}

/// ASCII lower case without a branch, which would double the verifier's work at each byte: bit 7 of the sums says "at
/// least A" and "beyond Z".
#[inline(always)]
pub const fn lower(byte: u8) -> u8 {
    let wide = byte as u32;
    let letter = (wide + 0x3f) & !(wide + 0x25) & !wide & 0x80;
    byte | (letter >> 2) as u8
}
