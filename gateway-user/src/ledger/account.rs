//! One budget's numbers: atomics that flows draw on, and the row in the store that keeps ahead of them.
//!
//! At rest `spent + unreconciled + reserved + free = committed + owed`, and the row never says less than `committed`.
//! `committed` is what has been leased from the budget so far. It grows by a block, in the store first and flushed,
//! before any of the block is used: after a crash the row therefore covers all that was delivered.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Budget, BudgetStatus, LedgerError, Nanos};
use crate::store::{Batch, Store, StoreError, Tree};

/// One row for each budget: a version byte, then committed and spent as big-endian nano-dollars.
const BUDGETS: Tree = Tree::named("ledger.budget");

const ROW_VERSION: u8 = 1;

/// A block is this part of what is left of the budget, so blocks shrink towards its end.
const BLOCK_SHARE: u64 = 32;

/// A block is at most this part of the limit: so much is at stake when the gateway is killed.
const BLOCK_OF_LIMIT: u64 = 100;

/// Smaller blocks than a tenth of a cent are not worth a flush; the last such rest is leased whole.
const LEAST_BLOCK: u64 = 1_000_000;

/// A budget in use. All amounts are nano-dollars.
pub(super) struct Account {
    pub(super) budget: Budget,
    /// Leased, and set aside for no flow.
    free: AtomicU64,
    /// Set aside for running flows.
    reserved: AtomicU64,
    /// Settled.
    spent: AtomicU64,
    /// Leased in all; changes only under `lease`.
    committed: AtomicU64,
    /// Settled beyond what was set aside, and not yet part of `committed`.
    owed: AtomicU64,
    /// What an earlier gateway committed and did not settle.
    unreconciled: u64,
    /// Size of the last block; `free` under half of it calls for the next.
    block: AtomicU64,
    /// Flows with a reservation.
    live: AtomicU64,
    lease: Mutex<Row>,
}

/// What the store holds for a budget, as last written.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Row {
    committed: u64,
    spent: u64,
}

/// Why an account gave nothing.
pub(super) enum Denied {
    /// The limit.
    Exhausted,
    /// The store, which must come first.
    Store(StoreError),
}

impl Account {
    /// Takes up a budget where the store says it stands.
    pub(super) fn open(budget: Budget, store: &dyn Store) -> Result<Account, LedgerError> {
        let row = match store.get(BUDGETS, &key(&budget))? {
            None => Row::default(),
            Some(bytes) => {
                Row::decode(&bytes).ok_or_else(|| LedgerError::Row { budget: budget.scope.to_string() })?
            }
        };
        Ok(Account {
            free: AtomicU64::new(0),
            reserved: AtomicU64::new(0),
            spent: AtomicU64::new(row.spent),
            committed: AtomicU64::new(row.committed),
            owed: AtomicU64::new(0),
            unreconciled: row.committed - row.spent,
            block: AtomicU64::new(0),
            live: AtomicU64::new(0),
            lease: Mutex::new(row),
            budget,
        })
    }

    /// Sets `amount` aside if the block has it; never waits. The answer is true when it did.
    pub(super) fn take_free(&self, amount: u64) -> bool {
        let taken = self.free.fetch_update(Relaxed, Relaxed, |free| free.checked_sub(amount)).is_ok();
        if taken {
            self.reserved.fetch_add(amount, Relaxed);
        }
        taken
    }

    /// Sets `amount` aside, leasing a block where that is needed: this may wait for a flush.
    pub(super) fn take(&self, amount: u64, store: &dyn Store) -> Result<(), Denied> {
        if self.take_free(amount) {
            return Ok(());
        }
        let mut row = self.row();
        self.fold_owed();
        // Others may take what was leased before this flow does. Each turn leases, so the room ends the loop.
        while !self.take_free(amount) {
            let missing = amount.saturating_sub(self.free.load(Relaxed));
            let room = self.room();
            if missing > room {
                return Err(Denied::Exhausted);
            }
            let block = self.next_block(room).max(missing);
            match self.write(&mut row, block, store) {
                Ok(()) => self.free.fetch_add(block, Relaxed),
                Err(_) if !self.budget.enforce => {
                    // Such a budget only counts, so it serves on and the store catches up later.
                    self.owed.fetch_add(amount, Relaxed);
                    self.free.fetch_add(amount, Relaxed)
                }
                Err(error) => return Err(Denied::Store(error)),
            };
        }
        Ok(())
    }

    /// Returns what was set aside and not used.
    pub(super) fn give_back(&self, amount: u64) {
        self.reserved.fetch_sub(amount, Relaxed);
        self.free.fetch_add(amount, Relaxed);
    }

    /// Turns `held`, set aside before, into `cost`. Returns how much of `cost` the limit had no room for.
    pub(super) fn settle(&self, held: u64, cost: u64) -> u64 {
        self.spent.fetch_add(cost, Relaxed);
        let Some(beyond) = cost.checked_sub(held).filter(|beyond| *beyond > 0) else {
            self.reserved.fetch_sub(held, Relaxed);
            self.free.fetch_add(held - cost, Relaxed);
            return 0;
        };
        self.reserved.fetch_sub(held, Relaxed);
        let mut from_block = 0;
        let _ = self.free.fetch_update(Relaxed, Relaxed, |free| {
            from_block = free.min(beyond);
            Some(free - from_block)
        });
        let owed = beyond - from_block;
        let room = self.room();
        self.owed.fetch_add(owed, Relaxed);
        if self.budget.enforce { owed.saturating_sub(room) } else { 0 }
    }

