//! Where the pins of a cgroup lie, who holds them, and how they are replaced and removed.
//!
//! `/sys/fs/bpf/gateway/<cgroup id>/current` holds the tables and, with `fail: closed`, the links. The folder above
//! it is locked by the gateway that serves the cgroup, so the lock goes with the process, however it ends.
//!
//! A replacement is built in `next`; then `current` is renamed to `old`, `next` to `current`, and `old` is removed. So
//! at each moment, also one at which the gateway is killed, one whole set is in force.

use super::kernel::{PREFIX, PROGRAMS};
use super::maps::NAMES;
use super::{SteerError, link};
use crate::capture::cgroup;
use crate::capture::preflight::BPFFS;
use nix::fcntl::{Flock, FlockArg};
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Everything pinned lies here.
const ROOT: &str = "gateway";
/// How long a gateway that was told to end may still hold its programs, and how often that is looked at.
const ENDING: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// The sets of pins of one cgroup.
const NEXT: &str = "next";
const CURRENT: &str = "current";
const OLD: &str = "old";

/// The pin folder of one cgroup, locked as long as this value lives.
pub(super) struct Home {
    path: PathBuf,
    _lock: Flock<File>,
}

impl Home {
    /// Makes and locks the folder of `cgroup`, and finishes or undoes what a gateway that was killed had begun.
    pub(super) fn take(cgroup: &Path) -> Result<Home, SteerError> {
        let path = folder(cgroup)?;
        make(&path)?;
        let opened = File::open(&path).map_err(|error| failed("open", &path, error))?;
        match Flock::lock(opened, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => {
                let home = Home { path, _lock: lock };
                home.settle()?;
                Ok(home)
            }
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => Err(SteerError::InUse(cgroup.to_owned())),
            Err((_, error)) => Err(failed("lock", &path, error.into())),
        }
    }

    /// Leaves one set, the one in force.
    fn settle(&self) -> Result<(), SteerError> {
        let (next, current, old) = (self.path.join(NEXT), self.current(), self.path.join(OLD));
        if !current.exists() && next.exists() {
            // Killed between the two renames, or while it attached for the first time. In the latter case the set is
            // not whole and will be replaced, but what there is of it refuses until then.
            rename(&next, &current)?;
        }
        remove(&old)?;
        remove(&next)
    }

    /// The pins in force.
    pub(super) fn current(&self) -> PathBuf {
        self.path.join(CURRENT)
    }

    /// An empty folder for pins that will replace them.
    pub(super) fn fresh(&self) -> Result<PathBuf, SteerError> {
        let next = self.path.join(NEXT);
        make(&next)?;
        Ok(next)
    }

    /// Puts the fresh pins in force. Programs of both sets run for a moment: the older ones steer first, the newer
    /// ones then refuse the listener's address, so nothing passes beside them.
    pub(super) fn publish(&self) -> Result<(), SteerError> {
        let (current, old) = (self.current(), self.path.join(OLD));
        if current.exists() {
            rename(&current, &old)?;
        }
        rename(&self.path.join(NEXT), &current)?;
        remove(&old)
    }

    /// Removes the fresh pins after a failure, and the folders if nothing else is in them.
    pub(super) fn abandon(self) {
        // The failure itself is what the caller hears about.
        let _ = remove(&self.path.join(NEXT));
        let _ = fs::remove_dir(&self.path);
        let _ = fs::remove_dir(Path::new(BPFFS).join(ROOT));
    }

    /// Removes every pin, and the folders.
    pub(super) fn remove(&self) -> Result<(), SteerError> {
        remove_home(&self.path)
    }
}

/// Whether all tables and all links are there.
pub(super) fn is_complete(current: &Path) -> bool {
    PROGRAMS.iter().chain(&NAMES).all(|name| current.join(name).exists())
}

/// The pins in force for `cgroup`, if any.
pub(super) fn current(cgroup: &Path) -> Option<PathBuf> {
    folder(cgroup).ok().map(|path| path.join(CURRENT)).filter(|path| path.exists())
}

