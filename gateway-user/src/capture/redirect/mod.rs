//! Steering without kernel programs: an nftables table that redirects what a cgroup connects to.
//!
//! The kernel's connection tracking remembers where a connection wanted to go; the program sees the peer it asked for.

mod error;
mod nft;
mod rules;
mod who;

pub use error::RedirectError;

use super::{Captured, Counters, SteerError, SteerOptions, Who, cgroup, rights};
use crate::config::{Fail, SteerScope};
use nft::Standby;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::socket::{getsockopt, setsockopt, sockopt};
use rules::Rules;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Most learned addresses; beyond it all are learned anew.
const MAX_LEARNED: usize = 16_384;
/// What is tried when a table is removed.
const REMOVE: &str = "remove the table";

/// The table of one cgroup, held by the gateway that serves it.
///
/// With `fail: closed` the table stays when the gateway ends: steered connections then meet a closed port. With
/// `fail: open` a waiting `nft` removes it as soon as the gateway is gone, however it ended.
pub struct Redirect {
    cgroup: PathBuf,
    listener: u16,
    mark: Option<u32>,
    learned: Mutex<HashMap<IpAddr, String>>,
    steered: AtomicU64,
    refused_listener: AtomicU64,
    /// Removes the table as soon as this process is gone, with `fail: open` only.
    standby: Option<Standby>,
    removal: String,
    _lock: Flock<File>,
}

impl Redirect {
    /// Puts the table in force, in place of what an earlier gateway left there; no connection passes in between.
    /// Call it in the network namespace of the listener: others are not steered.
    ///
    /// # Errors
    /// No `nft`, no rights, a cgroup that nft cannot name, or another gateway serves it.
    pub fn attach(options: &SteerOptions) -> Result<Redirect, SteerError> {
        if options.scope == SteerScope::Known {
            return Err(RedirectError::Scope.into());
        }
        let mut rules = Rules::of(&options.cgroup)?;
        rules.ports.clone_from(&options.ports);
        rules.listener = options.listen_v4.port();
        rules.mark = is_inside(&options.cgroup).then(random_mark).transpose().map_err(RedirectError::Run)?;
        rules.refuse_earlier = options.fail == Fail::Closed;
        let lock = lock(&options.cgroup)?;
        let removal = rules.removal();
        let standby = match options.fail {
            Fail::Closed => None,
            Fail::Open => Some(Standby::with(&removal)?),
        };
        nft::apply("steer", &rules.text())?;
        Ok(Redirect {
            cgroup: options.cgroup.clone(),
            listener: rules.listener,
            mark: rules.mark,
            learned: Mutex::default(),
            steered: AtomicU64::new(0),
            refused_listener: AtomicU64::new(0),
            standby,
            removal,
            _lock: lock,
        })
    }

    /// Whether a table like ours can be put in force: the kernel checks one and does not keep it.
    ///
    /// # Errors
    /// What stands in the way.
    pub fn check() -> Result<(), RedirectError> {
        nft::check(&rules::sample())
    }

    /// Where the accepted connection wanted to go and who opened it; none when it was not redirected.
    pub fn captured(&self, socket: BorrowedFd<'_>, peer: SocketAddr) -> Option<Captured> {
        let original = original(socket, peer).filter(|original| {
            // A direct connection is its own original.
            original.port() != self.listener || !original.ip().is_loopback()
        });
        let Some(original) = original else {
            self.refused_listener.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        self.steered.fetch_add(1, Ordering::Relaxed);
        Some(Captured { original, who: self.who(peer, original) })
    }

    /// Asked on this thread first: only for processes with more rights than it, or of another user, it takes another.
    fn who(&self, peer: SocketAddr, original: SocketAddr) -> Who {
        let who = who::of(peer, original, &self.cgroup);
        if who.pid != 0 {
            return who;
        }
        let cgroup = self.cgroup.clone();
        rights::privileged(move || who::of(peer, original, &cgroup))
    }

    /// Marks a socket of the gateway's own, where the gateway lives in the cgroup itself; elsewhere nothing is needed.
    ///
    /// # Errors
    /// Not a socket, or neither CAP_NET_ADMIN nor CAP_NET_RAW.
    pub fn exempt(&self, socket: BorrowedFd<'_>) -> io::Result<()> {
        let Some(mark) = self.mark else { return Ok(()) };
        let socket = socket.try_clone_to_owned()?;
        Ok(rights::privileged(move || setsockopt(&socket, sockopt::Mark, &mark))?)
    }

    /// The pattern of the known host this address was learned for, by [`Redirect::learn`] only: no DNS answer is seen.
    pub fn host_of(&self, address: IpAddr) -> Option<String> {
        self.lock_learned().get(&address.to_canonical()).cloned()
    }

    /// Remembers an address of a known host.
    pub fn learn(&self, address: IpAddr, pattern: &str) {
        let mut learned = self.lock_learned();
        if learned.len() >= MAX_LEARNED {
            learned.clear();
        }
        learned.insert(address.to_canonical(), pattern.to_owned());
    }

    /// What reached the gateway; the rest of what the table decided is not counted.
    pub fn counters(&self) -> Counters {
        Counters {
            steered: self.steered.load(Ordering::Relaxed),
            refused_listener: self.refused_listener.load(Ordering::Relaxed),
            ..Counters::default()
        }
    }

    /// Removes the table.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn detach(self) -> Result<(), SteerError> {
        let removed = match self.standby {
            Some(standby) => standby.finish(REMOVE),
            None => rights::privileged(move || nft::apply(REMOVE, &self.removal)),
        };
        Ok(removed?)
    }

