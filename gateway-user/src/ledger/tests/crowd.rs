//! Many threads on one budget: never overspent, nearly all of it usable, nothing left behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;

use super::*;

const THREADS: u64 = 64;

/// Tokens in the longest delta.
const LONGEST: u64 = 8;

/// A small generator: tests must be the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Runs flows until the budget refuses one. The answer is what was delivered: input and granted deltas.
fn spend(ledger: &Ledger, seed: u64, reported: &AtomicU64) -> u64 {
    let mut dice = Dice(seed);
    let mut delivered = 0;
    loop {
        let input = dice.below(200);
        let Ok(mut flow) = reserve(ledger, input) else { return delivered };
        let mut output = 0;
        for _ in 0..dice.below(500) {
            let delta = 1 + dice.below(LONGEST);
            if flow.draw(delta).is_err() {
                break;
            }
            output += delta;
        }
        let cost = input * INPUT + output * OUTPUT;
        match dice.below(4) {
            0 => drop(flow),
            1 => {
                let usage = Usage { input, output, ..Usage::default() };
                let receipt = flow.settle(Settle::Reported(usage));
                reported.fetch_add(u64::from(!receipt.estimated), Relaxed);
            }
            _ => drop(flow.settle(Settle::Counted)),
        }
        delivered += cost;
    }
}

fn check(limit: u64, store: Arc<dyn Store>) {
    let ledger = ledger(store, &[budget(ScopeName::global(), limit, true)]);
    let reported = AtomicU64::new(0);
    let delivered: u64 = thread::scope(|scope| {
        let (ledger, reported) = (&ledger, &reported);
        let threads: Vec<_> =
            (0..THREADS).map(|seed| scope.spawn(move || spend(ledger, seed, reported))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    let (spent, reserved) = stands(&ledger);
    assert_eq!(reserved, 0);
    assert!(delivered <= limit, "delivered {delivered} of {limit}");
    assert!(spent >= delivered, "recorded {spent}, delivered {delivered}");
    assert!(spent <= limit + THREADS * LONGEST * OUTPUT, "spent {spent} of {limit}");
    assert!(spent >= limit / 100 * 99, "only {spent} of {limit} could be spent");
    ledger.close().unwrap();
    assert_eq!(ledger.status()[0].unreconciled, Nanos::ZERO);
}

#[test]
fn sixty_four_threads_spend_one_budget_and_no_more() {
    for limit in [50_000_000, 200_000_000, 1_000_000_000, 3_000_000_001] {
        check(limit, Arc::new(Memory::new()));
    }
}

#[test]
fn sixty_four_threads_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    check(2_000_000_000, Arc::new(Sled::open(dir.path()).unwrap()));
}
