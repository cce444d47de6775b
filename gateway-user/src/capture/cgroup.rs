//! Cgroups of version 2: find the mount, look one up, make and remove it, put a process in.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Most directories looked at when a name or an id is searched for.
const MAX_SEARCHED: usize = 20_000;
/// Magic number of cgroup v2 in `statfs` (linux/magic.h).
const CGROUP2_MAGIC: i64 = 0x6367_7270;

/// What can be wrong with a cgroup.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// No cgroup v2 is mounted.
    #[error(
        "no cgroup v2 file system is mounted: `mount -t cgroup2 none /sys/fs/cgroup/unified`, or use `gateway proxy`"
    )]
    NotMounted,
    /// The name or path leads nowhere.
    #[error("there is no cgroup `{name}` under {}: check the name, or create it with --create", mount.display())]
    Missing {
        /// As given.
        name: String,
        /// The cgroup v2 mount.
        mount: PathBuf,
    },
    /// The name stands for several cgroups.
    #[error("`{name}` could be {} or {}: give the whole path", first.display(), second.display())]
    Ambiguous {
        /// As given.
        name: String,
        /// One match.
        first: PathBuf,
        /// Another match.
        second: PathBuf,
    },
    /// The path is not part of a cgroup v2 tree.
    #[error("{} is not a cgroup v2 directory: cgroup v2 is mounted at {}", path.display(), mount.display())]
    NotCgroup2 {
        /// As given.
        path: PathBuf,
        /// The cgroup v2 mount.
        mount: PathBuf,
    },
    /// Somebody else's processes live in it.
    #[error("{} is in use: choose another name, or `gateway attach` to what runs there", .0.display())]
    Occupied(PathBuf),
    /// The name would leave the cgroup tree.
    #[error("`{0}` cannot be a cgroup's name: use letters, digits, `-`, `_`, `.`, and `/` between levels")]
    BadName(String),
    /// The file system refused.
    #[error("cannot {what} cgroup {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// The cgroup.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Where cgroup v2 is mounted: `/sys/fs/cgroup` on most systems, `/sys/fs/cgroup/unified` on hybrid ones.
///
/// # Errors
/// [`CgroupError::NotMounted`].
pub fn mount() -> Result<PathBuf, CgroupError> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    mount_in(&table).ok_or(CgroupError::NotMounted)
}

/// Resolves a path, or a name relative to the mount; a bare name is also searched for deeper in the tree.
///
/// # Errors
/// Every case but [`CgroupError::Io`].
pub fn resolve(name: &str) -> Result<PathBuf, CgroupError> {
    let mount = mount()?;
    if name.starts_with('/') {
        return absolute(Path::new(name), mount);
    }
    check_name(name)?;
    let direct = mount.join(name);
    if direct.is_dir() {
        return Ok(direct);
    }
    let mut matches = tree(&mount).filter(|path| path.file_name().is_some_and(|last| last == name));
    match (matches.next(), matches.next()) {
        (Some(path), None) => Ok(path),
        (Some(first), Some(second)) => Err(CgroupError::Ambiguous { name: name.to_owned(), first, second }),
        (None, _) => Err(CgroupError::Missing { name: name.to_owned(), mount }),
    }
}

/// Makes the cgroup (a name relative to the mount, or a path under it), with its parents. One that exists is fine.
///
/// # Errors
/// A bad name, a path outside the tree, or a refusal by the file system.
pub fn create(name: &str) -> Result<PathBuf, CgroupError> {
    let path = path_of(name)?;
    fs::create_dir_all(&path).map_err(|source| CgroupError::Io {
        what: "create",
        path: path.clone(),
        source,
    })?;
    Ok(path)
}

/// Makes a cgroup of one's own, which will be cleared and removed: one that processes live in is refused. An empty one
/// that an earlier run left is taken over; whether it is a new one comes with it.
///
/// # Errors
/// As [`create`], and [`CgroupError::Occupied`].
pub fn create_own(name: &str) -> Result<(PathBuf, bool), CgroupError> {
    let path = path_of(name)?;
    let is_new = !path.exists();
    let path = create(name)?;
    if is_populated(&path) { Err(CgroupError::Occupied(path)) } else { Ok((path, is_new)) }
}

