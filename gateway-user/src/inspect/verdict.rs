//! How far a decision goes: what a rule asks to be done with the text it found.

use serde::{Deserialize, Serialize};

/// What is done about a finding, weakest first. Several merge by taking the greatest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Nothing; a rule with this action does not even look.
    #[default]
    Allow,
    /// Report it and let it pass; never delays a byte.
    Warn,
    /// Replace the text by the rule's mask.
    Redact,
    /// Refuse the request, or cut the reply.
    Block,
}

impl Action {
    /// Whether text under this action must not pass as it is.
    pub const fn enforces(self) -> bool {
        matches!(self, Action::Redact | Action::Block)
    }
}
