//! How records hang together: each is sealed with a digest over itself and the one before.
//!
//! `hash = SHA-256(prev ‖ seq ‖ json)` with 32 bytes of `prev`, `seq` as eight big-endian bytes, and the record's JSON
//! exactly as stored. The first record's `prev` is all zeros. The stored bytes are hashed, not a re-serialisation, so a
//! later version that knows more fields verifies an older one's records.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize, Serializer};

use super::journal::AuditError;
use super::record::Record;
use crate::store::{Scan, Store, Tree};

/// Sealed records by sequence number: a version byte, prev, hash, JSON.
pub(super) const RECORDS: Tree = Tree::named("audit.record");

/// One key: the sequence number and hash of the last record that was flushed.
pub(super) const HEAD: Tree = Tree::named("audit.head");

/// The key of the head in its tree.
pub(super) const HEAD_KEY: &[u8] = b"head";

const VERSION: u8 = 1;
const PREFIX: usize = 1 + 32 + 32;

/// A SHA-256 digest; text form is lower-case hex.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Digest {
        let mut context = Context::new(&SHA256);
        context.update(bytes);
        Digest::finish(context)
    }

    /// The digest of what `context`, a SHA-256 one, has seen: for bodies that pass in pieces.
    pub fn finish(context: Context) -> Digest {
        let mut bytes = [0; 32];
        let digest = context.finish();
        let length = digest.as_ref().len().min(32);
        bytes[..length].copy_from_slice(&digest.as_ref()[..length]);
        Digest(bytes)
    }
}

/// A text that is no digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a SHA-256 digest: 64 hexadecimal digits")]
pub struct NotADigest;

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(hex(self, &mut [0; 64]))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Digest, NotADigest> {
        let text = text.as_bytes();
        let mut bytes = [0; 32];
        if text.len() != 64 {
            return Err(NotADigest);
        }
        for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            let digit = |at: usize| char::from(pair[at]).to_digit(16).ok_or(NotADigest);
            *byte = (digit(0)? * 16 + digit(1)?) as u8;
        }
        Ok(Digest(bytes))
    }
}

impl TryFrom<String> for Digest {
    type Error = NotADigest;

    fn try_from(text: String) -> Result<Digest, NotADigest> {
        text.parse()
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(hex(self, &mut [0; 64]))
    }
}

/// Each record holds four digests or more, so they are written without the formatting machinery.
fn hex<'a>(digest: &Digest, text: &'a mut [u8; 64]) -> &'a str {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (pair, byte) in text.chunks_exact_mut(2).zip(digest.0) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    std::str::from_utf8(text).expect("hexadecimal digits are ASCII")
}

/// Where the chain ends. Kept outside the store it shows that a tail was cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// How many records there are, which is the sequence number of the last.
    pub seq: u64,
    /// The last record's hash; all zeros before the first.
    pub hash: Digest,
}

/// A record in its place in the chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sealed {
    /// Its number, from 1, without gaps.
    pub seq: u64,
    /// The hash of the record before.
    pub prev: Digest,
    /// The hash of this one.
    pub hash: Digest,
    /// What happened.
    #[serde(flatten)]
    pub record: Record,
}

/// The head as stored after the last flush; the beginning of a chain where there is none yet.
pub fn head(store: &dyn Store) -> Result<Head, AuditError> {
    let Some(bytes) = store.get(HEAD, HEAD_KEY)? else { return Ok(Head::default()) };
    decode_head(&bytes).ok_or(AuditError::Head)
}

/// Where the next record is to go: behind the last one, or behind the head where records before it are missing. Then
/// the gap stays in the chain, for [`verify`](super::verify) to show.
pub(super) fn end(store: &dyn Store) -> Result<Head, AuditError> {
    let head = head(store)?;
    let last = store.scan(RECORDS, Scan::all(1).reverse())?;
    let Some((key, value)) = last.first() else { return Ok(head) };
    let seq = sequence(key).ok_or(AuditError::Record { seq: 0 })?;
    let hash = open(value).ok_or(AuditError::Record { seq })?.hash;
    Ok(if seq < head.seq { head } else { Head { seq, hash } })
}

pub(super) fn encode_head(head: Head) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(&head.seq.to_be_bytes());
    bytes.extend_from_slice(&head.hash.0);
    bytes
}

fn decode_head(bytes: &[u8]) -> Option<Head> {
    let (version, rest) = bytes.split_first()?;
    let (seq, hash) = rest.split_at_checked(8)?;
    let head = Head { seq: u64::from_be_bytes(seq.try_into().ok()?), hash: Digest(hash.try_into().ok()?) };
    (*version == VERSION).then_some(head)
}

/// Puts the next record behind `head`: the new head and the value to store.
pub(super) fn seal(head: Head, json: &[u8]) -> (Head, Vec<u8>) {
    let seq = head.seq + 1;
    let hash = hash(head.hash, seq, json);
    let mut value = Vec::with_capacity(PREFIX + json.len());
    value.push(VERSION);
    value.extend_from_slice(&head.hash.0);
    value.extend_from_slice(&hash.0);
    value.extend_from_slice(json);
    (Head { seq, hash }, value)
}

/// A stored value taken apart, unchecked.
pub(super) struct Stored<'a> {
    pub(super) prev: Digest,
    pub(super) hash: Digest,
    pub(super) json: &'a [u8],
}

/// Takes a stored value apart; none where it is not of this form.
pub(super) fn open(value: &[u8]) -> Option<Stored<'_>> {
    let (prefix, json) = value.split_at_checked(PREFIX)?;
    let part = |from: usize| prefix[from..from + 32].try_into().map(Digest).ok();
    (prefix[0] == VERSION).then_some(())?;
    Some(Stored { prev: part(1)?, hash: part(33)?, json })
}

/// The record of a stored value, in its place.
pub(super) fn read(key: &[u8], value: &[u8]) -> Result<Sealed, AuditError> {
    let seq = sequence(key).unwrap_or(0);
    let stored = open(value).ok_or(AuditError::Record { seq })?;
    let record = serde_json::from_slice(stored.json).map_err(|_| AuditError::Record { seq })?;
    Ok(Sealed { seq, prev: stored.prev, hash: stored.hash, record })
}

/// The sequence number that a key of [`RECORDS`] stands for.
pub(super) fn sequence(key: &[u8]) -> Option<u64> {
    key.try_into().ok().map(u64::from_be_bytes)
}

pub(super) fn hash(prev: Digest, seq: u64, json: &[u8]) -> Digest {
    let mut context = Context::new(&SHA256);
    context.update(&prev.0);
    context.update(&seq.to_be_bytes());
    context.update(json);
    Digest::finish(context)
}