/// Removes an empty cgroup. One that is already gone is fine.
///
/// # Errors
/// `EBUSY` inside [`CgroupError::Io`] while processes or child cgroups are in it.
pub fn remove(path: &Path) -> Result<(), CgroupError> {
    match fs::remove_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(CgroupError::Io { what: "remove", path: path.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}

/// Ends every process in the cgroup and below with SIGKILL (`cgroup.kill`, Linux 5.14). Whether none is left is to be
/// asked with [`is_populated`].
///
/// # Errors
/// No such cgroup, no rights, or an older kernel.
pub fn kill(path: &Path) -> Result<(), CgroupError> {
    fs::write(path.join("cgroup.kill"), "1").map_err(|source| CgroupError::Io {
        what: "end the processes of",
        path: path.to_owned(),
        source,
    })
}

/// Whether a process lives in the cgroup or below it; not in one that is gone.
pub fn is_populated(path: &Path) -> bool {
    fs::read_to_string(path.join("cgroup.events")).is_ok_and(|events| events.contains("populated 1"))
}

/// The processes in the cgroup and below it, at this moment; none of a cgroup that is gone.
pub fn processes(path: &Path) -> Vec<u32> {
    std::iter::once(path.to_owned())
        .chain(tree(path))
        .filter_map(|folder| fs::read_to_string(folder.join("cgroup.procs")).ok())
        .flat_map(|list| list.lines().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>())
        // A process of another pid namespace, which has no number here, is listed as 0.
        .filter(|&pid| pid != 0)
        .collect()
}

/// The cgroup's id, as BPF programs see it: the inode of its directory.
///
/// # Errors
/// The directory cannot be read.
pub fn id(path: &Path) -> Result<u64, CgroupError> {
    let metadata = fs::metadata(path).map_err(|source| CgroupError::Io {
        what: "open",
        path: path.to_owned(),
        source,
    })?;
    Ok(metadata.ino())
}

/// The cgroup with this id, if there still is one.
///
/// # Errors
/// [`CgroupError::NotMounted`].
pub fn find(wanted: u64) -> Result<Option<PathBuf>, CgroupError> {
    let mount = mount()?;
    let is_wanted = |path: &PathBuf| fs::metadata(path).is_ok_and(|metadata| metadata.ino() == wanted);
    Ok(std::iter::once(mount.clone()).chain(tree(&mount)).find(is_wanted))
}

/// Moves a process, with all its threads, into the cgroup. Sockets it already has stay where they were made.
///
/// # Errors
/// No such process, or no right to move it.
pub fn add(path: &Path, pid: u32) -> Result<(), CgroupError> {
    fs::write(path.join("cgroup.procs"), pid.to_string()).map_err(|source| CgroupError::Io {
        what: "move a process into",
        path: path.to_owned(),
        source,
    })
}

/// Where a cgroup of this name stands, or would stand.
fn path_of(name: &str) -> Result<PathBuf, CgroupError> {
    let mount = mount()?;
    match Path::new(name).strip_prefix(&mount) {
        Ok(inside) => Ok(mount.join(check_name(&inside.to_string_lossy())?)),
        Err(_) if name.starts_with('/') => Err(CgroupError::NotCgroup2 { path: name.into(), mount }),
        Err(_) => Ok(mount.join(check_name(name)?)),
    }
}

fn absolute(path: &Path, mount: PathBuf) -> Result<PathBuf, CgroupError> {
    if !path.is_dir() {
        return Err(CgroupError::Missing { name: path.display().to_string(), mount });
    }
    let kind = nix::sys::statfs::statfs(path)
        .map_err(|error| CgroupError::Io { what: "open", path: path.to_owned(), source: error.into() })?
        .filesystem_type();
    if kind.0 as i64 != CGROUP2_MAGIC {
        return Err(CgroupError::NotCgroup2 { path: path.to_owned(), mount });
    }
    Ok(path.to_owned())
}

/// A relative path of plain names; anything else could point outside the tree.
fn check_name(name: &str) -> Result<&str, CgroupError> {
    let is_plain = |part: &str| {
        !part.is_empty()
            && part != "."
            && part != ".."
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.@:".contains(&byte))
    };
    if name.split('/').all(is_plain) { Ok(name) } else { Err(CgroupError::BadName(name.to_owned())) }
}

/// Every directory below `root`, breadth first, at most [`MAX_SEARCHED`].
pub(super) fn tree(root: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let mut open = VecDeque::from([root.to_owned()]);
    let mut found = VecDeque::new();
    std::iter::from_fn(move || {
        while found.is_empty() {
            let folder = open.pop_front()?;
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
                open.push_back(entry.path());
                found.push_back(entry.path());
            }
        }
        found.pop_front()
    })
    .take(MAX_SEARCHED)
}

/// The mount point of the first cgroup v2 line (`proc_pid_mountinfo(5)`).
fn mount_in(table: &str) -> Option<PathBuf> {
    table.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        (after.split(' ').next()? == "cgroup2").then(|| before.split(' ').nth(4).map(PathBuf::from))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_is_found_on_hybrid_and_on_pure_systems() {
        let check =
            |table: &str, expected: Option<&str>| assert_eq!(mount_in(table), expected.map(PathBuf::from));
        check(
            "29 25 0:26 / /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw\n",
            Some("/sys/fs/cgroup"),
        );
        check(
            "24 2 0:22 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
             25 24 0:23 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n\
             38 24 0:36 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n",
            Some("/sys/fs/cgroup/unified"),
        );
        check("24 2 0:22 / / rw - ext4 /dev/vda rw\n", None);
        check("", None);
    }

    #[test]
    fn names_cannot_leave_the_tree() {
        for name in ["app", "system.slice/my-app.service", "user@1000.service", "a_b:c"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "..", "a/../b", "/a", "a//b", "a b", "a\n", "./a"] {
            assert!(matches!(check_name(name), Err(CgroupError::BadName(_))), "{name:?}");
        }
    }

    #[test]
    fn a_folder_elsewhere_is_no_cgroup() {
        let outcome = absolute(Path::new("/proc"), "/sys/fs/cgroup".into());
        assert!(matches!(outcome, Err(CgroupError::NotCgroup2 { .. })), "{outcome:?}");
        let outcome = absolute(Path::new("/no/such/folder"), "/sys/fs/cgroup".into());
        assert!(matches!(outcome, Err(CgroupError::Missing { .. })), "{outcome:?}");
    }
}
