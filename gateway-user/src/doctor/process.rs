//! Reads what `/proc` tells about a process, as far as our rights go.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// Most bytes of a command line, an environment or a list of mappings that are read.
const MOST_READ: u64 = 8 << 20;

/// A process that could not be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Unreadable {
    /// It ended meanwhile.
    #[error("process {0} is gone")]
    Gone(u32),
    /// It belongs to another user, or protects itself.
    #[error("process {0} ({1}) may not be looked at: run this as root")]
    Forbidden(u32, String),
}

/// A process.
#[derive(Clone, Debug)]
pub(super) struct Process {
    pub pid: u32,
    /// The program, as seen from the process' own root; what was deleted meanwhile has its old path.
    pub program: PathBuf,
    /// Which file that is: device and inode.
    pub identity: (u64, u64),
    pub arguments: Vec<OsString>,
    pub environment: Vec<(OsString, OsString)>,
    /// Every file mapped into it.
    pub mapped: BTreeSet<PathBuf>,
    /// Its folder in `/proc`.
    pub folder: PathBuf,
    /// Its working directory, which relative paths begin at.
    pub working: PathBuf,
    pub place: Place,
    /// The cgroup's path below its mount.
    pub cgroup: String,
}

/// Where a process lives and as whom; two processes in the same place see the same files with the same rights.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub uid: u32,
    pub gid: u32,
    pub groups: Vec<u32>,
    /// Inodes of its namespaces, in the order of [`NAMESPACES`].
    pub namespaces: [u64; NAMESPACES.len()],
    /// Device and inode of its root folder.
    pub root: (u64, u64),
}

/// The namespaces a process is followed into; the user namespace is not among them, because numbers of users are taken
/// as this process sees them.
pub(super) const NAMESPACES: [&str; 5] = ["mnt", "net", "pid", "ipc", "uts"];

impl Process {
    /// Looks at a process. `None` for threads of the kernel and for what has ended but is not yet reaped.
    pub fn read(pid: u32) -> Result<Option<Process>, Unreadable> {
        let folder = PathBuf::from(format!("/proc/{pid}"));
        let name = fs::read_to_string(folder.join("comm")).map_err(|_| Unreadable::Gone(pid))?;
        let name = name.trim_end().to_owned();
        Process::within(pid, folder).map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => Unreadable::Forbidden(pid, name),
            _ => Unreadable::Gone(pid),
        })
    }

    fn within(pid: u32, folder: PathBuf) -> io::Result<Option<Process>> {
        let program = match fs::read_link(folder.join("exe")) {
            Ok(program) => program,
            Err(error) if error.kind() == io::ErrorKind::NotFound && folder.exists() => return Ok(None),
            Err(error) => return Err(error),
        };
        let file = fs::metadata(folder.join("exe"))?;
        let program = match program.as_os_str().as_bytes().strip_suffix(b" (deleted)") {
            Some(before) => PathBuf::from(OsStr::from_bytes(before)),
            None => program,
        };
        Ok(Some(Process {
            pid,
            program,
            identity: (file.dev(), file.ino()),
            arguments: words(&read(&folder.join("cmdline"))?),
            environment: words(&read(&folder.join("environ"))?).into_iter().filter_map(pair).collect(),
            mapped: mapped(&read(&folder.join("maps"))?),
            working: fs::read_link(folder.join("cwd"))?,
            place: Place::read(&folder)?,
            cgroup: cgroup(&read(&folder.join("cgroup"))?),
            folder,
        }))
    }

    /// A variable of its environment, as it was when it started.
    pub fn variable(&self, name: &str) -> Option<OsString> {
        self.environment.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    /// A variable that names a file, made absolute.
    pub fn file_variable(&self, name: &str) -> Option<OsString> {
        let value = self.variable(name).filter(|value| !value.is_empty())?;
        Some(self.working.join(value).into_os_string())
    }

    /// The program's file name.
    pub fn program_name(&self) -> &str {
        self.program.file_name().and_then(OsStr::to_str).unwrap_or_default()
    }

    /// Whether a mapped file's name begins with this.
    pub fn maps(&self, library: &str) -> bool {
        let named = |path: &PathBuf| {
            path.file_name().is_some_and(|name| name.as_bytes().starts_with(library.as_bytes()))
        };
        self.mapped.iter().any(named)
    }
}

