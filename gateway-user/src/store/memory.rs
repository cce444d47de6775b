//! A store that forgets: for tests, and for gateways that are to leave nothing on disk.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Batch, Change, Entry, Scan, Store, StoreError, Tree};

type Trees = BTreeMap<Tree, BTreeMap<Vec<u8>, Vec<u8>>>;

/// Keeps everything in this process; `flush` does nothing.
#[derive(Default)]
pub struct Memory {
    trees: Mutex<Trees>,
}

impl Memory {
    /// An empty store.
    pub fn new() -> Memory {
        Memory::default()
    }

    fn trees(&self) -> MutexGuard<'_, Trees> {
        // A panic elsewhere cannot leave a batch half done here: maps are changed by infallible calls only.
        self.trees.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Memory {
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.trees().get(&tree).and_then(|keys| keys.get(key).cloned()))
    }

    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        let mut trees = self.trees();
        for change in batch.changes {
            match change {
                Change::Put(tree, key, value) => {
                    trees.entry(tree).or_default().insert(key, value);
                }
                Change::Remove(tree, key) => {
                    trees.entry(tree).or_default().remove(&key);
                }
            }
        }
        Ok(())
    }

    fn scan(&self, tree: Tree, scan: Scan) -> Result<Vec<Entry>, StoreError> {
        let trees = self.trees();
        let Some(keys) = trees.get(&tree).filter(|_| !is_empty_range(&scan.from, &scan.to)) else {
            return Ok(Vec::new());
        };
        let range = keys.range((scan.from, scan.to)).map(|(key, value)| (key.clone(), value.clone()));
        Ok(if scan.reverse {
            range.rev().take(scan.limit).collect()
        } else {
            range.take(scan.limit).collect()
        })
    }

    fn flush(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Ranges that end before they begin, on which `BTreeMap::range` panics.
fn is_empty_range(from: &Bound<Vec<u8>>, to: &Bound<Vec<u8>>) -> bool {
    match (from, to) {
        (Bound::Included(from) | Bound::Excluded(from), Bound::Excluded(to)) => from >= to,
        (Bound::Excluded(from), Bound::Included(to)) => from >= to,
        (Bound::Included(from), Bound::Included(to)) => from > to,
        _ => false,
    }
}
