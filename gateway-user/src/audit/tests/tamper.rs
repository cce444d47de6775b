//! Every way to falsify the chain is found, and named by its place.

use super::*;
use crate::audit::chain::{self, HEAD, HEAD_KEY, RECORDS};
use crate::store::{Batch, Scan};

/// A chain of five, changed by `tamper`, must fail as `expected`.
fn check(kept: Option<&Head>, expected: Violation, tamper: impl FnOnce(&dyn Store, &mut Batch)) {
    let store = chain_of_five();
    let mut batch = Batch::new();
    tamper(&*store, &mut batch);
    store.write(batch).unwrap();
    assert_eq!(verify(&*store, kept).unwrap(), Err(expected));
}

fn chain_of_five() -> Arc<dyn Store> {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    journal_of(&store, (1..=5).map(|second| record("a", "m", second)));
    store
}

fn key(seq: u64) -> [u8; 8] {
    seq.to_be_bytes()
}

fn value(store: &dyn Store, seq: u64) -> Vec<u8> {
    store.get(RECORDS, &key(seq)).unwrap().unwrap()
}

/// The head that a chain of the first `seq` records has.
fn head_at(store: &dyn Store, seq: u64) -> Head {
    let hash = chain::open(&value(store, seq)).unwrap().hash;
    Head { seq, hash }
}

#[test]
fn an_untouched_chain_verifies_against_older_heads_too() {
    let store = chain_of_five();
    for seq in 1..=5 {
        let verified = verify(&*store, Some(&head_at(&*store, seq))).unwrap().unwrap();
        assert_eq!((verified.records, verified.head.seq), (5, 5));
    }
    let empty = Memory::new();
    assert_eq!(verify(&empty, None).unwrap().unwrap(), Verified { records: 0, head: Head::default() });
}

#[test]
fn every_changed_byte_is_found() {
    let store = chain_of_five();
    let original = value(&*store, 3);
    for at in 0..original.len() {
        let mut changed = original.clone();
        changed[at] ^= 1;
        let mut batch = Batch::new();
        batch.put(RECORDS, key(3), changed);
        store.write(batch).unwrap();
        let found = verify(&*store, None).unwrap().expect_err("a byte was changed");
        assert!(matches!(found, Violation::Edited(3) | Violation::Unreadable(3)), "{at}: {found}");
    }
}

#[test]
fn gaps_reordering_and_cut_tails_are_found() {
    check(None, Violation::Gap { expected: 1, found: 2 }, |_, batch| {
        batch.remove(RECORDS, key(1));
    });
    check(None, Violation::Gap { expected: 3, found: 4 }, |_, batch| {
        batch.remove(RECORDS, key(3));
    });
    check(None, Violation::Tail { expected: 5, found: 4 }, |_, batch| {
        batch.remove(RECORDS, key(5));
    });
    check(None, Violation::Edited(2), |store, batch| {
        batch.put(RECORDS, key(2), value(store, 4)).put(RECORDS, key(4), value(store, 2));
    });
    check(None, Violation::Unreadable(2), |_, batch| {
        batch.put(RECORDS, key(2), "short");
    });
    check(None, Violation::Rewritten(5), |store, batch| {
        let head = Head { seq: 5, hash: head_at(store, 4).hash };
        batch.put(HEAD, HEAD_KEY, chain::encode_head(head));
    });
}

/// Who can write the store can make a chain that is sound in itself; only a head kept elsewhere tells.
#[test]
fn a_chain_made_anew_is_found_by_a_kept_head() {
    let original = chain_of_five();
    let kept = head_at(&*original, 4);

    let cut = |store: &dyn Store, batch: &mut Batch| {
        let head = chain::encode_head(head_at(store, 3));
        batch.remove(RECORDS, key(4)).remove(RECORDS, key(5)).put(HEAD, HEAD_KEY, head);
    };
    check(Some(&kept), Violation::Tail { expected: 4, found: 3 }, cut);

    let store = chain_of_five();
    let anew: Vec<Record> = (1..=6).map(|second| record("forged", "m", second)).collect();
    let mut batch = Batch::new();
    for (key, _) in store.scan(RECORDS, Scan::all(9)).unwrap() {
        batch.remove(RECORDS, key);
    }
    batch.remove(HEAD, HEAD_KEY);
    store.write(batch).unwrap();
    journal_of(&store, anew);
    assert!(verify(&*store, None).unwrap().is_ok());
    assert_eq!(verify(&*store, Some(&kept)).unwrap(), Err(Violation::Rewritten(4)));
}

#[test]
fn a_record_sealed_behind_another_is_found() {
    check(None, Violation::Moved(3), |store, batch| {
        let json = chain::open(&value(store, 3)).unwrap().json.to_vec();
        let elsewhere = Head { seq: 2, hash: Digest::of(b"elsewhere") };
        batch.put(RECORDS, key(3), chain::seal(elsewhere, &json).1);
    });
}

/// A gateway that starts on a cut chain goes on behind the head, so the gap can never be covered up.
#[test]
fn a_restart_does_not_heal_a_cut_tail() {
    let store = chain_of_five();
    let mut batch = Batch::new();
    batch.remove(RECORDS, key(4)).remove(RECORDS, key(5));
    store.write(batch).unwrap();
    journal_of(&store, [record("a", "m", 6)]);
    assert_eq!(verify(&*store, None).unwrap(), Err(Violation::Gap { expected: 4, found: 6 }));
}
