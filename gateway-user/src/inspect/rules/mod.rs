//! The table of rules: read from data files, checked completely before anything is compiled.

mod compile;
mod error;
mod examples;
mod pattern;
mod spec;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

pub use error::{Problem, RuleError, RuleErrors};
pub use spec::{Category, Severity};

pub(crate) use compile::{Matcher, Rule};
pub(crate) use examples::{VALIDATED_ENDS, is_continuation, lead, word_ends};
pub(crate) use pattern::{ByteSet, MAX_AFTER, MAX_BEFORE, has_assertions, parse_bytes};

#[cfg(test)]
pub(crate) use examples::matches_from;

use crate::inspect::Action;
use crate::inspect::firewall::{Model, Scorer, Tuning};
use crate::wire::event::Direction;

/// Rules of one engine at most.
pub const MAX_RULES: usize = 4_096;

const BUILTIN: &[(&str, &str)] = &[
    ("secrets.yaml (built in)", include_str!("../../../data/rules/secrets.yaml")),
    ("secrets-models.yaml (built in)", include_str!("../../../data/rules/secrets-models.yaml")),
    ("secrets-cloud.yaml (built in)", include_str!("../../../data/rules/secrets-cloud.yaml")),
    ("secrets-code.yaml (built in)", include_str!("../../../data/rules/secrets-code.yaml")),
    ("secrets-messaging.yaml (built in)", include_str!("../../../data/rules/secrets-messaging.yaml")),
    ("secrets-payments.yaml (built in)", include_str!("../../../data/rules/secrets-payments.yaml")),
    ("secrets-services.yaml (built in)", include_str!("../../../data/rules/secrets-services.yaml")),
    ("secrets-data.yaml (built in)", include_str!("../../../data/rules/secrets-data.yaml")),
    ("secrets-keys.yaml (built in)", include_str!("../../../data/rules/secrets-keys.yaml")),
    ("internal.yaml (built in)", include_str!("../../../data/rules/internal.yaml")),
    ("pii_contact.yaml (built in)", include_str!("../../../data/rules/pii_contact.yaml")),
    ("pii_money.yaml (built in)", include_str!("../../../data/rules/pii_money.yaml")),
    ("pii_device.yaml (built in)", include_str!("../../../data/rules/pii_device.yaml")),
    ("pii_id_americas.yaml (built in)", include_str!("../../../data/rules/pii_id_americas.yaml")),
    ("pii_id_asia.yaml (built in)", include_str!("../../../data/rules/pii_id_asia.yaml")),
    ("pii_id_europe.yaml (built in)", include_str!("../../../data/rules/pii_id_europe.yaml")),
    ("pii_id_pacific.yaml (built in)", include_str!("../../../data/rules/pii_id_pacific.yaml")),
    ("pii_alone.yaml (built in)", include_str!("../../../data/rules/pii_alone.yaml")),
    ("injection.yaml (built in)", include_str!("../../../data/rules/injection.yaml")),
    ("content.yaml (built in)", include_str!("../../../data/rules/content.yaml")),
];

/// What is told about a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleInfo {
    /// Unique name, such as `aws-access-key-id`.
    pub id: String,
    /// What sort of text it finds.
    pub category: Category,
    /// How bad it is when such a text leaves.
    pub severity: Severity,
    /// One sentence for people.
    pub description: String,
    /// What findings call such a value, `type` in rule files: `EMAIL_ADDRESS`. Several rules may share it.
    pub kind: String,
    /// What replaces a redacted match, such as `[EMAIL_REDACTED]`.
    pub mask: String,
    /// Longest match in bytes; a scan holds no more than this for the rule. A longer token is found in pieces.
    pub max_length: u32,
    request: Action,
    reply: Action,
}

impl RuleInfo {
    /// What the rule does in a direction, before the mode's cap.
    pub fn action(&self, direction: Direction) -> Action {
        match direction {
            Direction::Request => self.request,
            Direction::Reply => self.reply,
        }
    }
}

/// Rules, read and checked, in the order of their ids.
#[derive(Clone, Default)]
pub struct RuleSet {
    rules: BTreeMap<String, Rule>,
    /// What scored rules ask instead of the built-in model.
    model: Option<Arc<dyn Scorer>>,
}

impl fmt::Debug for RuleSet {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self.rules.keys()).finish()
    }
}

impl RuleSet {
    /// No rules at all.
    pub fn empty() -> RuleSet {
        RuleSet::default()
    }

    /// The rules that come with the gateway: `data/rules/*.yaml`.
    pub fn builtin() -> RuleSet {
        let mut rules = BTreeMap::new();
        for (file, text) in BUILTIN {
            let read = compile::read(file, text, None).expect("a test reads every built-in rule file");
            rules.extend(read.into_iter().map(|rule| (rule.info.id.clone(), rule)));
        }
        RuleSet { rules, model: None }
    }

