//! The forward path: one connection in, its exchanges judged, charged, forwarded and recorded.
//!
//! [`path`] is the page to start at. Nothing here knows a dialect's fields, a rule or a price: those rooms are asked.

mod arrival;
mod body;
mod decide;
pub mod door;
mod exchange;
mod fault;
#[expect(clippy::module_inception, reason = "a flow is the word for what this room carries")]
mod flow;
pub mod path;
mod prefixed;
mod refusal;
mod remembered;
mod reply;
mod request;
mod running;
mod serve;
mod services;
mod silence;
mod site;
mod socket;
mod splice;
mod stream;
mod through;
mod upgrade;

pub use remembered::Remembered;
pub use running::Running;
pub use services::Services;
