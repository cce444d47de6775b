//! Money: prices, budgets, reservations and what a flow finally cost.
//!
//! A flow *reserves* its input and a first slice of output before it is sent, *draws* on slices while its reply passes,
//! is *cut* when a budget has no slice left, and is *settled* when it ends. Slices are atomics in memory, cut from
//! *blocks* that were leased from the budget and flushed to the store before they were used. So nothing waits for a
//! disk on the way of a delta, and a killed gateway has spent no more than the store says.
//!
//! After a kill the part of a block that was not settled counts as spent and is shown as `unreconciled`. Records of
//! finished flows cannot prove that part unused, as a flow cut off by the kill has none; so it is not given back.
//!
//! Tokens before the provider has counted are [`estimate`]d. Nothing here reads a clock: time is an argument.

mod account;
mod book;
mod budget;
pub mod estimate;
mod money;
mod price;
mod reservation;
mod slice;
#[cfg(test)]
mod tests;

pub use self::book::{Ledger, LedgerError};
pub use self::budget::{Budget, BudgetStatus, ScopeName, Window};
pub use self::money::{Nanos, NotMoney};
pub use self::price::{Price, PriceError, Prices, Rates};
pub use self::reservation::{Receipt, Refused, Reservation, Settle};
pub use crate::config::UnknownModel;
