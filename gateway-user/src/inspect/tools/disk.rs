//! The file system as the sandbox sees it, behind a trait: the checks themselves do no I/O.

use std::fmt::Debug;
use std::path::{Path, PathBuf};

/// Follows symbolic links.
pub trait Disk: Send + Sync + Debug {
    /// Where `path`, which is absolute and has no `..`, really leads: its longest existing part with all links followed,
    /// and the rest as it is. `None` where nothing can be said, as on another machine.
    fn resolve(&self, path: &Path) -> Option<PathBuf>;
}

/// A file system that cannot be seen: paths are judged by their names alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoDisk;

impl Disk for NoDisk {
    fn resolve(&self, _path: &Path) -> Option<PathBuf> {
        None
    }
}
