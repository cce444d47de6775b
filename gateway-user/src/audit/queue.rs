//! The bounded queue between flows and the thread that writes.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Items that pass from many threads to one. Nothing is dropped while it is open.
pub(super) struct Queue<T> {
    inner: Mutex<Inner<T>>,
    /// The first item after none, or closed.
    filled: Condvar,
    /// As many items as are taken at once, closed, or somebody waits for them.
    gathered: Condvar,
    /// Room to put, or everything written.
    emptied: Condvar,
    room: usize,
    batch: usize,
}

/// How long the taker lets items gather after the first. Waking it for each would cost every flow a switch of threads.
const GATHER: Duration = Duration::from_millis(20);

struct Inner<T> {
    items: VecDeque<T>,
    /// How many were put, taken, and reported as done, since the beginning.
    put: u64,
    taken: u64,
    done: u64,
    closed: bool,
    /// How many wait in [`Queue::settled`].
    hurried: u32,
}

impl<T> Queue<T> {
    /// A queue for at most `room` items, of which up to `batch` are taken at once.
    pub(super) fn new(room: usize, batch: usize) -> Queue<T> {
        let inner = Inner { items: VecDeque::new(), put: 0, taken: 0, done: 0, closed: false, hurried: 0 };
        let [filled, gathered, emptied] = [const { Condvar::new() }; 3];
        Queue { inner: Mutex::new(inner), filled, gathered, emptied, room, batch }
    }

    /// Adds an item, waiting at most `patience` for room. Hands it back when there was none, or when closed.
    pub(super) fn put(&self, item: T, patience: Duration) -> Result<(), T> {
        let mut inner = self.lock();
        if inner.items.len() >= self.room {
            let full = |inner: &mut Inner<T>| inner.items.len() >= self.room && !inner.closed;
            let waited = self.emptied.wait_timeout_while(inner, patience, full);
            inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        if inner.closed || inner.items.len() >= self.room {
            return Err(item);
        }
        inner.items.push_back(item);
        inner.put += 1;
        match inner.items.len() {
            1 => self.filled.notify_one(),
            length if length == self.batch => self.gathered.notify_one(),
            _ => {}
        }
        Ok(())
    }

    /// Takes a batch, waiting for its first item until `deadline`, or for ever, and for more to gather.
    /// None: the queue is closed and empty. An empty list: the deadline has come.
    pub(super) fn take(&self, deadline: Option<Instant>) -> Option<Vec<T>> {
        let mut inner = self.lock();
        while inner.items.is_empty() {
            if inner.closed {
                return None;
            }
            inner = match deadline {
                None => self.filled.wait(inner).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Some(Vec::new());
                    }
                    self.filled.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        let gathering =
            |inner: &mut Inner<T>| inner.items.len() < self.batch && !inner.closed && inner.hurried == 0;
        let waited = self.gathered.wait_timeout_while(inner, GATHER, gathering);
        inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        let count = inner.items.len().min(self.batch);
        inner.taken += count as u64;
        let items = inner.items.drain(..count).collect();
        self.emptied.notify_all();
        Some(items)
    }

    /// All items taken so far are dealt with.
    pub(super) fn done(&self) {
        let mut inner = self.lock();
        inner.done = inner.taken;
        self.emptied.notify_all();
    }

    /// Waits until everything put so far is dealt with, at most `patience`; tells whether it is.
    pub(super) fn settled(&self, patience: Duration) -> bool {
        let mut inner = self.lock();
        let all = inner.put;
        inner.hurried += 1;
        self.gathered.notify_one();
        let waited = self.emptied.wait_timeout_while(inner, patience, |inner| inner.done < all);
        let (mut inner, outcome) = waited.unwrap_or_else(PoisonError::into_inner);
        inner.hurried -= 1;
        !outcome.timed_out()
    }

    /// Lets nothing more in; what is in can still be taken.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
        self.gathered.notify_all();
        self.emptied.notify_all();
    }

    /// Whether [`close`](Queue::close) was called.
    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        // The list is changed by single calls that do not panic half way.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
