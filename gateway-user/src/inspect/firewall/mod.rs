//! The prompt firewall: weighed signals and a trained model that score passages, for injection and content.
//!
//! A pattern rule finds a value; a *scored* rule judges a passage. Its evidence is groups of phrases, each with a
//! weight from 0 to 1, and a head of a trained model. What stands near each other counts as independent evidence
//! (1 − Π(1 − weight)), and the rule applies where the score first reaches its threshold.
//!
//! A text is judged segment by segment. Where a segment ends follows from the text alone, so that the findings of a
//! stream are those of the whole text however it was cut. A scored rule never holds text back: it warns or blocks,
//! and a block stops a stream at the end of the segment that reached the threshold.

mod build;
mod features;
mod model;
mod score;
mod scorer;
mod segment;
mod signals;
mod spec;
mod watch;

#[cfg(test)]
mod tests;

pub use model::ModelError;
pub use spec::Tuning;
pub use watch::{Source, Watch};

pub(crate) use build::Firewall;
pub(crate) use model::{Model, open};
pub(crate) use scorer::Scorer;
pub(crate) use signals::phrases_of;
pub(crate) use spec::{RawGroup, Scored};
