//! Proof that the chain is whole: every record unchanged, in its place, up to the head.

use super::chain::{self, Head, RECORDS};
use super::journal::AuditError;
use crate::store::{Scan, Store};

/// Records read at a time.
const PAGE: usize = 512;

/// What a whole chain came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How many records were checked.
    pub records: u64,
    /// Where the chain ends; export it, so that a cut tail can be proved later.
    pub head: Head,
}

/// The first thing that is wrong with a chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A number is missing, or stands twice.
    #[error("record {expected} is missing: the next one found is {found}")]
    Gap {
        /// The number that should have come.
        expected: u64,
        /// The number that came.
        found: u64,
    },
    /// The value cannot be taken apart.
    #[error("record {0} is not a sealed record")]
    Unreadable(u64),
    /// The content does not give the hash it was sealed with.
    #[error("record {0} was changed after it was sealed")]
    Edited(u64),
    /// It was sealed behind another record than the one that stands before it.
    #[error("record {0} does not follow the record before it")]
    Moved(u64),
    /// The chain is shorter than a head says.
    #[error("the chain ends at record {found}, its head says {expected}: records were cut off")]
    Tail {
        /// The head's number.
        expected: u64,
        /// The last record's number.
        found: u64,
    },
    /// The chain does not pass through a head.
    #[error("record {0} is not the one that the head was made for: the chain was written anew")]
    Rewritten(u64),
}

/// Checks the whole chain in `store` against its stored head and, where given, against a head kept elsewhere.
///
/// Both may be older than the chain, which must then have passed through them: the stored one is written after a
/// flush, and a gateway that was killed may have written more.
///
/// # Errors
/// The outer one when the store cannot be read, the inner one for the first thing that is wrong.
pub fn verify(store: &dyn Store, kept: Option<&Head>) -> Result<Result<Verified, Violation>, AuditError> {
    let stored = chain::head(store)?;
    let heads: Vec<&Head> = std::iter::once(&stored).chain(kept).filter(|head| head.seq > 0).collect();
    let mut at = Head::default();
    loop {
        let page = store.scan(RECORDS, Scan::all(PAGE).from((at.seq + 1).to_be_bytes()))?;
        for (key, value) in &page {
            match follow(at, chain::sequence(key).unwrap_or(0), value) {
                Ok(next) => at = next,
                Err(violation) => return Ok(Err(violation)),
            }
            if heads.iter().any(|head| head.seq == at.seq && head.hash != at.hash) {
                return Ok(Err(Violation::Rewritten(at.seq)));
            }
        }
        if page.len() < PAGE {
            break;
        }
    }
    let cut = heads.iter().map(|head| head.seq).filter(|seq| *seq > at.seq).max();
    Ok(match cut {
        Some(expected) => Err(Violation::Tail { expected, found: at.seq }),
        None => Ok(Verified { records: at.seq, head: at }),
    })
}

/// Checks one record behind `at` and steps onto it.
fn follow(at: Head, seq: u64, value: &[u8]) -> Result<Head, Violation> {
    if seq != at.seq + 1 {
        return Err(Violation::Gap { expected: at.seq + 1, found: seq });
    }
    let stored = chain::open(value).ok_or(Violation::Unreadable(seq))?;
    if chain::hash(stored.prev, seq, stored.json) != stored.hash {
        return Err(Violation::Edited(seq));
    }
    if stored.prev != at.hash {
        return Err(Violation::Moved(seq));
    }
    Ok(Head { seq, hash: stored.hash })
}