/// Removes the pins of a cgroup: its path, or its pin folder where the cgroup itself is gone.
pub(super) fn detach(cgroup: &Path) -> Result<(), SteerError> {
    let root = Path::new(BPFFS).join(ROOT);
    let path = if cgroup.starts_with(&root) && cgroup != root { cgroup.to_owned() } else { folder(cgroup)? };
    // The links belong to that process; nobody else can remove them. One that is about to end is waited for.
    let end = Instant::now() + ENDING;
    while path.exists() && !has_links(&path) && is_locked(&path) {
        if Instant::now() >= end {
            return Err(SteerError::InUse(cgroup.to_owned()));
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    remove_home(&path)
}

/// Every attached cgroup; where the cgroup is gone, its pin folder.
pub(super) fn attached() -> Vec<PathBuf> {
    let homes = fs::read_dir(Path::new(BPFFS).join(ROOT)).into_iter().flatten().flatten();
    let live = homes.map(|entry| entry.path()).filter(|path| has_links(path) || is_locked(path));
    let cgroup_of = |path: &Path| {
        let id = path.file_name()?.to_str()?.parse().ok()?;
        cgroup::find(id).ok()?
    };
    live.map(|path| cgroup_of(&path).unwrap_or(path)).collect()
}

fn folder(cgroup: &Path) -> Result<PathBuf, SteerError> {
    Ok(Path::new(BPFFS).join(ROOT).join(cgroup::id(cgroup)?.to_string()))
}

fn has_links(home: &Path) -> bool {
    let is_there = |set: &str| PROGRAMS.iter().any(|name| home.join(set).join(name).exists());
    [CURRENT, NEXT, OLD].into_iter().any(is_there)
}

fn is_locked(home: &Path) -> bool {
    let Ok(opened) = File::open(home) else { return false };
    Flock::lock(opened, FlockArg::LockSharedNonblock).is_err()
}

fn make(path: &Path) -> Result<(), SteerError> {
    DirBuilder::new().mode(0o700).recursive(true).create(path).map_err(|error| failed("create", path, error))
}

fn remove_home(home: &Path) -> Result<(), SteerError> {
    let (current, old) = (home.join(CURRENT), home.join(OLD));
    remove(&old)?;
    remove(&home.join(NEXT))?;
    if current.exists() {
        // Killed from here on, nobody takes the half of it for a set that steers.
        rename(&current, &old)?;
        remove(&old)?;
    }
    gone(fs::remove_dir(home)).map_err(|error| failed("remove", home, error))?;
    // The last one out removes the root; others may still be attached.
    let _ = fs::remove_dir(Path::new(BPFFS).join(ROOT));
    Ok(())
}

/// Detaches the links of a folder and removes its pins, those of another build included. What steers goes first, what
/// it relies on last.
fn remove(folder: &Path) -> Result<(), SteerError> {
    let found = match fs::read_dir(folder) {
        Ok(entries) => entries.flatten().map(|entry| entry.file_name()).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("read", folder, error)),
    };
    let found: Vec<OsString> = found;
    let is_link = |name: &OsString| name.to_str().is_some_and(|name| name.starts_with(PREFIX));
    let rank = |name: &OsString| PROGRAMS.iter().position(|known| name == known);
    let mut links: Vec<&OsString> = found.iter().filter(|name| is_link(name)).collect();
    links.sort_by_key(|name| std::cmp::Reverse(rank(name)));
    for name in links {
        let path = folder.join(name);
        gone(link::detach(&path)).map_err(|error| failed("detach", &path, error))?;
    }
    for name in &found {
        let path = folder.join(name);
        gone(fs::remove_file(&path)).map_err(|error| failed("remove", &path, error))?;
    }
    gone(fs::remove_dir(folder)).map_err(|error| failed("remove", folder, error))
}

fn rename(from: &Path, to: &Path) -> Result<(), SteerError> {
    fs::rename(from, to).map_err(|error| failed("rename", from, error))
}

fn gone(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn failed(what: &'static str, path: &Path, source: io::Error) -> SteerError {
    SteerError::Pin { what, path: path.to_owned(), source }
}
