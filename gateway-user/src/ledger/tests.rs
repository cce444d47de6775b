//! Budgets hold: exactly for one flow, under many threads, over restarts and when the gateway is killed.

mod crash;
mod crowd;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use jiff::Timestamp;

use super::*;
use crate::store::{Batch, Entry, Memory, Scan, Sled, Store, StoreError, Tree};
use crate::wire::event::Usage;

/// A model at $2.50 and $10.00 per million tokens: 2,500 and 10,000 nano-dollars a token.
const MODEL: &str = "gpt-4o";
const INPUT: u64 = 2_500;
const OUTPUT: u64 = 10_000;

fn budget(scope: ScopeName, nanos: u64, enforce: bool) -> Budget {
    Budget { scope, limit: Nanos(nanos), window: Window::Total, enforce }
}

fn ledger(store: Arc<dyn Store>, budgets: &[Budget]) -> Ledger {
    Ledger::open(store, budgets.to_vec(), Prices::builtin()).unwrap()
}

fn in_memory(budgets: &[Budget]) -> Ledger {
    ledger(Arc::new(Memory::new()), budgets)
}

fn reserve(ledger: &Ledger, input_tokens: u64) -> Result<Reservation, Refused> {
    ledger.reserve(&[ScopeName::app("coder")], MODEL, input_tokens, Timestamp::UNIX_EPOCH)
}

/// Draws single tokens until refused; the answer is how many were granted.
fn draw_all(reservation: &mut Reservation, most: u64) -> u64 {
    (0..most).take_while(|_| reservation.draw(1).is_ok()).count() as u64
}

/// Where the first budget stands: spent, reserved.
fn stands(ledger: &Ledger) -> (u64, u64) {
    let status = &ledger.status()[0];
    (status.spent.0, status.reserved.0)
}

#[test]
fn one_flow_is_cut_at_the_very_token_its_budget_ends() {
    for tokens in [1, 2, 3, 255, 256, 257, 1_000, 20_000] {
        let ledger = in_memory(&[budget(ScopeName::global(), 100 * INPUT + tokens * OUTPUT, true)]);
        let mut flow = reserve(&ledger, 100).unwrap();
        assert_eq!(draw_all(&mut flow, tokens + 9), tokens, "{tokens}");
        let receipt = flow.settle(Settle::Counted);
        assert_eq!(receipt.overshoot, Nanos(OUTPUT), "the delta that was refused");
        assert_eq!(stands(&ledger), (100 * INPUT + (tokens + 1) * OUTPUT, 0));
    }
}

#[test]
fn a_request_is_refused_that_leaves_no_room_for_an_answer() {
    for (limit, granted) in [(100 * INPUT + OUTPUT, true), (100 * INPUT + OUTPUT - 1, false), (0, false)] {
        let ledger = in_memory(&[budget(ScopeName::app("coder"), limit, true)]);
        match reserve(&ledger, 100) {
            Ok(_) => assert!(granted, "{limit}"),
            Err(Refused::Exhausted { budget, needed, .. }) => {
                assert!(!granted, "{limit}");
                assert_eq!((budget.as_str(), needed.0), ("app:coder", 100 * INPUT + OUTPUT));
            }
            Err(other) => panic!("{other}"),
        }
        assert_eq!(stands(&ledger).1, 0, "nothing stays set aside");
    }
}

