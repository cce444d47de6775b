//! Steering, whichever way this machine allows it: kernel programs, or nftables.

use super::{Captured, Counters, Preflight, Redirect, Steer, SteerError, SteerOptions, rights, socket};
use crate::config::Via;
use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Steering of one cgroup, held by the gateway that serves it.
pub enum Steering {
    /// Kernel programs on the cgroup.
    Kernel(Box<Steer>),
    /// An nftables table of our own.
    Redirect(Redirect),
}

impl Steering {
    /// Steers the cgroup in the given way; [`Via::Auto`] takes the first of eBPF and nftables that can work here.
    ///
    /// # Errors
    /// Each [`SteerError`] says what is wrong and what to do; nothing is left behind after one.
    pub fn attach(options: &SteerOptions, via: Via) -> Result<Steering, SteerError> {
        let options = options.clone();
        rights::privileged(move || {
            let preflight = Preflight::look(via);
            match preflight.chosen() {
                Some(Via::Nftables) => redirect(&options),
                Some(_) => kernel(&options),
                None => Err(SteerError::NotReady(preflight.lacks(via).to_vec())),
            }
        })
    }

    /// The kernel programs, where that is how it works.
    pub fn kernel(&self) -> Option<&Steer> {
        match self {
            Steering::Kernel(steer) => Some(steer),
            Steering::Redirect(_) => None,
        }
    }

    /// What is known of an accepted connection: where it wanted to go, and who opened it. `socket` is the accepted
    /// one and `peer` the client's own address. None for a connection that was not steered.
    pub fn captured(&self, socket: BorrowedFd<'_>, peer: SocketAddr) -> Option<Captured> {
        match self {
            Steering::Kernel(steer) => steer.captured(socket::namespace(socket).ok()?, peer),
            Steering::Redirect(redirect) => redirect.captured(socket, peer),
        }
    }

    /// Exempts a socket of the gateway's own. Call it before `connect`.
    ///
    /// # Errors
    /// Not a socket, or the kernel refuses.
    pub fn exempt(&self, socket: BorrowedFd<'_>) -> io::Result<()> {
        match self {
            Steering::Kernel(steer) => steer.exempt(socket),
            Steering::Redirect(redirect) => redirect.exempt(socket),
        }
    }

    /// The pattern of the known host this address was learned for.
    pub fn host_of(&self, address: IpAddr) -> Option<String> {
        match self {
            Steering::Kernel(steer) => steer.host_of(address).map(str::to_owned),
            Steering::Redirect(redirect) => redirect.host_of(address),
        }
    }

    /// Remembers an address of a known host that no DNS answer showed; `pattern` is one of the known hosts.
    ///
    /// # Errors
    /// A kernel table cannot be written.
    pub fn learn(&self, address: IpAddr, pattern: &str) -> Result<(), SteerError> {
        match self {
            Steering::Kernel(steer) => steer.learn(address, pattern),
            Steering::Redirect(redirect) => {
                redirect.learn(address, pattern);
                Ok(())
            }
        }
    }

    /// How often each decision was taken; with nftables only what reached the gateway is counted.
    ///
    /// # Errors
    /// A kernel table cannot be read.
    pub fn counters(&self) -> Result<Counters, SteerError> {
        match self {
            Steering::Kernel(steer) => steer.counters(),
            Steering::Redirect(redirect) => Ok(redirect.counters()),
        }
    }

    /// The way it works: `ebpf` or `nftables`.
    pub fn via(&self) -> Via {
        match self {
            Steering::Kernel(_) => Via::Ebpf,
            Steering::Redirect(_) => Via::Nftables,
        }
    }

    /// Where connections of `cgroup` are steered to by what an earlier gateway left, so that a restarted one can bind
    /// the same ports; none when nothing is attached.
    pub fn earlier_listener(cgroup: &Path) -> Option<(SocketAddrV4, Option<SocketAddrV6>)> {
        let cgroup = cgroup.to_owned();
        rights::privileged(move || {
            Steer::pinned_listener(&cgroup).or_else(|| Redirect::earlier_listener(&cgroup))
        })
    }

    /// Removes everything that steers `cgroup` (its path, or what [`Steering::attached`] gave). Nothing attached is
    /// fine.
    ///
    /// # Errors
    /// Something cannot be removed, or a running gateway holds it itself (`fail: open`).
    pub fn detach_cgroup(cgroup: &Path) -> Result<(), SteerError> {
        let cgroup = cgroup.to_owned();
        rights::privileged(move || {
            Steer::detach_cgroup(&cgroup)?;
            Redirect::detach_cgroup(&cgroup)
        })
    }

    /// Removes what this value steers; connections that go on keep its tables.
    ///
    /// # Errors
    /// Something cannot be removed.
    pub fn detach(self: &Arc<Self>) -> Result<(), SteerError> {
        let held = Arc::clone(self);
        rights::privileged(move || match &*held {
            Steering::Kernel(steer) => steer.detach(),
            Steering::Redirect(redirect) => redirect.let_go(),
        })
    }

    /// Every attached cgroup of this system; where the cgroup itself is gone, its pin folder.
    pub fn attached() -> Vec<PathBuf> {
        rights::privileged(|| {
            let mut attached = Steer::attached();
            attached.extend(Redirect::attached());
            attached.dedup();
            attached
        })
    }
}

/// Puts kernel programs in force; a table that an earlier gateway left goes once they are.
fn kernel(options: &SteerOptions) -> Result<Steering, SteerError> {
    let steer = Steer::attach(options)?;
    Redirect::detach_cgroup(&options.cgroup)?;
    Ok(Steering::Kernel(Box::new(steer)))
}

/// Puts a table in force; programs that an earlier gateway left go once it is.
fn redirect(options: &SteerOptions) -> Result<Steering, SteerError> {
    let redirect = Redirect::attach(options)?;
    if let Err(error) = Steer::detach_cgroup(&options.cgroup) {
        // The failure to say is the first one; the table goes, as the other gateway still steers.
        let _ = redirect.detach();
        return Err(error);
    }
    Ok(Steering::Redirect(redirect))
}
