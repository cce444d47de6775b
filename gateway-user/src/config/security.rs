//! `security`: the prompt firewall and the content filter, in the words their operators use.

use std::path::PathBuf;

use super::node::{Node, Value};
use super::read::{self, Read, block};
use super::values::Choice;
use super::{Action, Problem};

/// What the keys below `security` say.
#[derive(Clone, Debug, Default)]
pub struct Security {
    /// Attempts to take control of the model.
    pub prompt_firewall: PromptFirewall,
    /// Harmful content and personal data.
    pub content_filter: ContentFilter,
}

/// Attempts to take control of the model.
#[derive(Clone, Debug)]
pub struct PromptFirewall {
    /// Block them, or do not look at all; unset reports them.
    pub enabled: Switch,
    /// The operator's own patterns.
    pub rules: Vec<FirewallRule>,
    /// The trained model.
    pub ml_detection: ModelUse,
}

impl Default for PromptFirewall {
    fn default() -> PromptFirewall {
        PromptFirewall { enabled: Switch::Unset, rules: vec![], ml_detection: ModelUse::default() }
    }
}

/// Harmful content and personal data.
#[derive(Clone, Debug, Default)]
pub struct ContentFilter {
    /// Block harmful content, or do not look for it; unset reports it.
    pub enabled: Switch,
    /// How harmful content is judged.
    pub toxicity: Toxicity,
    /// What is done about personal data.
    pub pii_detection: PiiDetection,
}

/// A choice that may be left open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Switch {
    /// Neither.
    #[default]
    Unset,
    /// Yes.
    On,
    /// No.
    Off,
}

impl Choice for Switch {
    const WORDS: &'static [(&'static str, Switch)] =
        &[("true", Switch::On), ("false", Switch::Off), ("unset", Switch::Unset)];
}

impl std::fmt::Display for Switch {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.word())
    }
}

/// A pattern of the operator's own that users and tools may not send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirewallRule {
    /// The rule's id; `_` is read as `-`.
    pub name: String,
    /// Alternatives with `|` between them, as whole words in any case.
    pub pattern: String,
    /// What is done about it in requests: `allow`, `warn` or `block`.
    pub action: Action,
    /// How bad it is: `low`, `medium`, `high` or `critical`.
    pub severity: String,
}

/// How the trained model is used.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelUse {
    /// Whether it is asked at all.
    pub enabled: bool,
    /// Which one.
    pub model: ModelName,
    /// The probability from which it is enough alone, above 0, below 1.
    pub threshold: f32,
}

impl Default for ModelUse {
    fn default() -> ModelUse {
        ModelUse { enabled: true, model: ModelName::Builtin, threshold: 0.7 }
    }
}

/// A trained model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelName {
    /// The one that comes with the gateway.
    Builtin,
    /// A file `*.gwng` of `cargo xtask train`.
    File(PathBuf),
}

impl std::fmt::Display for ModelName {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ModelName::Builtin => out.write_str("builtin"),
            ModelName::File(path) => write!(out, "{}", path.display()),
        }
    }
}

/// How harmful content is judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Toxicity {
    /// Whether it is judged.
    pub enabled: bool,
    /// The score from which a category applies, above 0, up to 1.
    pub threshold: f32,
    /// Ids of the rules of the categories that are judged.
    pub categories: Vec<ContentCategory>,
}

impl Default for Toxicity {
    fn default() -> Toxicity {
        let categories = ContentCategory::WORDS.iter().map(|(_, category)| *category).collect();
        Toxicity { enabled: true, threshold: 0.7, categories }
    }
}

/// A sort of harmful content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentCategory {
    /// Contempt for people because of what they are.
    HateSpeech,
    /// Threats and instructions to hurt people.
    Violence,
    /// Explicit sexual content.
    SexualContent,
    /// Suicide and self-harm.
    SelfHarm,
    /// The abuse of children.
    ChildSafety,
}

impl Choice for ContentCategory {
    const WORDS: &'static [(&'static str, ContentCategory)] = &[
        ("hate_speech", ContentCategory::HateSpeech),
        ("violence", ContentCategory::Violence),
        ("sexual_content", ContentCategory::SexualContent),
        ("self_harm", ContentCategory::SelfHarm),
        ("child_safety", ContentCategory::ChildSafety),
    ];
}

impl ContentCategory {
    /// The id of the rule that judges it.
    pub fn rule(self) -> &'static str {
        match self {
            ContentCategory::HateSpeech => "hate",
            ContentCategory::Violence => "violence",
            ContentCategory::SexualContent => "sexual",
            ContentCategory::SelfHarm => "self-harm",
            ContentCategory::ChildSafety => "child-safety",
        }
    }
}

impl std::fmt::Display for ContentCategory {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.word())
    }
}

/// What is done about personal data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PiiDetection {
    /// Whether the types below are looked for in both directions; unset leaves them to their rules.
    pub enabled: Switch,
    /// Redact them rather than report them.
    pub auto_redact: bool,
    /// The types; none means every type.
    pub types: Vec<PiiType>,
}