#[test]
fn settling_charges_what_the_outcome_says() {
    let usage = Usage { input: 90, cached_input: 10, cache_write: 0, output: 50, reasoning: 20 };
    let counted = 100 * INPUT + 30 * OUTPUT;
    let cases = [
        (Settle::Counted, counted, (100, 30), true),
        (Settle::Nothing, 0, (0, 0), false),
        (Settle::Reported(Usage::default()), counted, (100, 30), true),
        (Settle::Reported(usage), 90 * INPUT + 10 * INPUT / 2 + 50 * OUTPUT, (100, 50), false),
        (Settle::InputReported(usage), 90 * INPUT + 10 * INPUT / 2 + 50 * OUTPUT, (100, 50), true),
        (
            Settle::InputReported(Usage { output: 1, ..usage }),
            90 * INPUT + 10 * INPUT / 2 + 30 * OUTPUT,
            (100, 30),
            true,
        ),
    ];
    for (outcome, cost, (input, output), estimated) in cases {
        let ledger = in_memory(&[budget(ScopeName::global(), 1_000_000_000, true)]);
        let mut flow = reserve(&ledger, 100).unwrap();
        assert_eq!(stands(&ledger), (0, 100 * INPUT + (SLICE + 1) * OUTPUT));
        flow.draw(30).unwrap();
        let receipt = flow.settle(outcome);
        assert_eq!(
            (receipt.cost, receipt.input, receipt.output),
            (Nanos(cost), input, output),
            "{outcome:?}"
        );
        assert_eq!((receipt.estimated, receipt.overshoot, receipt.priced), (estimated, Nanos::ZERO, true));
        assert_eq!(stands(&ledger), (cost, 0), "{outcome:?}");
    }
}

const SLICE: u64 = slice::SLICE_TOKENS;

#[test]
fn a_dropped_flow_is_charged_and_holds_nothing() {
    let ledger = in_memory(&[budget(ScopeName::global(), 1_000_000_000, true)]);
    let mut flow = reserve(&ledger, 100).unwrap();
    flow.draw(7).unwrap();
    drop(flow);
    assert_eq!(stands(&ledger), (100 * INPUT + 7 * OUTPUT, 0));
}

#[test]
fn every_budget_that_applies_is_charged_and_the_smallest_decides() {
    let budgets = [
        budget(ScopeName::global(), 1_000_000_000, true),
        budget(ScopeName::app("coder"), 20 * OUTPUT, true),
        budget(ScopeName::app("other"), 1, true),
    ];
    let ledger = in_memory(&budgets);
    let mut flow = reserve(&ledger, 0).unwrap();
    assert_eq!(draw_all(&mut flow, 99), 20);
    flow.settle(Settle::Reported(Usage { output: 20, ..Usage::default() }));
    let spent: Vec<u64> = ledger.status().iter().map(|status| status.spent.0).collect();
    assert_eq!(spent, [20 * OUTPUT, 20 * OUTPUT, 0]);
    assert!(matches!(reserve(&ledger, 0), Err(refused) if refused.budget() == "app:coder"));
    let reserved: Vec<u64> = ledger.status().iter().map(|status| status.reserved.0).collect();
    assert_eq!(reserved, [0, 0, 0], "the refusal gave back what the global budget had granted");
}

#[test]
fn without_a_budget_a_flow_is_only_counted() {
    let ledger = in_memory(&[]);
    let mut flow = reserve(&ledger, 100).unwrap();
    assert_eq!(draw_all(&mut flow, 10_000), 10_000);
    let receipt = flow.settle(Settle::Counted);
    assert_eq!(receipt.cost, Nanos(100 * INPUT + 10_000 * OUTPUT));
}

#[test]
fn a_budget_that_only_reports_warns_and_lets_pass() {
    let ledger = in_memory(&[budget(ScopeName::global(), 50 * OUTPUT, false)]);
    let mut flow = reserve(&ledger, 0).unwrap();
    assert!(flow.warning().is_none());
    assert_eq!(draw_all(&mut flow, 5_000), 5_000);
    let receipt = flow.settle(Settle::Counted);
    assert_eq!((receipt.over_limit, receipt.overshoot), (true, Nanos::ZERO));
    let flow = reserve(&ledger, 0).unwrap();
    assert!(matches!(flow.warning(), Some(Refused::Exhausted { budget, .. }) if budget == "global"));
    flow.settle(Settle::Nothing);
    assert_eq!(stands(&ledger), (5_000 * OUTPUT, 0));
}

#[test]
fn usage_above_the_estimate_is_charged_in_full() {
    let ledger = in_memory(&[budget(ScopeName::global(), 1_000 * OUTPUT, true)]);
    let flow = reserve(&ledger, 0).unwrap();
    let receipt =
        flow.settle(Settle::Reported(Usage { output: 1_500, reasoning: 1_400, ..Usage::default() }));
    assert_eq!(receipt.overshoot, Nanos(500 * OUTPUT));
    assert_eq!(stands(&ledger), (1_500 * OUTPUT, 0));
    assert!(reserve(&ledger, 0).is_err());
}

