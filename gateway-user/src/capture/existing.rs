//! Connections that a cgroup opened before it was steered: found, and closed where they must not go on.
//!
//! Steering begins with the next `connect`. What is open then, a warm pool above all, passes beside the gateway until it
//! is closed; its owner then connects again, through the gateway.

use super::diag::{Diag, Protocol, Socket};
use super::{Who, cgroup, netns, rights};
use nix::sched::{CloneFlags, setns};
use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Most open files of processes looked at, and most cgroups below the one that is looked at.
const MAX_FILES: usize = 262_144;
const MAX_CGROUPS: usize = 20_000;
/// Plain HTTP, which QUIC is never spoken on.
const PLAIN: u16 = 80;

/// What to look for.
#[derive(Clone, Debug)]
pub struct Search {
    /// The cgroup; its descendants are included.
    pub cgroup: PathBuf,
    /// Steered ports.
    pub ports: Vec<u16>,
    /// Steered destinations on other ports: local engines.
    pub endpoints: Vec<SocketAddr>,
    /// The gateway's listener: a connection it has the other end of was redirected, and is none from before.
    pub listener: u16,
    /// Whether they are closed.
    pub close: bool,
}

/// A connection from before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// Who has it; the process is 0 where /proc does not tell.
    pub who: Who,
    /// Where it leads to.
    pub to: SocketAddr,
    /// TCP, or UDP (QUIC).
    pub protocol: Protocol,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a connection from before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was closed; its owner was told.
    Closed,
    /// It goes on, as nobody asked for more.
    Left,
    /// It goes on, as it could not be closed, and why.
    Unclosable(String),
}

/// Looks in every network namespace of the cgroup's processes, once steering is in force. Takes the rights the gateway
/// begins with; what they do not show is not found.
///
/// # Errors
/// The kernel does not list sockets (`CONFIG_INET_DIAG`).
pub fn look(search: Search) -> io::Result<Vec<Earlier>> {
    rights::privileged(move || {
        let owners = Owners::of(&search.cgroup);
        let mut found = look_here(&search, &owners)?;
        let own = netns::own_file_id();
        for (file, pid) in netns::namespaces_of(&owners.processes).spaces {
            // A namespace that ends meanwhile has no connections left.
            if Some(file) != own && enter(pid).is_ok() {
                found.extend(look_here(&search, &owners)?);
            }
        }
        Ok(found)
    })
}

/// Whose sockets are the cgroup's: by where they were made, or by who has them open now.
struct Owners {
    processes: Vec<u32>,
    cgroups: HashSet<u64>,
    holders: HashMap<u32, u32>,
}

impl Owners {
    fn of(cgroup: &Path) -> Owners {
        let processes = cgroup::processes(cgroup);
        let mut holders = HashMap::new();
        let mut left = MAX_FILES;
        for &pid in &processes {
            for inode in sockets(pid, &mut left) {
                holders.entry(inode).or_insert(pid);
            }
        }
        Owners { processes, cgroups: ids(cgroup), holders }
    }

    fn own(&self, socket: &Socket) -> bool {
        socket.cgroup.is_some_and(|id| self.cgroups.contains(&id)) || self.holders.contains_key(&socket.inode)
    }

    fn who(&self, socket: &Socket) -> Who {
        let pid = self.holders.get(&socket.inode).copied().unwrap_or(0);
        let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        let cgroup = socket.cgroup.unwrap_or(0);
        Who { pid, uid: socket.uid, comm: comm.trim_end().to_owned(), cgroup }
    }
}

/// Looks in the network namespace of the calling thread.
fn look_here(search: &Search, owners: &Owners) -> io::Result<Vec<Earlier>> {
    let diag = Diag::open()?;
    let tcp = diag.connected(Protocol::Tcp)?;
    // Not every kernel lists UDP; without it QUIC is not seen.
    let udp = diag.connected(Protocol::Udp).unwrap_or_default();
    let redirected: HashSet<SocketAddr> = tcp
        .iter()
        .filter(|socket| socket.local.port() == search.listener)
        .map(|socket| socket.peer)
        .collect();
    let is_steered = |socket: &Socket| {
        let port = socket.peer.port();
        let is_port = search.ports.contains(&port) && (socket.protocol == Protocol::Tcp || port != PLAIN);
        is_port || (socket.protocol == Protocol::Tcp && search.endpoints.contains(&socket.peer))
    };
    let wanted =
        |socket: &&Socket| is_steered(socket) && !redirected.contains(&socket.local) && owners.own(socket);
    let earlier = |socket: &Socket| Earlier {
        who: owners.who(socket),
        to: socket.peer,
        protocol: socket.protocol,
        outcome: if search.close { closed(&diag, socket) } else { Outcome::Left },
    };
    Ok(tcp.iter().chain(&udp).filter(wanted).map(earlier).collect())
}

fn closed(diag: &Diag, socket: &Socket) -> Outcome {
    match diag.destroy(socket) {
        Ok(()) => Outcome::Closed,
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {
            Outcome::Unclosable("this kernel has no CONFIG_INET_DIAG_DESTROY".to_owned())
        }
        Err(error) => Outcome::Unclosable(error.to_string()),
    }
}

fn enter(pid: u32) -> io::Result<()> {
    let namespace = File::open(format!("/proc/{pid}/ns/net"))?;
    Ok(setns(namespace, CloneFlags::CLONE_NEWNET)?)
}

/// The inodes of the sockets a process has open.
fn sockets(pid: u32, left: &mut usize) -> Vec<u32> {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let looked = files.take(*left).inspect(|_| *left -= 1);
    let inode =
        |target: PathBuf| target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse::<u32>().ok();
    looked.filter_map(|file| fs::read_link(file.path()).ok()).filter_map(inode).collect()
}

/// The ids of the cgroup and of those below it.
fn ids(cgroup: &Path) -> HashSet<u64> {
    let mut open = vec![cgroup.to_owned()];
    let mut found = HashSet::new();
    while let Some(folder) = open.pop().filter(|_| found.len() < MAX_CGROUPS) {
        // One that is removed meanwhile has no sockets to look for.
        found.extend(cgroup::id(&folder).ok());
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        open.extend(folders.map(|entry| entry.path()));
    }
    found
}
