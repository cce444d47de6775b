//! The state folder: who may read it, which format it has, and that only one process uses it.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::StoreError;

/// The format this program writes; it changes when an older program could misread the state.
pub(super) const FORMAT: u32 = 1;

/// More of a marker than this is not read; ours are far shorter.
const MARKER_BYTES: u64 = 32;

/// A folder held by this process until dropped.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Closing the file releases the lock, whatever way the process ends.
    _lock: File,
}

impl Folder {
    /// Makes `path` with mode 0700 where it is missing, locks it and checks its format.
    pub(super) fn open(path: &Path) -> Result<Folder, StoreError> {
        let failed = |doing| move |source| StoreError::Io { dir: path.to_owned(), doing, source };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed("make the folder"))?;
        fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(failed("set the folder's mode"))?;
        let lock = lock(path)?;
        check_format(path)?;
        Ok(Folder { path: path.to_owned(), _lock: lock })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the rights of group and others off `dir` and all that is in it, down to two levels.
    pub(super) fn tighten(&self, dir: &Path) -> Result<(), StoreError> {
        tighten(dir, 2).map_err(|source| StoreError::Io {
            dir: dir.to_owned(),
            doing: "set file modes",
            source,
        })
    }
}

/// How often a lock that is taken is tried again, and after how long. A child process between fork and exec holds all
/// locks of its parent for a moment, so "taken" is only believed when it lasts.
const TRIES: u32 = 20;
const TRY_AFTER: Duration = Duration::from_millis(10);

/// Takes what may be busy for a moment.
pub(super) fn patiently<T, E>(
    mut take: impl FnMut() -> Result<T, E>,
    busy: impl Fn(&E) -> bool,
) -> Result<T, E> {
    for _ in 1..TRIES {
        match take() {
            Err(error) if busy(&error) => std::thread::sleep(TRY_AFTER),
            outcome => return outcome,
        }
    }
    take()
}

fn lock(path: &Path) -> Result<File, StoreError> {
    let at = path.join("lock");
    let failed = |doing| {
        let at = at.clone();
        move |source| StoreError::Io { dir: at, doing, source }
    };
    let mut file = private(&at).map_err(failed("open the lock file"))?;
    match patiently(|| file.try_lock(), |error| matches!(error, TryLockError::WouldBlock)) {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let pid = read_marker(&mut file).unwrap_or_default();
            let pid = if pid.is_empty() { "unknown".to_owned() } else { pid };
            return Err(StoreError::Locked { dir: path.to_owned(), pid });
        }
        Err(TryLockError::Error(source)) => return Err(failed("lock the folder")(source)),
    }
    file.set_len(0).map_err(failed("write the lock file"))?;
    file.rewind().map_err(failed("write the lock file"))?;
    writeln!(file, "{}", std::process::id()).map_err(failed("write the lock file"))?;
    Ok(file)
}

fn check_format(path: &Path) -> Result<(), StoreError> {
    let at = path.join("format");
    let failed =
        |source| StoreError::Io { dir: at.clone(), doing: "read or write the format marker", source };
    let mut file = private(&at).map_err(failed)?;
    let found = read_marker(&mut file).map_err(failed)?;
    if found.is_empty() {
        writeln!(file, "{FORMAT}").map_err(failed)?;
        return file.sync_all().map_err(failed);
    }
    if found == FORMAT.to_string() {
        return Ok(());
    }
    Err(StoreError::Format { dir: path.to_owned(), found, wanted: FORMAT })
}

fn private(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn read_marker(file: &mut File) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    file.take(MARKER_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).trim().escape_debug().to_string())
}

fn tighten(dir: &Path, levels: u32) -> std::io::Result<()> {
    fs::set_permissions(dir, Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() && levels > 0 {
            tighten(&entry.path(), levels - 1)?;
        } else if kind.is_file() {
            fs::set_permissions(entry.path(), Permissions::from_mode(0o600))?;
        }
    }
    Ok(())
}
