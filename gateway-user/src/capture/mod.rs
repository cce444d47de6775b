//! How connections reach us: kernel steering, listeners and cgroups.

pub mod cgroup;
pub mod diag;
pub mod existing;
pub mod listen;
pub mod netns;
pub mod preflight;
mod redirect;
pub mod rights;
pub mod socket;
pub mod steer;
mod steering;
pub mod target;

pub use listen::Listeners;
pub use netns::{Entrance, Namespace};
pub use preflight::Preflight;
pub use redirect::{Redirect, RedirectError};
pub use socket::Exempt;
pub use steer::{
    Counters, Direct, Fail, PinnedListener, Protocol, Quic, Steer, SteerError, SteerOptions, SteerScope,
    Stranger, Strangers,
};
pub use steering::Steering;

use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// The way a connection came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Door {
    /// Steered by the kernel; the app does not know.
    Transparent,
    /// The app was given the gateway's address as its base URL.
    Reverse,
    /// The app sent `CONNECT`.
    Forward,
}

/// Which process opened a connection, as the kernel saw it at `connect`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// Process id in the initial pid namespace; 0 when unknown.
    pub pid: u32,
    /// User id in the initial user namespace; 0 when unknown.
    pub uid: u32,
    /// The task's name, at most 15 bytes; empty when unknown.
    pub comm: String,
    /// Id of its cgroup (the inode of the cgroup's directory); 0 when unknown.
    pub cgroup: u64,
}

/// What the kernel remembered of a steered connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// Where the app wanted to go; an IPv4-mapped address as IPv4.
    pub original: SocketAddr,
    /// Who opened it.
    pub who: Who,
}
