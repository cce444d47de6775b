//! The gateway is killed with -9: the chain stays whole, with every record that was flushed.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use super::*;

/// Names the state folder to the child, which is this test run once more.
const CHILD: &str = "GATEWAY_TEST_AUDIT_CHILD";

#[test]
fn a_killed_gateway_leaves_a_whole_chain() {
    if let Some(dir) = env::var_os(CHILD) {
        return record_for_ever(Path::new(&dir));
    }
    let dir = tempfile::tempdir().unwrap();
    for syncs in [1, 2, 5] {
        let flushed = run_and_kill(dir.path(), syncs);
        let store = Sled::open(dir.path()).unwrap();
        let verified = verify(&store, None).unwrap().unwrap();
        assert!(verified.records >= flushed, "{} of {flushed} flushed records", verified.records);
        let listed = list(&store, &Filter::default(), usize::MAX).unwrap();
        assert_eq!(listed.len() as u64, verified.records);
        assert!(matches!(get(&store, listed[0].record.id.as_str()).unwrap(), Lookup::Found(_)));
    }
}

/// Lets a gateway flush so often, kills it, and returns how many records the chain had at the last flush.
fn run_and_kill(dir: &Path, syncs: usize) -> u64 {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["audit::tests::crash::a_killed_gateway_leaves_a_whole_chain", "--exact", "--nocapture"])
        .env(CHILD, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let flushed = lines.filter_map(|line| line.ok()?.strip_prefix("flushed ")?.parse::<u64>().ok());
    let last = flushed.take(syncs).last().expect("the child flushes");
    child.kill().unwrap();
    child.wait().unwrap();
    last
}

/// The child: appends records, and says how long the chain is whenever all of it is on disk.
fn record_for_ever(dir: &Path) {
    let store: Arc<dyn Store> = Arc::new(Sled::open(dir).unwrap());
    let journal = Journal::open(Arc::clone(&store)).unwrap();
    for second in 0.. {
        journal.append(record("a", "m", second % 1_000)).unwrap();
        if second % 700 == 699 {
            assert!(journal.sync());
            println!("flushed {}", head(&*store).unwrap().seq);
        }
    }
}
