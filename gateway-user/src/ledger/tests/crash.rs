//! The gateway is killed with -9 in the middle of a stream: the store says at least what was delivered.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use super::*;

/// Names the state folder to the child, which is this test run once more.
const CHILD: &str = "GATEWAY_TEST_LEDGER_CHILD";

const LIMIT: u64 = 2_000_000_000;

/// What may count as spent beyond what was delivered: blocks and slices are small against the limit.
const BOUND: u64 = LIMIT / 20;

#[test]
fn a_killed_gateway_has_spent_at_least_what_it_delivered() {
    if let Some(dir) = env::var_os(CHILD) {
        return stream_for_ever(Path::new(&dir));
    }
    let dir = tempfile::tempdir().unwrap();
    let mut delivered = 0;
    let mut allowed = BOUND;
    for deltas in [1, 40, 300, 3_000] {
        delivered += run_and_kill(dir.path(), deltas);
        let ledger =
            ledger(Arc::new(Sled::open(dir.path()).unwrap()), &[budget(ScopeName::global(), LIMIT, true)]);
        let status = &ledger.status()[0];
        assert!(status.spent.0 >= delivered, "delivered {delivered}, recorded {}", status.spent);
        assert!(status.spent.0 <= delivered + allowed, "delivered {delivered}, recorded {}", status.spent);
        assert!(status.unreconciled.0 > 0 && status.reserved.0 == 0);
        allowed += BOUND;
        ledger.close().unwrap();
    }
}

/// Lets a gateway deliver at least so many deltas, kills it, and returns the cost of all it delivered.
fn run_and_kill(dir: &Path, deltas: usize) -> u64 {
    let name = "ledger::tests::crash::a_killed_gateway_has_spent_at_least_what_it_delivered";
    let mut child = Command::new(env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env(CHILD, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut seen = 0;
    let mut count = |line: std::io::Result<String>| {
        let delivered = line.ok().and_then(|line| line.strip_prefix("delivered ")?.parse::<u64>().ok());
        seen += usize::from(delivered.is_some());
        (seen, delivered.unwrap_or(0))
    };
    let mut delivered = 0;
    for line in lines.by_ref() {
        let (seen, cost) = count(line);
        delivered += cost;
        if seen >= deltas {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    delivered + lines.map(|line| count(line).1).sum::<u64>()
}

/// The child: flow after flow, saying what it delivered once the ledger has allowed it.
fn stream_for_ever(dir: &Path) {
    let ledger = ledger(Arc::new(Sled::open(dir).unwrap()), &[budget(ScopeName::global(), LIMIT, true)]);
    loop {
        let mut flow = reserve(&ledger, 100).expect("the parent kills before the budget is used up");
        println!("delivered {}", 100 * INPUT);
        for _ in 0..200 {
            flow.draw(3).expect("as above");
            println!("delivered {}", 3 * OUTPUT);
        }
        flow.settle(Settle::Counted);
    }
}
