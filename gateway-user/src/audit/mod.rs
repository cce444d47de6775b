//! The record of every flow, chained so that edits show.
//!
//! A flow makes one [`Record`]; the [`Journal`] seals it into the chain and writes it, on a thread of its own. Reading
//! needs only a store: [`list`], [`get`], [`usage`], [`verify`].

mod chain;
mod id;
mod journal;
mod query;
mod queue;
mod record;
#[cfg(test)]
mod tests;
mod verify;

pub use self::chain::{Digest, Head, Sealed, head};
pub use self::id::FlowId;
pub use self::journal::{AuditError, Journal, NotRecorded};
pub use self::query::{Filter, Group, Lookup, Spend, get, list, usage};
pub use self::record::{Bodies, Finding, Messages, Principal, Record, Timings, Verdict};
pub use self::verify::{Verified, Violation, verify};
