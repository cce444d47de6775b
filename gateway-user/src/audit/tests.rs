//! Records come back as written, in one chain that shows every kind of tampering, and none is lost.

mod crash;
mod tamper;

use std::sync::Arc;
use std::thread;

use jiff::Timestamp;

use super::*;
use crate::inspect::Action;
use crate::ledger::Nanos;
use crate::store::{Memory, Sled, Store};
use crate::wire::event::{Direction, Kind, Usage};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// A record of a flow that started at `second`; its numbers follow from it.
fn record(app: &str, model: &str, second: i64) -> Record {
    let principal = Principal { app: app.to_owned(), pid: Some(7), uid: Some(0), ..Principal::default() };
    let start = at(second);
    let record = Record::begin(FlowId::mint(start), start, "transparent", principal, "api.openai.com");
    let tokens = Usage { input: 10, cached_input: 5, output: second as u64, ..Usage::default() };
    Record { model: Some(model.to_owned()), tokens, cost: Nanos(second as u64), status: 200, ..record }
}

/// A record with every field filled in.
fn full_record() -> Record {
    let findings = vec![Finding {
        rule: "openai_key".into(),
        direction: Direction::Request,
        kind: Kind::ToolResult,
        action: Action::Redact,
        count: 2,
        digest: "00ff".into(),
    }];
    Record {
        original: Some("[2001:db8::1]:443".parse().unwrap()),
        method: "POST".into(),
        path: "/v1/chat/completions".into(),
        provider: Some("openai".into()),
        dialect: Some("openai_chat".into()),
        stream: true,
        bytes_up: 1,
        bytes_down: u64::MAX,
        estimated: true,
        findings,
        verdict: Verdict::Redacted,
        reason: "a \"key\"\n".into(),
        request: Bodies { before: Some(Digest::of(b"a")), after: Some(Digest::of(b"b")) },
        timings: Timings { total: 3, ttft: 2, added: 1 },
        ..record("coder", "gpt-4o", 1)
    }
}

fn journal_of(store: &Arc<dyn Store>, records: impl IntoIterator<Item = Record>) {
    let journal = Journal::open(Arc::clone(store)).unwrap();
    for record in records {
        journal.append(record).unwrap();
    }
    assert!(journal.close());
}

fn stores() -> (Vec<Arc<dyn Store>>, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (vec![Arc::new(Memory::new()), Arc::new(Sled::open(dir.path()).unwrap())], dir)
}

#[test]
fn a_record_comes_back_as_it_was_written() {
    let (stores, _dir) = stores();
    for store in stores {
        let written = [full_record(), record("b", "m", 2)];
        journal_of(&store, written.clone());
        let found = list(&*store, &Filter::default(), 9).unwrap();
        let records: Vec<&Record> = found.iter().map(|sealed| &sealed.record).collect();
        assert_eq!(records, [&written[1], &written[0]]);
        assert_eq!((found[0].seq, found[0].prev, found[1].prev), (2, found[1].hash, Digest::default()));
        let text = serde_json::to_string(&found[1]).unwrap();
        assert_eq!(serde_json::from_str::<Sealed>(&text).unwrap(), found[1], "{text}");
        assert!(text.contains(r#""start":"2027-01-15T08:00:01Z""#), "{text}");
    }
}

#[test]
fn the_chain_goes_on_after_a_restart() {
    let (stores, _dir) = stores();
    for store in stores {
        for turn in 0..3 {
            journal_of(&store, (0..10).map(|second| record("a", "m", turn * 10 + second)));
        }
        let verified = verify(&*store, None).unwrap().unwrap();
        assert_eq!(verified.records, 30);
        assert_eq!(head(&*store).unwrap(), verified.head);
    }
}

/// Hands a record over as often as a busy machine makes it come back.
fn append(journal: &Journal, mut record: Record) {
    for _ in 0..60 {
        match journal.append(record) {
            Ok(()) => return,
            Err(NotRecorded(back)) => record = *back,
        }
    }
    panic!("the journal took no record for a minute");
}

#[test]
fn many_threads_lose_no_record() {
    const THREADS: i64 = 16;
    const EACH: i64 = 1_000;
    let (stores, _dir) = stores();
    for store in stores {
        let journal = Journal::open(Arc::clone(&store)).unwrap();
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| (0..EACH).for_each(|second| append(&journal, record("a", "m", second))));
            }
        });
        assert!(journal.sync());
        let verified = verify(&*store, None).unwrap().unwrap();
        assert_eq!(verified.records, (THREADS * EACH) as u64);
        assert!(journal.close());
        let late = record("late", "m", 1);
        let NotRecorded(back) = journal.append(late.clone()).expect_err("the journal is closed");
        assert_eq!(*back, late);
    }
}

