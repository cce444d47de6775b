//! Keeps the vault of tokens in the store, sealed, so that a restarted gateway still gives values back.

mod seal;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use anyhow::Context;
use aws_lc_rs::hmac;
use jiff::Timestamp;

use self::seal::{Seal, key, place};
use super::secret;
use crate::{
    config::Config,
    inspect::tokens::{Bounds, Change, Kept, MOST_BYTES, Place, Vault},
    store::{Batch, Scan, Store, Tree},
};

/// Owner (16 bytes) and code (8 bytes, big-endian) → nonce (12 bytes) and what is sealed, see [`Seal`].
const VALUES: Tree = Tree::named("tokens.value");

/// Changes that may wait to be written. More than that are not: what a restart then forgets, the next request that
/// holds the value brings back.
const WAITING: usize = 65_536;

/// Changes written at once.
const TOGETHER: usize = 1024;

/// Entries read at once.
const PAGE: usize = 4096;

/// A vault and the thread that writes it down.
pub struct Keeper {
    /// The vault.
    pub vault: Arc<Vault>,
    changes: SyncSender<Note>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

enum Note {
    Changed(Change),
    End,
}

impl Keeper {
    /// Opens what was written down; expired entries and those beyond the bounds are removed.
    ///
    /// # Errors
    /// When the key or the store cannot be read, or no thread can be started.
    pub fn open(config: &Config, store: Arc<dyn Store>) -> anyhow::Result<Keeper> {
        let secret = secret::tokens_key(&config.state)?;
        let bounds =
            Bounds { entries: config.tokens.entries, bytes: MOST_BYTES, ttl: config.tokens.ttl.as_secs() };
        let seal = Seal::new(&derive(&secret, b"tokens at rest"))?;
        let written = read(&*store, &seal, bounds).context("the tokens cannot be read")?;
        let (changes, noted) = sync_channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let on_change = {
            let (changes, lost) = (changes.clone(), Arc::clone(&lost));
            move |change| {
                if changes.try_send(Note::Changed(change)).is_err() {
                    lost.fetch_add(1, Ordering::Relaxed);
                }
            }
        };
        let vault = Vault::new(&derive(&secret, b"tokens"), bounds, written, Box::new(on_change));
        let thread = std::thread::Builder::new()
            .name("tokens".to_owned())
            .spawn(move || keep(&*store, &seal, &noted, &lost))
            .context("no thread can be started for the tokens")?;
        Ok(Keeper { vault: Arc::new(vault), changes, thread: Mutex::new(Some(thread)) })
    }

    /// Returns once everything is written down; what changes later is not.
    pub fn close(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && self.changes.send(Note::End).is_ok()
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes tokens down panicked");
        }
    }
}

/// A key of its own for each use of the secret.
fn derive(secret: &[u8; 32], purpose: &[u8]) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), purpose);
    std::array::from_fn(|at| tag.as_ref()[at])
}

/// Writes changes down until told to end.
fn keep(store: &dyn Store, seal: &Seal, noted: &Receiver<Note>, lost: &AtomicU64) {
    let mut ended = false;
    while !ended && let Ok(first) = noted.recv() {
        let mut batch = Batch::new();
        for note in std::iter::once(first).chain(noted.try_iter()).take(TOGETHER) {
            match note {
                Note::End => ended = true,
                Note::Changed((place, Some(kept))) => match seal.close(place, &kept) {
                    Some(sealed) => drop(batch.put(VALUES, key(place), sealed)),
                    None => tracing::error!("a token could not be sealed and is forgotten at the next start"),
                },
                Note::Changed((place, None)) => drop(batch.remove(VALUES, key(place))),
            }
        }
        if let Err(error) = store.write(batch).and_then(|()| store.flush()) {
            tracing::error!(%error, "tokens could not be written down; the next start will not know them");
        }
        let lost = lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            tracing::warn!(
                lost,
                "more tokens came than could be written down; the next start will not know them"
            );
        }
    }
}

/// What was written down and is still good, in the order it was last seen. The rest is removed.
fn read(store: &dyn Store, seal: &Seal, bounds: Bounds) -> anyhow::Result<Vec<(Place, Kept)>> {
    let now = u64::try_from(Timestamp::now().as_second()).unwrap_or(0);
    let (mut all, mut gone, mut unread) = (Vec::new(), Batch::new(), 0u64);
    let mut scan = Scan::all(PAGE);
    loop {
        let page = store.scan(VALUES, scan)?;
        let Some((last, _)) = page.last() else { break };
        // The first key after the last one.
        scan = Scan::all(PAGE).from([last.as_slice(), &[0]].concat());
        for (key, sealed) in page {
            match place(&key).and_then(|place| Some((place, seal.open(place, &sealed)?))) {
                Some((place, kept)) if kept.seen + bounds.ttl >= now => all.push((place, kept)),
                Some(_) => drop(gone.remove(VALUES, key)),
                None => {
                    unread += 1;
                    gone.remove(VALUES, key);
                }
            }
        }
    }
    all.sort_by_key(|(_, kept)| kept.seen);
    let (mut entries, mut bytes) = (0, 0);
    let fits = |(_, kept): &&(Place, Kept)| {
        (entries, bytes) = (entries + 1, bytes + kept.value.len());
        entries <= bounds.entries && bytes <= bounds.bytes
    };
    let keep = all.iter().rev().take_while(fits).count();
    for (place, _) in all.drain(..all.len() - keep) {
        gone.remove(VALUES, key(place));
    }
    if unread > 0 {
        tracing::warn!(unread, "tokens were written with another key and are forgotten");
    }
    store.write(gone)?;
    Ok(all)
}