/// A type of personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PiiType {
    /// E-mail addresses.
    Email,
    /// Telephone numbers.
    Phone,
    /// US social security numbers.
    Ssn,
    /// Payment cards.
    CreditCard,
    /// IP addresses.
    IpAddress,
    /// International bank account numbers.
    Iban,
    /// MAC addresses.
    MacAddress,
    /// Passports.
    Passport,
    /// Postal addresses.
    Address,
}

impl Choice for PiiType {
    const WORDS: &'static [(&'static str, PiiType)] = &[
        ("email", PiiType::Email),
        ("phone", PiiType::Phone),
        ("ssn", PiiType::Ssn),
        ("credit_card", PiiType::CreditCard),
        ("ip_address", PiiType::IpAddress),
        ("iban", PiiType::Iban),
        ("mac_address", PiiType::MacAddress),
        ("passport", PiiType::Passport),
        ("address", PiiType::Address),
    ];
}

impl PiiType {
    /// What the `type` of a rule for such data is or ends with.
    pub fn entity(self) -> &'static str {
        match self {
            PiiType::Email => "EMAIL_ADDRESS",
            PiiType::Phone => "PHONE_NUMBER",
            PiiType::Ssn => "US_SSN",
            PiiType::CreditCard => "CREDIT_CARD",
            PiiType::IpAddress => "IP_ADDRESS",
            PiiType::Iban => "IBAN_CODE",
            PiiType::MacAddress => "MAC_ADDRESS",
            PiiType::Passport => "PASSPORT",
            PiiType::Address => "STREET_ADDRESS",
        }
    }
}

impl std::fmt::Display for PiiType {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.word())
    }
}

/// The operator's own patterns: blocks of `name`, `pattern` and, if wanted, `action` and `severity`.
pub(super) fn rules(node: &Node) -> Read<Vec<FirewallRule>> {
    read::list(node, |node| {
        let [name, pattern, action, severity] = block(node, ["name", "pattern", "action", "severity"])?;
        let (Some(name), Some(pattern)) = (name, pattern) else {
            return Err(vec![Problem::new(&node.origin, "a firewall rule needs `name` and `pattern`")]);
        };
        let action_of = |node: &Node| match read::choice(node)? {
            Action::Redact | Action::Tokenize => {
                Err(vec![Problem::new(&node.origin, "a firewall rule can allow, warn or block")])
            }
            action => Ok(action),
        };
        let dashed =
            Node { origin: name.origin.clone(), value: Value::Text(read::text(name)?.replace('_', "-")) };
        Ok(FirewallRule {
            name: read::id(&dashed)?,
            pattern: read::text(pattern)?.to_owned(),
            action: action.map_or(Ok(Action::Block), action_of)?,
            severity: severity.map_or(Ok("high".to_owned()), self::severity)?,
        })
    })
}

fn severity(node: &Node) -> Read<String> {
    const WORDS: [&str; 4] = ["low", "medium", "high", "critical"];
    let given = read::text(node)?;
    match WORDS.contains(&given) {
        true => Ok(given.to_owned()),
        false => {
            let message = format!("`{given}` is none of {}", WORDS.join(", "));
            Err(vec![Problem::new(&node.origin, message)])
        }
    }
}

/// A model: `builtin`, or a file that is there.
pub(super) fn model(node: &Node) -> Read<ModelName> {
    let given = read::text(node)?;
    if given == "builtin" {
        return Ok(ModelName::Builtin);
    }
    let path = read::path(node)?;
    let known = path.extension().is_some_and(|ending| ending == "gwng");
    match known && path.is_file() {
        true => Ok(ModelName::File(path)),
        false => {
            let message =
                format!("`{given}` is no model that comes with the gateway, and no model file is there");
            let hint = "write builtin, or the path of a file *.gwng that `cargo xtask train` wrote";
            Err(vec![Problem::new(&node.origin, message).hint(Some(hint.to_owned()))])
        }
    }
}

/// A number above 0, up to 1.
pub(super) fn share(node: &Node) -> Read<f32> {
    let given = read::text(node)?;
    match given.parse::<f32>() {
        Ok(share) if share > 0.0 && share <= 1.0 => Ok(share),
        _ => Err(vec![Problem::new(&node.origin, format!("`{given}` is not a number above 0, up to 1"))]),
    }
}

/// As [`share`], but below 1: no model is ever certain.
pub(super) fn probability(node: &Node) -> Read<f32> {
    match share(node)? {
        share if share < 1.0 => Ok(share),
        _ => Err(vec![Problem::new(
            &node.origin,
            "a model is never certain: write a number below 1, such as 0.8",
        )]),
    }
}

pub(super) fn show_rules(rules: &[FirewallRule]) -> String {
    let one = |rule: &FirewallRule| format!("{} ({}, {})", rule.name, rule.action, rule.severity);
    match rules {
        [] => "none".to_owned(),
        rules => rules.iter().map(one).collect::<Vec<_>>().join(", "),
    }
}

#[cfg(test)]
#[path = "security_tests.rs"]
mod tests;