#[test]
fn filters_take_what_they_say() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let mut records: Vec<Record> = (0..600).map(|second| record("a", "m", second)).collect();
    records[3].verdict = Verdict::Blocked;
    records[4] = record("b", "other", 4);
    journal_of(&store, records);
    let filter = Filter::default;
    for (filter, limit, expected) in [
        (filter(), 2, vec![599, 598]),
        (filter(), 0, vec![]),
        (Filter { app: Some("b".into()), ..filter() }, 9, vec![4]),
        (Filter { model: Some("other".into()), ..filter() }, 9, vec![4]),
        (Filter { host: Some("example.com".into()), ..filter() }, 9, vec![]),
        (Filter { verdict: Some(Verdict::Blocked), ..filter() }, 9, vec![3]),
        (Filter { since: Some(at(10)), until: Some(at(12)), ..filter() }, 9, vec![11, 10]),
    ] {
        let found = list(&*store, &filter, limit).unwrap();
        let seconds: Vec<u64> = found.iter().map(|sealed| sealed.record.cost.0).collect();
        assert_eq!(seconds, expected, "{filter:?}");
    }
}

#[test]
fn a_flow_is_found_by_the_beginning_of_its_id() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let records = [record("a", "m", 1), record("a", "m", 1), record("a", "m", 9_999_999)];
    journal_of(&store, records.clone());
    for record in &records {
        for prefix in [record.id.to_string(), record.id.to_string().to_uppercase()] {
            match get(&*store, &prefix).unwrap() {
                Lookup::Found(sealed) => assert_eq!(&sealed.record, record),
                other => panic!("{prefix}: {other:?}"),
            }
        }
    }
    let first = records[0].id.to_string();
    assert_eq!(get(&*store, &first[..9]).unwrap(), Lookup::Several(2));
    let long = format!("{first}0");
    for prefix in ["", "zz", "%", &long] {
        assert_eq!(get(&*store, prefix).unwrap(), Lookup::None, "{prefix}");
    }
}

#[test]
fn spending_is_summed_by_group() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let relayed = Record { verdict: Verdict::Relayed, model: None, ..record("a", "x", 50) };
    let refused = Record { verdict: Verdict::Refused, model: None, ..record("a", "x", 0) };
    journal_of(&store, [record("a", "m", 1), full_record(), record("a", "n", 3), relayed, refused]);
    let names = |by| -> Vec<(String, u64, u64)> {
        let sums = usage(&*store, &Filter::default(), by).unwrap();
        sums.into_iter().map(|spend| (spend.name, spend.flows, spend.cost.0)).collect()
    };
    let row = |name: &str, flows, cost| (name.to_owned(), flows, cost);
    assert_eq!(names(Group::App), [row("a", 3, 4), row("coder", 1, 1)]);
    assert_eq!(names(Group::Model), [row("-", 1, 0), row("gpt-4o", 1, 1), row("m", 1, 1), row("n", 1, 3)]);
    assert_eq!(names(Group::AppAndModel)[1], row("a m", 1, 1));
    let of_coder = Filter { app: Some("coder".into()), ..Filter::default() };
    let expected = Spend {
        name: "coder".into(),
        flows: 1,
        input: 15,
        output: 1,
        cost: Nanos(1),
        estimated: Nanos(1),
        findings: 2,
        stopped: 0,
    };
    assert_eq!(usage(&*store, &of_coder, Group::App).unwrap(), [expected]);
}
