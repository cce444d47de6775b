//! Steering: the kernel programs of one cgroup, as the rest of the gateway sees them.
//!
//! Only this folder names aya.

mod direct;
mod error;
mod kernel;
mod link;
mod maps;
mod namespaces;
mod options;
mod pins;
mod strangers;

pub use crate::config::{Fail, Quic, SteerScope};
pub use direct::{Direct, Protocol};
pub use error::SteerError;
pub use namespaces::PinnedListener;
pub use options::SteerOptions;
pub use strangers::{Stranger, Strangers};

use super::{Captured, Who, preflight, socket};
use gateway_ebpf::{Endpoint, Ip, LEARNED_AT_LEAST_SECONDS, Learned, MAX_LEARNED, Original, Peer};
use kernel::{Attached, Kernel};
use maps::{Maps, Table};
use nix::time::{ClockId, clock_gettime};
use pins::Home;
use serde::Serialize;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Steering of one cgroup, held by the gateway that serves it.
///
/// Dropped, it leaves pinned programs in force (`fail: closed`): steered connections then meet a closed port. With
/// `fail: open` the programs go with it.
pub struct Steer {
    maps: Maps,
    patterns: HashMap<u64, String>,
    netns: u64,
    home: Home,
    /// Unpinned links, for `fail: open` only; their lifetime is the attachment's.
    links: Mutex<Vec<Attached>>,
}

/// How often each decision was taken since the programs were attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// TCP connections steered to the gateway.
    pub steered: u64,
    /// TCP connections left alone.
    pub passed: u64,
    /// The gateway's own connections.
    pub exempt: u64,
    /// UDP that would be QUIC to a known host, refused; with [`Quic::All`] to any host.
    pub refused_udp: u64,
    /// Direct connections to the gateway's listener, refused.
    pub refused_listener: u64,
    /// Connections in a network namespace the gateway does not listen in, refused (`fail: closed`).
    pub refused_namespace: u64,
    /// The same, passed (`fail: open`).
    pub passed_namespace: u64,
    /// Addresses seen in DNS answers for known hosts, repeats included.
    pub learned: u64,
}

impl Steer {
    /// Attaches to the cgroup, or adopts what an earlier gateway left pinned there and points it at the new listener.
    /// Adopting changes tables only, so no connection passes beside it; programs of another build are replaced
    /// with both attached for a moment, which refuses connections and lets none pass.
    ///
    /// Call it in the network namespace of the options' listeners: connections from other namespaces are treated as
    /// `options.fail` says until [`Steer::listen_in`].
    ///
    /// # Errors
    /// Each [`SteerError`] says what is wrong and what to do; nothing is left behind after one.
    pub fn attach(options: &SteerOptions) -> Result<Steer, SteerError> {
        let missing = preflight::missing();
        if !missing.is_empty() {
            return Err(SteerError::NotReady(missing));
        }
        let wanted = options.compile(kernel::object_id())?;
        let netns = own_namespace()?;
        let home = Home::take(&options.cgroup)?;
        let patterns = wanted.patterns.clone();
        if let Some(maps) = adoptable(options.fail, &home, wanted.settings.object) {
            wanted.store(&maps, netns)?;
            return Ok(Steer { maps, patterns, netns, home, links: Mutex::default() });
        }
        let attached = attach_fresh(options, &home, |maps| wanted.store(maps, netns));
        match attached {
            Ok((maps, links)) => Ok(Steer { maps, patterns, netns, home, links: Mutex::new(links) }),
            Err(error) => {
                home.abandon();
                Err(error)
            }
        }
    }

    /// What the kernel remembered of the connection that was accepted in the network namespace with this cookie
    /// ([`Steer::namespace`] for the gateway's own) and whose peer address is `peer`, once: the entry is removed. None
    /// for a connection that was not steered.
    pub fn captured(&self, netns: u64, peer: SocketAddr) -> Option<Captured> {
        self.maps.captured.take(Peer { netns, at: endpoint(peer), zero: 0 }).map(captured)
    }

    /// Notices of network namespaces without a listener. One reader at a time: what one takes, another does not see.
    ///
    /// # Errors
    /// The kernel's ring cannot be opened or watched.
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O.
    pub fn strangers(&self) -> io::Result<Strangers> {
        Strangers::pinned(&self.home.current())
    }

    /// Exempts a socket of the gateway's own. Call it before `connect`; the table forgets old sockets by itself.
    ///
    /// # Errors
    /// Not a socket, or the table cannot be written.
    pub fn exempt(&self, socket: BorrowedFd<'_>) -> io::Result<()> {
        self.maps.exempt.put(socket::cookie(socket)?, 1).map_err(io::Error::other)
    }

    /// The pattern of the known host this address was learned for, from a DNS answer or [`Steer::learn`].
    pub fn host_of(&self, address: IpAddr) -> Option<&str> {
        let learned = self.maps.learned.get(ip_of(address))?;
        if learned.until <= monotonic_nanoseconds() {
            return None;
        }
        self.patterns.get(&learned.pattern).map(String::as_str)
    }

    /// Teaches the kernel an address of a known host that no DNS answer showed (cached, or from a hosts file):
    /// UDP to it is refused from now on, and TCP is steered. `pattern` is one of the options' known hosts.
    ///
    /// # Errors
    /// The table cannot be written.
    pub fn learn(&self, address: IpAddr, pattern: &str) -> Result<(), SteerError> {
        let until = monotonic_nanoseconds() + LEARNED_AT_LEAST_SECONDS * 1_000_000_000;
        self.maps.learned.put(ip_of(address), Learned { until, pattern: options::pattern_number(pattern) })
    }

