//! Finds the cgroup that a place names: a path, a process, a unit of systemd, a container.
//!
//! No daemon is asked: the cgroup tree, `/proc` and the files container runtimes keep are read.

mod container;
mod names;
mod systemd;

use std::fs;
use std::path::{Path, PathBuf};

use super::cgroup::{self, CgroupError};
use crate::config::Place;

/// Most candidates an error lists.
const MAX_LISTED: usize = 8;

/// Why no cgroup could be chosen.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// No cgroup v2 is mounted, or a cgroup's own name leads nowhere.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// There is no such process.
    #[error("there is no process {0}, or it may not be looked at: check the number, or run this as root")]
    NoProcess(u32),
    /// The process is not in the tree of cgroup v2.
    #[error("process {pid} {why}: name its cgroup with --cgroup")]
    NoCgroup {
        /// The process.
        pid: u32,
        /// Why it has none.
        why: &'static str,
    },
    /// It is in the root, as everything on the machine may be.
    #[error(
        "process {0} is in the root cgroup, which holds everything that has none of its own: start it in one, with \
         `gateway run -- CMD` or as a unit of systemd"
    )]
    Root(u32),
    /// What was given cannot be such a name.
    #[error("`{given}` cannot be {what}")]
    BadName {
        /// As given.
        given: String,
        /// What it was to be.
        what: &'static str,
    },
    /// Nothing fits.
    #[error("no {what} `{given}` is running: {searched}")]
    NotFound {
        /// A container or a unit.
        what: &'static str,
        /// As given.
        given: String,
        /// Where it was looked for, and what to do.
        searched: String,
    },
    /// Several fit.
    #[error("`{given}` could be {}: give more of it, or the path with --cgroup", .candidates.join(", or "))]
    Ambiguous {
        /// As given.
        given: String,
        /// At most [`MAX_LISTED`] of them.
        candidates: Vec<String>,
    },
}

/// A cgroup that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its directory.
    pub path: PathBuf,
    /// What an app there is called unless the operator says: its path below the mount, or the container's name where
    /// that is what it was found by, so that a container made anew goes on with the same budget.
    pub name: String,
}

/// Where things are looked for; all of it below other folders in tests.
#[derive(Clone, Debug)]
struct Tree {
    /// The cgroup v2 mount.
    cgroups: PathBuf,
    /// `/proc`.
    proc: PathBuf,
    /// `/`, below which the runtimes keep their files.
    root: PathBuf,
}

/// Finds the cgroup of a place.
///
/// # Errors
/// Nothing fits, or several do; the message says what was searched, or lists them.
pub fn find(place: &Place) -> Result<Found, TargetError> {
    let tree = Tree { cgroups: cgroup::mount()?, proc: "/proc".into(), root: "/".into() };
    tree.find(place)
}

/// What an app in this cgroup is called unless the operator says: its path below the mount.
pub fn name_of(path: &Path) -> String {
    cgroup::mount().map_or_else(|_| path.display().to_string(), |mount| below(&mount, path))
}

impl Tree {
    fn find(&self, place: &Place) -> Result<Found, TargetError> {
        match place {
            Place::Cgroup(name) => Ok(self.found(cgroup::resolve(name)?)),
            Place::Pid(pid) => self.of_process(*pid).map(|path| self.found(path)),
            Place::Systemd(unit) => systemd::find(self, unit).map(|path| self.found(path)),
            Place::Container(given) => container::find(self, given),
        }
    }

    fn found(&self, path: PathBuf) -> Found {
        Found { name: below(&self.cgroups, &path), path }
    }

    /// The cgroup v2 of a process: the line `0::PATH` of `/proc/PID/cgroup` (cgroups(7)).
    fn of_process(&self, pid: u32) -> Result<PathBuf, TargetError> {
        let lines = fs::read_to_string(self.proc.join(pid.to_string()).join("cgroup"));
        let lines = lines.map_err(|_| TargetError::NoProcess(pid))?;
        let wrong = |why| TargetError::NoCgroup { pid, why };
        let path = lines.lines().find_map(|line| line.strip_prefix("0::"));
        let path = path.ok_or_else(|| wrong("is in no cgroup of version 2"))?;
        if path == "/" {
            return Err(TargetError::Root(pid));
        }
        if path.ends_with(" (deleted)") {
            return Err(wrong("is ending: its cgroup has been removed"));
        }
        let inside = path.trim_start_matches('/');
        if inside.split('/').any(|part| part == "..") {
            return Err(wrong("is outside the cgroup namespace that this command runs in"));
        }
        let path = self.cgroups.join(inside);
        if path.is_dir() {
            Ok(path)
        } else {
            Err(wrong("has a cgroup that is not below the cgroup v2 mount here"))
        }
    }
}

/// `path` below `mount`, as text.
fn below(mount: &Path, path: &Path) -> String {
    path.strip_prefix(mount).unwrap_or(path).display().to_string()
}

/// The only one, or why there is none: `missing` when empty, else the candidates' descriptions.
fn only<T>(
    given: &str,
    mut found: Vec<T>,
    describe: impl Fn(&T) -> String,
    missing: impl FnOnce() -> TargetError,
) -> Result<T, TargetError> {
    match found.len() {
        0 => Err(missing()),
        1 => found.pop().ok_or_else(missing),
        _ => {
            let candidates = found.iter().take(MAX_LISTED).map(describe).collect();
            Err(TargetError::Ambiguous { given: given.to_owned(), candidates })
        }
    }
}

#[cfg(test)]
mod tests;
