//! A rule file as it is written: YAML, unknown keys refused.

use serde::{Deserialize, Serialize};

use crate::inspect::Action;
use crate::inspect::firewall::RawGroup;
use crate::wire::event::Kind;

/// What sort of text a rule finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// Credentials: keys, tokens, private keys.
    Secret,
    /// Personal data: addresses, numbers of persons and cards.
    Pii,
    /// Words of the operator's own: names, projects.
    Dictionary,
    /// Attempts to take control of the model.
    Injection,
    /// Harmful content: hate, violence, sexual content, self-harm, the abuse of children.
    Toxicity,
}

impl Category {
    /// The names rule files use.
    pub const NAMES: [&str; 5] = ["secret", "pii", "dictionary", "injection", "toxicity"];

    /// Reads the name a rule file uses.
    pub fn parse(name: &str) -> Option<Category> {
        match name {
            "secret" => Some(Category::Secret),
            "pii" => Some(Category::Pii),
            "dictionary" => Some(Category::Dictionary),
            "injection" => Some(Category::Injection),
            "toxicity" => Some(Category::Toxicity),
            _ => None,
        }
    }
}

/// How bad it is when such a text leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Low,
    /// Should not leave.
    Medium,
    /// Harm is likely.
    High,
    /// Whoever has it has control.
    Critical,
}

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFile {
    pub rules: Vec<RawRule>,
}

/// One rule as written. What the keys mean stands at the head of `data/rules/secrets.yaml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRule {
    pub id: String,
    pub category: Category,
    pub severity: Severity,
    pub description: String,
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub pattern: Option<String>,
    pub tail: Option<String>,
    pub until: Option<String>,
    pub words: Option<Vec<String>>,
    pub words_file: Option<String>,
    #[serde(default)]
    pub ignore_case: bool,
    pub before: Option<String>,
    pub after: Option<String>,
    pub unless: Option<String>,
    pub not_after: Option<String>,
    pub max_length: Option<u32>,
    #[serde(default)]
    pub validators: Vec<String>,
    pub action: Option<RawActions>,
    pub mask: Option<String>,
    pub kinds: Option<Vec<Kind>>,
    pub threshold: Option<f32>,
    pub model: Option<String>,
    pub signals: Option<Vec<RawGroup>>,
    #[serde(default)]
    pub examples: Vec<String>,
    #[serde(default)]
    pub counter_examples: Vec<String>,
}

/// What a rule does, per direction.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawActions {
    pub request: Action,
    pub reply: Action,
}

impl RawActions {
    /// Secrets and words are redacted both ways. Personal data is redacted in requests and reported in replies,
    /// so that replies hold nothing back for it unless the operator asks.
    pub fn default_of(category: Category) -> RawActions {
        match category {
            Category::Secret | Category::Dictionary => {
                RawActions { request: Action::Redact, reply: Action::Redact }
            }
            Category::Pii => RawActions { request: Action::Redact, reply: Action::Warn },
            Category::Injection => RawActions { request: Action::Warn, reply: Action::Allow },
            Category::Toxicity => RawActions { request: Action::Warn, reply: Action::Warn },
        }
    }
}
