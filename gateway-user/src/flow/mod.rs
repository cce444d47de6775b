//! The forward path: one connection in, its exchanges judged, charged, forwarded and recorded.
//!
//! [`path`] is the page to start at. Nothing here knows a dialect's fields, a rule or a price: those rooms are asked.

mod arrival;
mod body;
mod counted;
pub mod coverage;
mod decide;
pub mod door;
mod exchange;
mod fault;
#[expect(clippy::module_inception, reason = "a flow is the word for what this room carries")]
mod flow;
mod follow;
pub mod path;
mod plain;
mod prefixed;
mod reach;
mod recorder;
mod refusal;
mod remembered;
mod reply;
mod request;
mod running;
mod serve;
mod services;
mod signed;
mod silence;
mod site;
mod socket;
mod splice;
mod stream;
mod terminate;
mod through;
mod untrusted;
mod upgrade;

pub use coverage::Coverage;
pub use flow::Flow;
pub use remembered::Remembered;
pub use running::Running;
pub use services::Services;
pub use untrusted::Untrusted;
