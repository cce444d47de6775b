//! The ledger: all budgets, their prices, and the thread that keeps the store ahead of them.

use std::sync::atomic::{AtomicBool, Ordering::AcqRel, Ordering::Acquire, Ordering::Release};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use jiff::Timestamp;

use super::account::Account;
use super::{Budget, BudgetStatus, Prices, Refused, Reservation, ScopeName};
use crate::store::{Store, StoreError};

/// How old the store's picture of what was spent may grow while nothing calls for a block.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(1);

/// Characters of a client's model name that an error repeats.
const SHOWN_MODEL: usize = 128;

/// Why the ledger could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Two budgets for the same scope and window.
    #[error("budget {0} is given twice: keep one limit for each scope and window")]
    Twice(String),
    /// A row of the store is not one of ours.
    #[error(
        "budget {budget}: its state cannot be read: restore the state folder from a backup, or move it away"
    )]
    Row {
        /// The budget's name.
        budget: String,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No thread.
    #[error("cannot start the ledger's thread: {0}")]
    Thread(std::io::Error),
}

/// All budgets of this gateway. Cheap to share behind an `Arc`; all calls may come from any thread.
pub struct Ledger {
    book: Arc<Book>,
    worker: Mutex<Option<JoinHandle<Result<(), StoreError>>>>,
}

impl Ledger {
    /// Takes the budgets up where the store says they stand and starts the thread that leases ahead.
    ///
    /// What an earlier gateway leased and did not settle, because it was killed, counts as spent.
    pub fn open(store: Arc<dyn Store>, budgets: Vec<Budget>, prices: Prices) -> Result<Ledger, LedgerError> {
        let mut accounts: Vec<Arc<Account>> = Vec::with_capacity(budgets.len());
        for budget in budgets {
            if accounts.iter().any(|a| (&a.budget.scope, a.budget.window) == (&budget.scope, budget.window)) {
                return Err(LedgerError::Twice(budget.scope.to_string()));
            }
            accounts.push(Arc::new(Account::open(budget, &*store)?));
        }
        let book = Arc::new(Book {
            store,
            prices,
            accounts,
            wanted: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            thread: OnceLock::new(),
        });
        let its = Arc::clone(&book);
        let worker = thread::Builder::new().name("ledger".into()).spawn(move || its.keep_ahead());
        let worker = worker.map_err(LedgerError::Thread)?;
        // Nobody else sets it: the book has just been made.
        let _ = book.thread.set(worker.thread().clone());
        Ok(Ledger { book, worker: Mutex::new(Some(worker)) })
    }

    /// Sets aside the cost of `input_tokens` and a first slice of output on each budget of `scopes`, and on the
    /// budgets of [`ScopeName::global`]. With none of them the reservation only counts.
    ///
    /// `now` is for windows that end; [`Window::Total`](super::Window::Total) does not.
    ///
    /// # Errors
    /// An enforced budget cannot pay for the input and one token of output, or cannot be kept; nothing is set aside.
    pub fn reserve(
        &self,
        scopes: &[ScopeName],
        model: &str,
        input_tokens: u64,
        _now: Timestamp,
    ) -> Result<Reservation, Refused> {
        let lines = self.book.lines(scopes);
        let price = self.book.prices.price(model);
        if !price.known
            && self.book.prices.refuses_unknown()
            && let Some(line) = lines.iter().find(|line| line.budget.enforce)
        {
            let model = model.chars().take(SHOWN_MODEL).collect();
            return Err(Refused::UnknownModel { model, budget: line.budget.scope.to_string() });
        }
        Reservation::new(Arc::clone(&self.book), lines, price, input_tokens)
    }

    /// Where each budget stands, in the order given to [`Ledger::open`].
    pub fn status(&self) -> Vec<BudgetStatus> {
        self.book.accounts.iter().map(|account| account.status()).collect()
    }

    /// The prices in use.
    pub fn prices(&self) -> &Prices {
        &self.book.prices
    }

    /// Brings the store up to date; on return it survives a crash.
    pub fn flush(&self) -> Result<(), StoreError> {
        for account in &self.book.accounts {
            account.renew(&*self.book.store)?;
        }
        self.book.store.flush()
    }

    /// Stops the thread and returns what was leased and not used. Settle all flows before: what they still hold
    /// is unreconciled afterwards. Later calls do nothing.
    pub fn close(&self) -> Result<(), StoreError> {
        let worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(worker) = worker else { return Ok(()) };
        self.book.stop();
        // The thread panics only where a store does; then nothing was returned, which errs on the safe side.
        worker.join().unwrap_or(Ok(()))
    }
}

impl Drop for Ledger {
    /// Tells the thread to end; [`Ledger::close`] waits for it.
    fn drop(&mut self) {
        self.book.stop();
    }
}

/// What reservations share with the ledger.
pub(super) struct Book {
    store: Arc<dyn Store>,
    prices: Prices,
    accounts: Vec<Arc<Account>>,
    wanted: AtomicBool,
    stop: AtomicBool,
    thread: OnceLock<Thread>,
}

impl Book {
    pub(super) fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Asks the thread for blocks; does nothing while it has been asked.
    pub(super) fn wake(&self) {
        if !self.wanted.swap(true, AcqRel)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }

    fn stop(&self) {
        self.stop.store(true, Release);
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// The accounts that a flow of `scopes` draws on. There are few budgets, so a search beats a map.
    fn lines(&self, scopes: &[ScopeName]) -> Vec<Arc<Account>> {
        let global = |scope: &ScopeName| scope.as_str() == ScopeName::GLOBAL;
        let applies = |scope: &ScopeName| global(scope) || scopes.contains(scope);
        self.accounts.iter().filter(|account| applies(&account.budget.scope)).cloned().collect()
    }

    /// The thread's life: lease ahead where a block runs low, and keep the store's picture fresh.
    fn keep_ahead(&self) -> Result<(), StoreError> {
        while !self.stop.load(Acquire) {
            thread::park_timeout(CHECKPOINT_EVERY);
            self.wanted.store(false, Release);
            if let Err(error) = self.renew() {
                tracing::error!(%error, "budgets cannot be written ahead; flows are refused once their blocks are used up");
            }
        }
        self.accounts.iter().try_for_each(|account| account.close(&*self.store))?;
        self.store.flush()
    }

    fn renew(&self) -> Result<(), StoreError> {
        let mut wrote = false;
        for account in &self.accounts {
            wrote |= account.renew(&*self.store)?;
        }
        if wrote { self.store.flush() } else { Ok(()) }
    }
}