impl Place {
    /// Where this process lives.
    pub fn here() -> io::Result<Place> {
        Place::read(Path::new("/proc/self"))
    }

    fn read(folder: &Path) -> io::Result<Place> {
        let status = String::from_utf8_lossy(&read(&folder.join("status"))?).into_owned();
        let numbers = |field: &str| -> Vec<u32> {
            let line = status.lines().find_map(|line| line.strip_prefix(field));
            line.into_iter().flat_map(str::split_whitespace).filter_map(|word| word.parse().ok()).collect()
        };
        // Real, effective, saved, file system: the effective ones decide what it may read.
        let effective = |field| numbers(field).get(1).copied().unwrap_or(u32::MAX);
        let mut namespaces = [0; NAMESPACES.len()];
        for (inode, name) in namespaces.iter_mut().zip(NAMESPACES) {
            *inode = fs::metadata(folder.join("ns").join(name))?.ino();
        }
        let root = fs::metadata(folder.join("root"))?;
        Ok(Place {
            uid: effective("Uid:"),
            gid: effective("Gid:"),
            groups: numbers("Groups:"),
            namespaces,
            root: (root.dev(), root.ino()),
        })
    }

    /// Whether the files seen there are the ones seen from another place.
    pub fn sees_the_files_of(&self, other: &Place) -> bool {
        self.namespaces[0] == other.namespaces[0] && self.root == other.root
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?.take(MOST_READ).read_to_end(&mut content)?;
    Ok(content)
}

/// Words that each end with a NUL.
fn words(bytes: &[u8]) -> Vec<OsString> {
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    if bytes.is_empty() {
        return Vec::new();
    }
    bytes.split(|byte| *byte == 0).map(|word| OsString::from_vec(word.to_vec())).collect()
}

fn pair(word: OsString) -> Option<(OsString, OsString)> {
    let bytes = word.as_bytes();
    let at = bytes.iter().position(|byte| *byte == b'=').filter(|at| *at > 0)?;
    Some((OsStr::from_bytes(&bytes[..at]).to_owned(), OsStr::from_bytes(&bytes[at + 1..]).to_owned()))
}

/// The files of `/proc/PID/maps`: the sixth field of each line, which may hold blanks.
fn mapped(table: &[u8]) -> BTreeSet<PathBuf> {
    let path = |line: &[u8]| {
        let at = line.iter().position(|byte| *byte == b'/')?;
        let path = &line[at..];
        Some(PathBuf::from(OsStr::from_bytes(path.strip_suffix(b" (deleted)").unwrap_or(path))))
    };
    table.split(|byte| *byte == b'\n').filter_map(path).collect()
}

/// The path of the version 2 line (`0::/path`).
fn cgroup(table: &[u8]) -> String {
    let text = String::from_utf8_lossy(table);
    text.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_read_and_others_are_told_apart() {
        let own = Process::read(std::process::id()).unwrap().unwrap();
        assert_eq!(own.program, std::env::current_exe().unwrap());
        assert_eq!(own.arguments.len(), std::env::args_os().len());
        assert!(own.maps("libc.so"), "{:?}", own.mapped);
        assert_eq!(own.place, Place::here().unwrap());
        assert_eq!(Process::read(u32::MAX).unwrap_err(), Unreadable::Gone(u32::MAX));
    }

    #[test]
    fn lists_are_split_as_the_kernel_writes_them() {
        let text = |words: Vec<OsString>| {
            words.iter().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(text(words(b"a\0\0b c\0")), ["a", "", "b c"]);
        assert!(words(b"").is_empty());
        let split = |text: &str| pair(text.into()).map(|(name, value)| (text.len(), name, value));
        assert_eq!(split("A=b=c"), Some((5, "A".into(), "b=c".into())));
        assert_eq!((split("=x"), split("x")), (None, None));
        let table =
            b"7f-80 r-xp 0 08:01 12    /usr/lib/lib ssl.so.3 (deleted)\n80-81 rw-p 0 00:00 0   [heap]\n";
        assert_eq!(mapped(table).into_iter().collect::<Vec<_>>(), [PathBuf::from("/usr/lib/lib ssl.so.3")]);
        assert_eq!(cgroup(b"12:cpu:/x\n0::/system.slice/app.service\n"), "/system.slice/app.service");
    }
}
