//! The embedded store of a single gateway: sled in a folder of its own.

use std::ops::Bound;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;

use super::folder::{self, Folder};
use super::{Batch, Change, Entry, Scan, Store, StoreError, Tree};

/// What sled may cache, in bytes. Records are written once and seldom read, so little is enough.
const CACHE_BYTES: u64 = 4 * 1024 * 1024;

/// sled under `DIR/store`, one process at a time.
///
/// All trees live in one of sled's, each key behind its tree's name and a zero byte: so a batch over several trees
/// is atomic, across a crash too. Nothing is flushed on a timer; see [`Store::flush`].
pub struct Sled {
    db: ::sled::Db,
    folder: Folder,
}

impl Sled {
    /// Opens, or makes, the state in `dir` (mode 0700, files 0600).
    ///
    /// # Errors
    /// [`StoreError::Locked`] while another process has it, [`StoreError::Format`] for another version's state,
    /// [`StoreError::Damaged`] when it cannot be read back, else [`StoreError::Io`].
    pub fn open(dir: &Path) -> Result<Sled, StoreError> {
        let folder = Folder::open(dir)?;
        let path = dir.join("store");
        let config = ::sled::Config::default()
            .path(&path)
            .cache_capacity(CACHE_BYTES)
            .flush_every_ms(None)
            .mode(::sled::Mode::HighThroughput);
        // sled panics on some kinds of damage where it should answer; the half-open database is not used after that.
        let open = || folder::patiently(|| config.open(), is_busy);
        let db = panic::catch_unwind(AssertUnwindSafe(open))
            .map_err(|_| StoreError::Damaged {
                dir: path.clone(),
                detail: "its log cannot be replayed".into(),
            })?
            .map_err(|error| failed(&path, "open the store", error))?;
        folder.tighten(&path)?;
        Ok(Sled { db, folder })
    }

    /// One change needs no batch, which in sled costs eight times an insert.
    fn apply(&self, mut changes: Vec<Change>) -> ::sled::Result<()> {
        if changes.len() > 1 {
            let mut batch = ::sled::Batch::default();
            for change in changes {
                match change {
                    Change::Put(tree, key, value) => batch.insert(full_key(tree, &key), value),
                    Change::Remove(tree, key) => batch.remove(full_key(tree, &key)),
                }
            }
            return self.db.apply_batch(batch);
        }
        match changes.pop() {
            None => Ok(()),
            Some(Change::Put(tree, key, value)) => self.db.insert(full_key(tree, &key), value).map(drop),
            Some(Change::Remove(tree, key)) => self.db.remove(full_key(tree, &key)).map(drop),
        }
    }

    fn failed(&self, doing: &'static str, error: ::sled::Error) -> StoreError {
        failed(self.folder.path(), doing, error)
    }
}

impl Store for Sled {
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self.db.get(full_key(tree, key)).map_err(|error| self.failed("read", error))?;
        Ok(found.map(|value| value.to_vec()))
    }

    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        self.apply(batch.changes).map_err(|error| self.failed("write", error))
    }

    fn scan(&self, tree: Tree, scan: Scan) -> Result<Vec<Entry>, StoreError> {
        let head = tree.name().len() + 1;
        let bound = |bound: Bound<Vec<u8>>| bound.map(|key| full_key(tree, &key));
        let from = match bound(scan.from) {
            Bound::Unbounded => Bound::Included(full_key(tree, b"")),
            given => given,
        };
        let to = match bound(scan.to) {
            Bound::Unbounded => super::end_of_prefix(&full_key(tree, b"")),
            given => given,
        };
        let entry = |found: ::sled::Result<(::sled::IVec, ::sled::IVec)>| {
            let (key, value) = found.map_err(|error| self.failed("read", error))?;
            Ok((key[head..].to_vec(), value.to_vec()))
        };
        let range = self.db.range::<Vec<u8>, _>((from, to));
        if scan.reverse {
            range.rev().take(scan.limit).map(entry).collect()
        } else {
            range.take(scan.limit).map(entry).collect()
        }
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.db.flush().map(drop).map_err(|error| self.failed("flush", error))
    }
}

fn full_key(tree: Tree, key: &[u8]) -> Vec<u8> {
    let mut full = Vec::with_capacity(tree.name().len() + 1 + key.len());
    full.extend_from_slice(tree.name().as_bytes());
    full.push(0);
    full.extend_from_slice(key);
    full
}

/// sled has a lock of its own below ours, and tells that it is taken only in words.
fn is_busy(error: &::sled::Error) -> bool {
    matches!(error, ::sled::Error::Io(error) if error.to_string().contains("could not acquire lock"))
}

fn failed(dir: &Path, doing: &'static str, error: ::sled::Error) -> StoreError {
    let dir = dir.to_owned();
    match error {
        ::sled::Error::Io(source) => StoreError::Io { dir, doing, source },
        other => StoreError::Damaged { dir, detail: other.to_string() },
    }
}