#[test]
fn models_without_a_price_follow_the_rule() {
    for (rule, enforce, expected) in [
        (UnknownModel::Refuse, true, None),
        (UnknownModel::Refuse, false, Some(600)),
        (UnknownModel::Highest, true, Some(600)),
        (UnknownModel::Free, true, Some(0)),
    ] {
        let budgets = vec![budget(ScopeName::global(), u64::MAX / 2, enforce)];
        let prices = Prices::builtin().with_unknown(rule);
        let ledger = Ledger::open(Arc::new(Memory::new()), budgets, prices).unwrap();
        let flow = ledger.reserve(&[], "our-own-model", 0, Timestamp::UNIX_EPOCH);
        let cost = flow.ok().map(|mut flow| {
            flow.draw(1_000_000).unwrap();
            let receipt = flow.settle(Settle::Counted);
            assert!(!receipt.priced);
            receipt.cost
        });
        assert_eq!(cost, expected.map(|dollars| Nanos(dollars * 1_000_000_000)), "{rule:?}");
    }
}

#[test]
fn spending_outlives_the_gateway_and_an_orderly_end_leaves_nothing_unreconciled() {
    let dir = tempfile::tempdir().unwrap();
    let budgets = [budget(ScopeName::global(), 1_000_000_000, true)];
    for turn in 1..=3 {
        let ledger = ledger(Arc::new(Sled::open(dir.path()).unwrap()), &budgets);
        let mut flow = reserve(&ledger, 0).unwrap();
        flow.draw(1_000).unwrap();
        flow.settle(Settle::Counted);
        ledger.close().unwrap();
        ledger.close().unwrap();
        let status = &ledger.status()[0];
        assert_eq!((status.spent.0, status.unreconciled.0), (turn * 1_000 * OUTPUT, 0));
    }
}

#[test]
fn two_limits_for_one_scope_are_refused() {
    let twice = vec![budget(ScopeName::global(), 1, true), budget(ScopeName::global(), 2, true)];
    let error = Ledger::open(Arc::new(Memory::new()), twice, Prices::builtin()).err().expect("given twice");
    assert!(matches!(&error, LedgerError::Twice(name) if name == "global"), "{error}");
}

/// A store that stops taking writes when told to.
struct Failing {
    inner: Memory,
    fails: AtomicBool,
}

impl Store for Failing {
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.get(tree, key)
    }

    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        if self.fails.load(Relaxed) {
            let source = std::io::Error::from(std::io::ErrorKind::StorageFull);
            return Err(StoreError::Io { dir: "test".into(), doing: "write", source });
        }
        self.inner.write(batch)
    }

    fn scan(&self, tree: Tree, scan: Scan) -> Result<Vec<Entry>, StoreError> {
        self.inner.scan(tree, scan)
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.inner.flush()
    }
}

#[test]
fn a_store_that_fails_stops_enforced_budgets_only() {
    for enforce in [true, false] {
        let store = Arc::new(Failing { inner: Memory::new(), fails: AtomicBool::new(true) });
        let ledger = ledger(store.clone(), &[budget(ScopeName::global(), 1_000_000_000, enforce)]);
        match reserve(&ledger, 100) {
            Ok(mut flow) => {
                assert!(!enforce);
                assert_eq!(draw_all(&mut flow, 1_000), 1_000);
                assert_eq!(flow.settle(Settle::Counted).cost, Nanos(100 * INPUT + 1_000 * OUTPUT));
                assert_eq!(stands(&ledger), (100 * INPUT + 1_000 * OUTPUT, 0));
            }
            Err(refused) => assert!(enforce && matches!(refused, Refused::Store { .. }), "{refused}"),
        }
        store.fails.store(false, Relaxed);
        reserve(&ledger, 100).expect("the store works again").settle(Settle::Nothing);
    }
}
