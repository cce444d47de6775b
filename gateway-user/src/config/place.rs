//! Where an app runs: the ways to name a cgroup.

use std::fmt;

/// The way a cgroup is named, on the command line and under `apps:`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// Its path, or its name below the cgroup v2 mount.
    Cgroup(String),
    /// The cgroup a process is in.
    Pid(u32),
    /// A container's id (at least six digits of it) or name.
    Container(String),
    /// A unit of systemd; without a suffix, a service.
    Systemd(String),
}

impl Place {
    /// The keys and flags, in the order they are listed.
    pub(super) const KEYS: [&str; 4] = ["cgroup", "pid", "container", "systemd"];
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Cgroup(name) => write!(out, "cgroup {name}"),
            Place::Pid(pid) => write!(out, "pid {pid}"),
            Place::Container(name) => write!(out, "container {name}"),
            Place::Systemd(unit) => write!(out, "systemd {unit}"),
        }
    }
}
