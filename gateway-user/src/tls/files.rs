//! Folders and files of keys and certificates: made private or public, written whole or not at all.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A file or folder that could not be read, made or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} {path}: {source}")]
pub struct FileError {
    doing: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl FileError {
    fn at(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
        let path = path.to_owned();
        move |source| FileError { doing, path, source }
    }

    /// The kind of the operating system's error.
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }
}

/// Makes a folder (and its parents) with this mode, such as `0o700`; an existing folder of that path gets it.
///
/// # Errors
/// When the path cannot be made or its mode cannot be set.
pub fn make_folder(path: &Path, mode: u32) -> Result<(), FileError> {
    if let Some(parent) = path.parent().filter(|parent| !parent.exists()) {
        // Parents hold nothing secret themselves, and readers of public files must get through them.
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(parent)
            .map_err(FileError::at("make", parent))?;
    }
    DirBuilder::new().recursive(true).mode(mode).create(path).map_err(FileError::at("make", path))?;
    std::fs::set_permissions(path, Permissions::from_mode(mode))
        .map_err(FileError::at("set the mode of", path))
}

/// Lets everybody pass through a folder to what lies below it, without letting them list it.
///
/// # Errors
/// When its mode cannot be read or set.
pub fn let_through(path: &Path) -> Result<(), FileError> {
    let mode = std::fs::metadata(path).map_err(FileError::at("read the mode of", path))?.permissions().mode();
    if mode & 0o011 == 0o011 {
        return Ok(());
    }
    std::fs::set_permissions(path, Permissions::from_mode(mode | 0o011))
        .map_err(FileError::at("set the mode of", path))
}

/// Writes a file beside its place and renames it there, so that readers see the old or the new content whole.
///
/// # Errors
/// When the folder is not writable or full; the old file then still stands.
pub fn write_whole(path: &Path, content: &[u8], mode: u32) -> Result<(), FileError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let beside = path.with_file_name(name);
    let written = write_new(&beside, content, mode)
        .and_then(|()| std::fs::rename(&beside, path).map_err(FileError::at("write", path)));
    if written.is_err() {
        // Best effort: the error already says what went wrong.
        let _ = std::fs::remove_file(&beside);
    }
    written
}

fn write_new(path: &Path, content: &[u8], mode: u32) -> Result<(), FileError> {
    let open = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)?;
        // The process's umask may have taken bits away that a public file needs.
        file.set_permissions(Permissions::from_mode(mode))?;
        file.write_all(content)?;
        file.sync_all()
    };
    open().map_err(FileError::at("write", path))
}

/// Reads a text file of at most `most` bytes.
///
/// # Errors
/// When it cannot be read, is longer, or is not UTF-8.
pub fn read_text(path: &Path, most: u64) -> Result<String, FileError> {
    let read = || {
        let mut text = String::new();
        io::Read::read_to_string(&mut io::Read::take(File::open(path)?, most + 1), &mut text)?;
        if text.len() as u64 > most {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("longer than {most} bytes")));
        }
        Ok(text)
    };
    read().map_err(FileError::at("read", path))
}

/// Removes a file; one that is not there is removed already.
///
/// # Errors
/// When it stands and cannot be removed.
pub fn remove(path: &Path) -> Result<(), FileError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FileError::at("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Holds an exclusive lock on a folder until dropped, so that two processes do not write it at once.
pub struct FolderLock(
    #[expect(dead_code, reason = "the lock lives as long as the open file")] nix::fcntl::Flock<File>,
);

/// Locks a folder by its file `.lock`, waiting for another process that holds it (it does so for milliseconds).
///
/// # Errors
/// When the file cannot be made or locked.
pub fn lock_folder(folder: &Path) -> Result<FolderLock, FileError> {
    let path = folder.join(".lock");
    let lock = || {
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path)?;
        nix::fcntl::Flock::lock(file, nix::fcntl::FlockArg::LockExclusive)
            .map_err(|(_, errno)| io::Error::from(errno))
    };
    lock().map(FolderLock).map_err(FileError::at("lock", &path))
}