    /// A flow begins to draw on this budget.
    pub(super) fn enter(&self) {
        self.live.fetch_add(1, Relaxed);
    }

    /// A flow has been settled.
    pub(super) fn leave(&self) {
        self.live.fetch_sub(1, Relaxed);
    }

    /// How many flows draw on this budget.
    pub(super) fn live(&self) -> u64 {
        self.live.load(Relaxed)
    }

    /// What could still be set aside; without bound where the limit is not enforced.
    pub(super) fn left(&self) -> u64 {
        self.room().saturating_add(self.free.load(Relaxed))
    }

    /// Whether spending and reservations together pass the limit.
    pub(super) fn is_over(&self) -> bool {
        self.used() > self.budget.limit.0
    }

    /// Whether the block is half used up and another can be had.
    pub(super) fn is_low(&self) -> bool {
        self.free.load(Relaxed) < self.block.load(Relaxed) / 2
    }

    /// Spent and set aside.
    pub(super) fn used(&self) -> u64 {
        let settled = self.spent.load(Relaxed).saturating_add(self.unreconciled);
        settled.saturating_add(self.reserved.load(Relaxed))
    }

    /// Brings the row up to date and leases ahead; flushes only what it leased. The answer says whether it wrote.
    pub(super) fn renew(&self, store: &dyn Store) -> Result<bool, StoreError> {
        let mut row = self.row();
        self.fold_owed();
        let room = self.room();
        if self.is_low() && room > 0 {
            let block = self.next_block(room);
            self.write(&mut row, block, store)?;
            self.free.fetch_add(block, Relaxed);
            return Ok(true);
        }
        if room == 0 {
            self.block.store(0, Relaxed);
        }
        self.checkpoint(&mut row, store)
    }

    /// Returns the unused rest of the block to the budget; the caller flushes.
    pub(super) fn close(&self, store: &dyn Store) -> Result<(), StoreError> {
        let mut row = self.row();
        self.fold_owed();
        let free = self.free.swap(0, Relaxed);
        self.block.store(0, Relaxed);
        self.committed.fetch_sub(free, Relaxed);
        self.checkpoint(&mut row, store).map(drop)
    }

    /// Where the budget stands.
    pub(super) fn status(&self) -> BudgetStatus {
        BudgetStatus {
            name: self.budget.scope.to_string(),
            limit: self.budget.limit,
            spent: Nanos(self.spent.load(Relaxed).saturating_add(self.unreconciled)),
            reserved: Nanos(self.reserved.load(Relaxed)),
            unreconciled: Nanos(self.unreconciled),
            enforce: self.budget.enforce,
        }
    }

    fn row(&self) -> MutexGuard<'_, Row> {
        // The row is replaced whole, after its write: a panic leaves the last one written.
        self.lease.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What may still be leased.
    fn room(&self) -> u64 {
        if !self.budget.enforce {
            return u64::MAX - self.committed.load(Relaxed).saturating_add(self.owed.load(Relaxed));
        }
        let taken = self.committed.load(Relaxed).saturating_add(self.owed.load(Relaxed));
        self.budget.limit.0.saturating_sub(taken)
    }

    fn next_block(&self, room: u64) -> u64 {
        let most = (self.budget.limit.0 / BLOCK_OF_LIMIT).max(LEAST_BLOCK);
        let rest = if self.budget.enforce { room / BLOCK_SHARE } else { most };
        rest.clamp(LEAST_BLOCK, most).min(room)
    }

    /// Makes what was settled beyond the blocks part of what is committed. Only under the lease's lock.
    fn fold_owed(&self) {
        self.committed.fetch_add(self.owed.swap(0, Relaxed), Relaxed);
    }

    /// Commits `block` more, durably.
    fn write(&self, row: &mut Row, block: u64, store: &dyn Store) -> Result<(), StoreError> {
        let committed = self.committed.load(Relaxed).saturating_add(block);
        self.put(row, committed, store)?;
        store.flush()?;
        self.committed.store(committed, Relaxed);
        self.block.store(block, Relaxed);
        Ok(())
    }

    /// Writes the row if it has changed; the caller flushes.
    fn checkpoint(&self, row: &mut Row, store: &dyn Store) -> Result<bool, StoreError> {
        let before = *row;
        self.put(row, self.committed.load(Relaxed), store)?;
        Ok(*row != before)
    }

    fn put(&self, row: &mut Row, committed: u64, store: &dyn Store) -> Result<(), StoreError> {
        // Flows settle meanwhile: then the row says a little less was spent, never that less was committed.
        let spent = self.spent.load(Relaxed).min(committed - self.unreconciled.min(committed));
        let next = Row { committed, spent };
        if next == *row {
            return Ok(());
        }
        let mut batch = Batch::new();
        batch.put(BUDGETS, key(&self.budget), next.encode());
        store.write(batch)?;
        *row = next;
        Ok(())
    }
}

impl Row {
    fn encode(self) -> Vec<u8> {
        let mut bytes = vec![ROW_VERSION];
        bytes.extend_from_slice(&self.committed.to_be_bytes());
        bytes.extend_from_slice(&self.spent.to_be_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Row> {
        let number =
            |at: usize| bytes.get(at..at + 8).and_then(|part| part.try_into().ok()).map(u64::from_be_bytes);
        match (bytes.first(), number(1), number(9)) {
            (Some(&ROW_VERSION), Some(committed), Some(spent)) if spent <= committed => {
                Some(Row { committed, spent })
            }
            _ => None,
        }
    }
}

fn key(budget: &Budget) -> Vec<u8> {
    format!("{}\0{}", budget.scope, budget.window.as_str()).into_bytes()
}