    /// How often each decision was taken.
    ///
    /// # Errors
    /// The table cannot be read.
    pub fn counters(&self) -> Result<Counters, SteerError> {
        counters(&self.maps)
    }

    /// The same for a cgroup that another process serves, or none does.
    ///
    /// # Errors
    /// Nothing is attached there, or the table cannot be read.
    pub fn counters_of(cgroup: &Path) -> Result<Counters, SteerError> {
        counters(&pinned_maps(cgroup)?)
    }

    /// What passed beside the gateway, and what was refused.
    ///
    /// # Errors
    /// The table cannot be read.
    pub fn direct(&self) -> Result<Vec<Direct>, SteerError> {
        direct::read(&self.maps)
    }

    /// The same for a cgroup that another process serves, or none does.
    ///
    /// # Errors
    /// Nothing is attached there, or the table cannot be read.
    pub fn direct_of(cgroup: &Path) -> Result<Vec<Direct>, SteerError> {
        direct::read(&pinned_maps(cgroup)?)
    }

    /// Removes the programs and their pins. Their tables go with this value.
    ///
    /// # Errors
    /// A pin cannot be removed.
    pub fn detach(&self) -> Result<(), SteerError> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.home.remove()
    }

    /// The same for a cgroup this process does not serve: by its path, or by its pin folder (from
    /// [`Steer::attached`]) where the cgroup itself is gone. Nothing attached is fine.
    ///
    /// # Errors
    /// A pin cannot be removed, or a running gateway holds the programs itself (`fail: open`).
    pub fn detach_cgroup(cgroup: &Path) -> Result<(), SteerError> {
        pins::detach(cgroup)
    }

    /// Every attached cgroup of the system; where the cgroup itself is gone, its pin folder.
    pub fn attached() -> Vec<PathBuf> {
        pins::attached()
    }
}

/// The tables of pinned programs that are complete and of this build.
fn adoptable(fail: Fail, home: &Home, object: u64) -> Option<Maps> {
    if fail == Fail::Open || !pins::is_complete(&home.current()) {
        return None;
    }
    // Tables of another build may have another layout: not to be read is as good as another number.
    let maps = Maps::pinned(&home.current()).ok()?;
    (maps.settings().ok()?.object == object).then_some(maps)
}

/// Loads, configures and attaches a new set of programs, and puts its pins in force.
fn attach_fresh(
    options: &SteerOptions,
    home: &Home,
    configure: impl FnOnce(&Maps) -> Result<(), SteerError>,
) -> Result<(Maps, Vec<Attached>), SteerError> {
    let opened = File::open(&options.cgroup).map_err(|source| SteerError::Pin {
        what: "open",
        path: options.cgroup.clone(),
        source,
    })?;
    let fresh = home.fresh()?;
    let (mut object, maps) = Kernel::load()?.pin_maps(&fresh)?;
    configure(&maps)?;
    let mut links = kernel::attach(&mut object, &options.cgroup, &opened)?;
    if options.fail == Fail::Closed {
        kernel::pin_links(std::mem::take(&mut links), &fresh)?;
    }
    // Now that the new set learns as well, nothing is missed in between. A set with another layout cannot be read.
    let before: Result<Table<Ip, Learned>, _> = maps::pinned_table(&home.current(), "LEARNED");
    for (address, learned) in before.and_then(|before| before.entries(MAX_LEARNED)).unwrap_or_default() {
        maps.learned.put(address, learned)?;
    }
    home.publish()?;
    Ok((maps, links))
}

fn pinned_maps(cgroup: &Path) -> Result<Maps, SteerError> {
    Maps::pinned(&pins::current(cgroup).ok_or_else(|| SteerError::NotAttached(cgroup.to_owned()))?)
}

fn counters(maps: &Maps) -> Result<Counters, SteerError> {
    // In the order of `gateway_ebpf::Counter`.
    let [
        steered,
        passed,
        exempt,
        refused_udp,
        refused_listener,
        refused_namespace,
        passed_namespace,
        learned,
    ] = maps.counts()?;
    Ok(Counters {
        steered,
        passed,
        exempt,
        refused_udp,
        refused_listener,
        refused_namespace,
        passed_namespace,
        learned,
    })
}

fn captured(original: Original) -> Captured {
    let ip = Ipv6Addr::from(original.to.ip.octets()).to_canonical();
    Captured {
        original: SocketAddr::new(ip, original.to.port as u16),
        who: Who {
            pid: original.pid,
            uid: original.uid,
            comm: text(&original.comm),
            cgroup: original.cgroup,
        },
    }
}

/// A task's name.
fn text(comm: &[u8; 16]) -> String {
    let name = comm.split(|&byte| byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(name).into_owned()
}

fn endpoint(address: SocketAddr) -> Endpoint {
    Endpoint { ip: ip_of(address.ip()), port: u32::from(address.port()) }
}

fn ip_of(address: IpAddr) -> Ip {
    Ip::from_octets(match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    })
}

fn own_namespace() -> Result<u64, SteerError> {
    let socket = UnixDatagram::unbound().map_err(SteerError::Namespace)?;
    socket::namespace(socket.as_fd()).map_err(SteerError::Namespace)
}

/// The clock of `bpf_ktime_get_ns`.
fn monotonic_nanoseconds() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("every Linux has this clock");
    now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64
}
