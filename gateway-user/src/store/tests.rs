//! One conformance test for all stores, and what only the one on disk can get wrong.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;

const FRUIT: Tree = Tree::named("test.fruit");
const FRUITS: Tree = Tree::named("test.fruits");

/// Everything the trait promises, short of surviving a crash.
fn check(store: &dyn Store) {
    let keys = |scan: Scan| -> Vec<Vec<u8>> {
        store.scan(FRUIT, scan).unwrap().into_iter().map(|(key, _)| key).collect()
    };
    assert_eq!(store.get(FRUIT, b"apple").unwrap(), None);
    assert!(keys(Scan::all(9)).is_empty());

    let mut batch = Batch::new();
    assert!(batch.is_empty());
    for key in ["b", "a", "ab", "c", "\u{ff}"] {
        batch.put(FRUIT, key, key.to_uppercase());
    }
    batch.put(FRUIT, "c", "first").put(FRUIT, "c", "last").remove(FRUIT, "none");
    batch.put(FRUIT, "", "empty key").put(FRUIT, [0xff, 0xff], "high").put(FRUITS, "a", "another tree");
    store.write(batch).unwrap();
    store.flush().unwrap();

    assert_eq!(store.get(FRUIT, b"c").unwrap().as_deref(), Some(&b"last"[..]));
    assert_eq!(store.get(FRUITS, b"a").unwrap().as_deref(), Some(&b"another tree"[..]));
    assert_eq!(store.get(FRUITS, b"b").unwrap(), None);

    let all: Vec<&[u8]> = vec![b"", b"a", b"ab", b"b", b"c", "\u{ff}".as_bytes(), &[0xff, 0xff]];
    let reversed: Vec<&[u8]> = all.iter().rev().copied().collect();
    assert_eq!(keys(Scan::all(99)), all);
    assert_eq!(keys(Scan::all(99).reverse()), reversed);
    assert_eq!(keys(Scan::all(2)), all[..2]);
    assert_eq!(keys(Scan::all(2).reverse()), reversed[..2]);
    assert_eq!(keys(Scan::all(0)), Vec::<Vec<u8>>::new());
    assert_eq!(keys(Scan::all(99).from("ab")), all[2..]);
    assert_eq!(keys(Scan::all(99).before("b")), all[..3]);
    assert_eq!(keys(Scan::all(99).from("ab").before("c").reverse()), [b"b".to_vec(), b"ab".to_vec()]);
    assert_eq!(keys(Scan::all(99).from("c").before("b")), Vec::<Vec<u8>>::new());
    assert_eq!(keys(Scan::all(99).from("b").before("b")), Vec::<Vec<u8>>::new());
    assert_eq!(keys(Scan::prefix(b"a", 99)), all[1..3]);
    assert_eq!(keys(Scan::prefix(&[0xff], 99)), all[6..]);
    assert_eq!(keys(Scan::prefix(b"", 99)), all);

    let mut batch = Batch::new();
    batch.remove(FRUIT, "a").put(FRUIT, "b", "");
    store.write(batch).unwrap();
    assert_eq!(store.get(FRUIT, b"a").unwrap(), None);
    assert_eq!(store.get(FRUIT, b"b").unwrap().as_deref(), Some(&b""[..]));
    store.write(Batch::new()).unwrap();
}

#[test]
fn all_stores_conform() {
    check(&Memory::new());
    let dir = tempfile::tempdir().unwrap();
    check(&Sled::open(&dir.path().join("state")).unwrap());
}

#[test]
fn state_is_there_after_closing_and_only_the_owner_can_read_it() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("deep/state");
    let store = Sled::open(&state).unwrap();
    let mut batch = Batch::new();
    batch.put(FRUIT, "kept", vec![7; 100_000]);
    store.write(batch).unwrap();
    store.flush().unwrap();
    drop(store);
    let store = Sled::open(&state).unwrap();
    assert_eq!(store.get(FRUIT, b"kept").unwrap(), Some(vec![7; 100_000]));
    check_modes(&state);
}

fn check_modes(dir: &Path) {
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(dir), 0o700, "{}", dir.display());
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            check_modes(&path);
        } else {
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
    }
}

#[test]
fn a_second_gateway_is_told_who_has_the_state() {
    let dir = tempfile::tempdir().unwrap();
    let first = Sled::open(dir.path()).unwrap();
    let error = Sled::open(dir.path()).err().expect("the folder is locked");
    assert!(
        matches!(&error, StoreError::Locked { pid, .. } if *pid == std::process::id().to_string()),
        "{error}"
    );
    drop(first);
    Sled::open(dir.path()).unwrap();
}

#[test]
fn state_of_another_format_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(Sled::open(dir.path()).unwrap());
    fs::write(dir.path().join("format"), "2\n").unwrap();
    let error = Sled::open(dir.path()).err().expect("format 2 is not ours");
    assert!(matches!(&error, StoreError::Format { found, wanted: 1, .. } if found == "2"), "{error}");
    assert_eq!(fs::read_to_string(dir.path().join("format")).unwrap(), "2\n");
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error_with_its_path() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    let error = Sled::open(&dir.path().join("file/state")).err().expect("a file is no folder");
    assert!(error.to_string().contains("file/state"), "{error}");
}

/// Damage anywhere in sled's files ends in an error or in a store that works, never in a panic.
#[test]
fn damage_is_an_error_and_not_a_panic() {
    for (at, length) in [(0, 64), (0, 4096), (100, 4), (4096, 4096), (60_000, 20_000), (300_000, 200_000)] {
        let dir = tempfile::tempdir().unwrap();
        let store = Sled::open(dir.path()).unwrap();
        for number in 0..2_000_u32 {
            let mut batch = Batch::new();
            batch.put(FRUIT, number.to_be_bytes(), vec![number as u8; 300]);
            store.write(batch).unwrap();
        }
        store.flush().unwrap();
        drop(store);
        let path = dir.path().join("store/db");
        let mut bytes = fs::read(&path).unwrap();
        let end = bytes.len().min(at + length);
        bytes.get_mut(at..end).unwrap_or_default().fill(0xa5);
        fs::write(&path, bytes).unwrap();
        match Sled::open(dir.path()) {
            Err(error) => {
                assert!(matches!(error, StoreError::Damaged { .. } | StoreError::Io { .. }), "{error}")
            }
            Ok(store) => drop(store.scan(FRUIT, Scan::all(usize::MAX))),
        }
    }
}