    /// Adds the rules of a file; a rule with a known id replaces the old one.
    ///
    /// Every example of the file is tried as well.
    ///
    /// # Errors
    /// All problems of the file at once; the set is unchanged then.
    pub fn extend_from_file(&mut self, path: &Path) -> Result<(), RuleErrors> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| {
            RuleErrors::one(
                &file,
                None,
                Problem::Unreadable { path: file.clone(), reason: error.to_string() },
            )
        })?;
        self.extend_from_text(&file, &text, path.parent())
    }

    /// Adds the rules of a text; `file` names it in errors, `folder` is where its words files are looked up.
    ///
    /// # Errors
    /// As [`RuleSet::extend_from_file`].
    pub fn extend_from_text(
        &mut self,
        file: &str,
        text: &str,
        folder: Option<&Path>,
    ) -> Result<(), RuleErrors> {
        let rules = compile::read(file, text, folder)?;
        let errors: Vec<RuleError> = rules.iter().flat_map(|rule| examples::check(file, rule)).collect();
        if !errors.is_empty() {
            return Err(RuleErrors(errors));
        }
        let added = rules.iter().filter(|rule| !self.rules.contains_key(&rule.info.id)).count();
        if self.rules.len() + added > MAX_RULES {
            return Err(RuleErrors::one(file, None, Problem::TooManyRules { most: MAX_RULES }));
        }
        self.rules.extend(rules.into_iter().map(|rule| (rule.info.id.clone(), rule)));
        Ok(())
    }

    /// Takes rules out.
    ///
    /// # Errors
    /// Every id that no rule has; the others are taken out all the same.
    pub fn disable<I: AsRef<str>>(&mut self, ids: &[I]) -> Result<(), RuleErrors> {
        let unknown = ids.iter().map(AsRef::as_ref).filter(|id| self.rules.remove(*id).is_none());
        let errors: Vec<RuleError> =
            unknown.map(|id| RuleError::new("rules.disable", Some(id), Problem::UnknownRule)).collect();
        if errors.is_empty() { Ok(()) } else { Err(RuleErrors(errors)) }
    }

    /// Sets what a rule, or every rule of a category ([`Category::NAMES`]), does in a direction.
    ///
    /// # Errors
    /// When `name` is neither the id of a rule nor a category, replies were to be tokenised, or a scored rule is to
    /// redact.
    pub fn set_action(&mut self, name: &str, direction: Direction, action: Action) -> Result<(), RuleErrors> {
        if (direction, action) == (Direction::Reply, Action::Tokenize) {
            return Err(RuleErrors::one("rules", Some(name), Problem::TokenInReply));
        }
        let category = Category::parse(name);
        let mut known = category.is_some();
        for rule in self.rules.values_mut() {
            if rule.info.id == name || Some(rule.info.category) == category {
                known = true;
                if action.enforces() && action != Action::Block && rule.is_scored() {
                    return Err(RuleErrors::one("rules", Some(name), Problem::NothingToRedact));
                }
                match direction {
                    Direction::Request => rule.info.request = action,
                    Direction::Reply => rule.info.reply = action,
                }
            }
        }
        if known { Ok(()) } else { Err(RuleErrors::one("rules", Some(name), Problem::UnknownRule)) }
    }

    /// Tries every example and counter-example of every rule.
    ///
    /// # Errors
    /// Every example a rule misses, and every counter-example it finds.
    pub fn try_examples(&self) -> Result<(), RuleErrors> {
        let errors: Vec<RuleError> =
            self.rules.values().flat_map(|rule| examples::check("rules", rule)).collect();
        if errors.is_empty() { Ok(()) } else { Err(RuleErrors(errors)) }
    }

    /// Leaves only the rules for which `keep` holds.
    pub fn retain(&mut self, keep: impl Fn(&RuleInfo) -> bool) {
        self.rules.retain(|_, rule| keep(&rule.info));
    }

    /// What is told about each rule, in the order of ids.
    pub fn iter(&self) -> impl Iterator<Item = &RuleInfo> {
        self.rules.values().map(|rule| &rule.info)
    }

    /// The examples of all rules: texts that each hold a value.
    pub fn examples(&self) -> impl Iterator<Item = &str> {
        self.rules.values().flat_map(|rule| rule.examples.iter().map(String::as_str))
    }

    /// Changes how the scored rules of a category weigh their evidence.
    pub fn tune(&mut self, category: Category, tuning: Tuning) {
        for rule in self.rules.values_mut().filter(|rule| rule.info.category == category) {
            if let Matcher::Scored(scored) = &mut rule.matcher {
                Arc::make_mut(scored).tune(tuning);
            }
        }
    }

    /// Lets scored rules ask this model instead of the built-in one.
    pub(crate) fn set_model(&mut self, model: Arc<dyn Scorer>) {
        self.model = Some(model);
    }

    pub(crate) fn model(&self) -> Arc<dyn Scorer> {
        self.model.clone().unwrap_or_else(|| Model::builtin())
    }

    pub(crate) fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.values()
    }
}
