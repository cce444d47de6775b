//! What text may pass: rules, the exact scan, and the holdback of bodies and streams.
//!
//! A [`RuleSet`] is what the operator wrote, an [`Engine`] is what is compiled from it and shared by all
//! channels, a [`Scan`] is the little state one channel carries from delta to delta. The promise of the three:
//! however a text is cut into pieces, the findings are the same, and a byte before [`Scan::frontier`] can never
//! become part of a redacted or blocked span later.

mod find;
pub mod finding;
pub mod firewall;
pub mod mask;
pub mod reply;
pub mod request;
pub mod rules;
pub mod running;
pub mod scan;
pub mod tokens;
pub mod tools;
pub mod view;

mod validate;

pub use crate::config::Action;
pub use find::find;
pub use finding::{Finding, RuleIndex};
pub use mask::redact;
pub use rules::{Category, RuleErrors, RuleInfo, RuleSet, Severity};
pub use running::Running;
pub use scan::{Engine, Hold};
pub use tokens::{Tokens, Vault};
pub use view::Scan;
