//! Where state lives: one small trait and the stores behind it.
//!
//! Keys and values are bytes in named trees. Each room declares the trees it owns and the layout of their values; a
//! store knows neither. Writes stand in memory until [`Store::flush`]: who needs a write to survive a crash flushes.

mod folder;
mod memory;
mod sled;

#[cfg(test)]
mod tests;

use std::ops::Bound;
use std::path::PathBuf;

pub use self::memory::Memory;
pub use self::sled::Sled;

/// A named tree: an ordered map from byte keys to byte values.
///
/// Names are unique in the program, like `audit.record`, and never hold a zero byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tree(&'static str);

impl Tree {
    /// Declares a tree; meant for constants.
    ///
    /// # Panics
    /// When the name is empty or holds a zero byte: it would run into the keys of another tree.
    pub const fn named(name: &'static str) -> Tree {
        let bytes = name.as_bytes();
        assert!(!bytes.is_empty(), "a tree needs a name");
        let mut at = 0;
        while at < bytes.len() {
            assert!(bytes[at] != 0, "a tree's name holds no zero byte");
            at += 1;
        }
        Tree(name)
    }

    /// The name as declared.
    pub const fn name(self) -> &'static str {
        self.0
    }
}

/// One change inside a [`Batch`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Put(Tree, Vec<u8>, Vec<u8>),
    Remove(Tree, Vec<u8>),
}

/// Changes to any trees that become visible, and durable, all or none. Later changes win.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    changes: Vec<Change>,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Batch {
        Batch::default()
    }

    /// Sets `key` of `tree` to `value`.
    pub fn put(&mut self, tree: Tree, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> &mut Batch {
        self.changes.push(Change::Put(tree, key.into(), value.into()));
        self
    }

    /// Removes `key` of `tree`; absent keys are no error.
    pub fn remove(&mut self, tree: Tree, key: impl Into<Vec<u8>>) -> &mut Batch {
        self.changes.push(Change::Remove(tree, key.into()));
        self
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

/// Which part of a tree to read, in which order and how much of it.
#[derive(Clone, Debug)]
pub struct Scan {
    from: Bound<Vec<u8>>,
    to: Bound<Vec<u8>>,
    limit: usize,
    reverse: bool,
}

impl Scan {
    /// All keys in ascending order, at most `limit` of them.
    pub fn all(limit: usize) -> Scan {
        Scan { from: Bound::Unbounded, to: Bound::Unbounded, limit, reverse: false }
    }

    /// All keys that begin with `prefix`, at most `limit` of them.
    pub fn prefix(prefix: &[u8], limit: usize) -> Scan {
        Scan { from: Bound::Included(prefix.to_vec()), to: end_of_prefix(prefix), limit, reverse: false }
    }

    /// Only keys at or after `key`.
    pub fn from(mut self, key: impl Into<Vec<u8>>) -> Scan {
        self.from = Bound::Included(key.into());
        self
    }

    /// Only keys before `key`.
    pub fn before(mut self, key: impl Into<Vec<u8>>) -> Scan {
        self.to = Bound::Excluded(key.into());
        self
    }

    /// Descending order: the limit then keeps the last keys.
    pub fn reverse(mut self) -> Scan {
        self.reverse = true;
        self
    }
}

/// A key and its value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// A place to keep state. All calls may wait for a disk; none belongs on a path that must not.
pub trait Store: Send + Sync {
    /// The value of `key`, if there is one.
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Writes all of `batch` or nothing. Visible at once, durable after the next [`Store::flush`].
    fn write(&self, batch: Batch) -> Result<(), StoreError>;

    /// Reads a range of one tree.
    fn scan(&self, tree: Tree, scan: Scan) -> Result<Vec<Entry>, StoreError>;

    /// Returns once everything written before the call survives a crash of this process and of the machine.
    fn flush(&self) -> Result<(), StoreError>;
}

/// Why a store could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process holds the folder.
    #[error(
        "another gateway runs with state {dir} (pid {pid}): stop it, talk to it with the same --state, \
         or use --state with another folder"
    )]
    Locked {
        /// The state folder.
        dir: PathBuf,
        /// The holder's process id as it wrote it, or `unknown`.
        pid: String,
    },
    /// The folder was written by a version with another layout.
    #[error(
        "state {dir} has format {found}, this gateway reads format {wanted}: use the gateway that wrote it, \
         or --state with another folder"
    )]
    Format {
        /// The state folder.
        dir: PathBuf,
        /// What its marker says, at most 32 characters.
        found: String,
        /// The format of this program.
        wanted: u32,
    },
    /// The data cannot be read back.
    #[error(
        "state {dir} is damaged ({detail}): move the folder away, or restore it from a backup, and start again"
    )]
    Damaged {
        /// The state folder.
        dir: PathBuf,
        /// What the store said about it.
        detail: String,
    },
    /// The operating system refused.
    #[error("state {dir}: cannot {doing}: {source}")]
    Io {
        /// The state folder or a file in it.
        dir: PathBuf,
        /// What was tried, as a verb phrase.
        doing: &'static str,
        /// The system's answer.
        source: std::io::Error,
    },
}

/// The first key after all keys that begin with `prefix`.
fn end_of_prefix(prefix: &[u8]) -> Bound<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Bound::Excluded(end);
        }
    }
    Bound::Unbounded
}
