//! The writer of records: one queue in, one thread that seals, writes and flushes.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::chain::{self, HEAD, HEAD_KEY, Head, RECORDS};
use super::queue::Queue;
use super::record::Record;
use crate::store::{Batch, Store, StoreError};

/// Records that may wait to be written. The writer does tens of thousands a second, so only a stalled disk fills it.
const QUEUE: usize = 2048;

/// How long [`Journal::append`] waits for room in a full queue.
const PATIENCE: Duration = Duration::from_secs(1);

/// Records written in one batch: enough to share what a write costs, few enough not to keep a flow from its processor.
const BATCH: usize = 128;

/// How long a written record may wait for the flush, which serves all that came meanwhile.
const FLUSH_WITHIN: Duration = Duration::from_millis(100);

/// How long to wait before writing again what the store refused.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// How often a refused batch is tried again once the journal is closing.
const LAST_TRIES: u32 = 3;

/// How long [`Journal::sync`] waits.
const SYNC_PATIENCE: Duration = Duration::from_secs(10);

/// Why the journal could not be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The head is not of the form that this version writes.
    #[error("the audit chain's head cannot be read: restore the state folder from a backup, or move it away")]
    Head,
    /// A record is not of the form that this version reads.
    #[error("audit record {seq} cannot be read: run `gateway audit verify`")]
    Record {
        /// Its place in the chain.
        seq: u64,
    },
    /// No thread.
    #[error("cannot start the audit thread: {0}")]
    Thread(std::io::Error),
}

/// A record that was not taken, given back.
#[derive(Debug, thiserror::Error)]
#[error("flow {} is not recorded: the journal is closed, or its store has been stalled for a second", .0.id)]
pub struct NotRecorded(pub Box<Record>);

/// Takes records from any thread and writes them in the order in which they came.
pub struct Journal {
    queue: Arc<Queue<Record>>,
    writer: Mutex<Option<JoinHandle<bool>>>,
}

impl Journal {
    /// Continues the chain in `store`, or begins one.
    pub fn open(store: Arc<dyn Store>) -> Result<Journal, AuditError> {
        let head = chain::end(&*store)?;
        let queue = Arc::new(Queue::new(QUEUE, BATCH));
        let writer = Writer { store, queue: Arc::clone(&queue), head };
        let writer = thread::Builder::new().name("audit".into()).spawn(move || writer.run());
        let writer = writer.map_err(AuditError::Thread)?;
        Ok(Journal { queue, writer: Mutex::new(Some(writer)) })
    }

    /// Hands a record over; it can be read a moment later and survives a crash at most 120 ms after that.
    ///
    /// Waits only while thousands of records wait before it, which takes a stalled disk, and then at most a second:
    /// the gateway slows down rather than forgets.
    ///
    /// # Errors
    /// The record, where there was still no room or the journal is closed. It is the caller's to report.
    pub fn append(&self, record: Record) -> Result<(), NotRecorded> {
        self.queue.put(record, PATIENCE).map_err(|record| NotRecorded(Box::new(record)))
    }

    /// Waits until all records handed over so far are written and flushed, at most ten seconds; tells whether they are.
    pub fn sync(&self) -> bool {
        self.queue.settled(SYNC_PATIENCE)
    }

    /// Writes and flushes what is left and ends the thread; tells whether everything was written.
    pub fn close(&self) -> bool {
        self.queue.close();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        writer.is_none_or(|writer| writer.join().unwrap_or(false))
    }
}

impl Drop for Journal {
    /// Tells the thread to write what is left and end; [`Journal::close`] waits for it.
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// How far this thread stands behind the flows where they share a processor, as `nice(1)` counts.
const NICENESS: libc::c_int = 10;

/// Lowers the calling thread's priority, so that a batch of records never holds up a flow. That it cannot is no harm.
fn step_back() {
    // SAFETY: setpriority takes plain numbers; 0 stands for the calling thread (setpriority(2), Linux).
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICENESS) };
}

struct Writer {
    store: Arc<dyn Store>,
    queue: Arc<Queue<Record>>,
    head: Head,
}

impl Writer {
    /// The thread's life; tells whether nothing was lost.
    fn run(mut self) -> bool {
        step_back();
        let mut flush_at: Option<Instant> = None;
        let mut whole = true;
        while let Some(records) = self.queue.take(flush_at) {
            whole &= self.write(&records);
            thread::yield_now();
            // Records that keep coming do not put the flush off.
            let due = *flush_at.get_or_insert_with(|| Instant::now() + FLUSH_WITHIN);
            if Instant::now() >= due {
                whole &= self.flush();
                flush_at = None;
            }
        }
        // The head is written behind the first flush, and made durable by the second.
        whole & self.flush() & self.flush()
    }

    /// Writes what gathered at once: each write wakes the store's own threads.
    fn write(&mut self, records: &[Record]) -> bool {
        let (mut batch, mut head) = (Batch::new(), self.head);
        for record in records {
            // Maps with other than text keys, which is what JSON cannot hold, are no part of a record.
            let json = serde_json::to_vec(record).expect("a record is plain JSON");
            let (next, value) = chain::seal(head, &json);
            batch.put(RECORDS, next.seq.to_be_bytes(), value);
            head = next;
        }
        let written = batch.is_empty() || self.persist(|writer| writer.store.write(batch.clone()));
        if written {
            self.head = head;
        } else {
            let flows: Vec<String> = records.iter().map(|record| record.id.to_string()).collect();
            tracing::error!(?flows, "records are lost: the store took none while closing");
        }
        written
    }

    /// Makes the records durable, and then says so: a head in the store is never ahead of its records.
    fn flush(&self) -> bool {
        let mut head = Batch::new();
        head.put(HEAD, HEAD_KEY, chain::encode_head(self.head));
        let flushed =
            self.persist(|writer| writer.store.flush().and_then(|()| writer.store.write(head.clone())));
        self.queue.done();
        flushed
    }

    /// Tries until the store takes it; once the journal is closing only a few times more.
    fn persist(&self, attempt: impl Fn(&Writer) -> Result<(), StoreError>) -> bool {
        let mut last_tries = 0;
        while let Err(error) = attempt(self) {
            tracing::error!(%error, "audit records cannot be written; trying again");
            last_tries += u32::from(self.queue.is_closed());
            if last_tries >= LAST_TRIES {
                return false;
            }
            thread::park_timeout(RETRY_AFTER);
        }
        true
    }
}