    /// Removes the table while somebody may still hold this value; one that is gone already is fine. The cgroup may be
    /// gone as well, so the table goes by its own name.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn let_go(&self) -> Result<(), SteerError> {
        let is_there = tables().iter().any(|table| rules::removal(table) == self.removal);
        if is_there { Ok(nft::apply(REMOVE, &self.removal)?) } else { Ok(()) }
    }

    /// The same for a cgroup this process does not serve. No table, or no `nft`, is fine.
    ///
    /// # Errors
    /// The table cannot be removed.
    pub fn detach_cgroup(cgroup: &Path) -> Result<(), SteerError> {
        let Some(table) = rules::table_of(cgroup).filter(|table| tables().contains(table)) else {
            return Ok(());
        };
        Ok(nft::apply(REMOVE, &rules::removal(&table))?)
    }

    /// Every cgroup with a table of ours in this network namespace; where the cgroup is gone, the table's name.
    pub fn attached() -> Vec<PathBuf> {
        tables().iter().map(|table| rules::cgroup_of(table)).collect()
    }

    /// Where an earlier gateway's table leads to.
    pub fn earlier_listener(cgroup: &Path) -> Option<(SocketAddrV4, Option<SocketAddrV6>)> {
        let table = rules::table_of(cgroup).filter(|table| tables().contains(table))?;
        let port = rules::listener(&nft::list(&["table", "inet", &table]).ok()?)?;
        let v6 = SocketAddrV6::new(Ipv6Addr::LOCALHOST, port, 0, 0);
        Some((SocketAddrV4::new(Ipv4Addr::LOCALHOST, port), Some(v6)))
    }

    fn lock_learned(&self) -> MutexGuard<'_, HashMap<IpAddr, String>> {
        // A single insert or clear cannot leave the map half changed.
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Our tables; none where nft is missing or does not answer us, as then there is none we could change either.
fn tables() -> Vec<String> {
    nft::list(&["tables"]).map_or_else(|_| Vec::new(), |listing| rules::tables(&listing))
}

/// The destination before it was redirected (`SO_ORIGINAL_DST`, `IP6T_SO_ORIGINAL_DST`).
fn original(socket: BorrowedFd<'_>, peer: SocketAddr) -> Option<SocketAddr> {
    if peer.is_ipv4() {
        let found = getsockopt(&socket, sockopt::OriginalDst).ok()?;
        let ip = Ipv4Addr::from(u32::from_be(found.sin_addr.s_addr));
        return Some(SocketAddr::new(ip.into(), u16::from_be(found.sin_port)));
    }
    let found = getsockopt(&socket, sockopt::Ip6tOriginalDst).ok()?;
    let ip = Ipv6Addr::from(found.sin6_addr.s6_addr).to_canonical();
    Some(SocketAddr::new(ip, u16::from_be(found.sin6_port)))
}

/// The directory itself is locked: nothing stays behind, and the lock goes with the process.
fn lock(cgroup: &Path) -> Result<Flock<File>, SteerError> {
    let failed = |source| RedirectError::Lock { path: cgroup.to_owned(), source };
    let opened = File::open(cgroup).map_err(failed)?;
    match Flock::lock(opened, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(lock),
        Err((_, nix::errno::Errno::EWOULDBLOCK)) => Err(SteerError::InUse(cgroup.to_owned())),
        Err((_, error)) => Err(failed(error.into()).into()),
    }
}

/// Whether this process lives in the cgroup or below it.
fn is_inside(cgroup: &Path) -> bool {
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = own.lines().find_map(|line| line.strip_prefix("0::/"));
    own.zip(cgroup::mount().ok()).is_some_and(|(own, mount)| mount.join(own).starts_with(cgroup))
}

/// Not to be guessed: from Linux 5.17 on CAP_NET_RAW, which containers have, is enough to set a mark.
fn random_mark() -> io::Result<u32> {
    let mut bytes = [0; 4];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| io::Error::other("no random numbers"))?;
    Ok(u32::from_ne_bytes(bytes) | 1)
}
