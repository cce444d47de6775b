//! The gateway: protects unmodified programs that talk to LLMs, in the stream, from the kernel up.
//!
//! A room imports only rooms listed above it; `cargo xtask tidy` checks that.

pub mod admin;
pub mod app;
pub mod audit;
pub mod capture;
pub mod cli;
pub mod config;
pub mod demo;
pub mod doctor;
pub mod flow;
pub mod identity;
pub mod inspect;
pub mod ledger;
pub mod provider;
pub mod simulate;
pub mod store;
pub mod telemetry;
pub mod tls;
pub mod upstream;
pub mod wire;
