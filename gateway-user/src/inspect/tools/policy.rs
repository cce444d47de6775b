//! The policy: what the operator allows, compiled, and the verdict on one call.

use std::sync::Arc;

use aws_lc_rs::hmac;
use regex_automata::meta::Regex;

use crate::config::{ArgumentRule, Config, Mode, Refused, ToolCalling, Tools, argument_pattern};
use crate::inspect::tools::arguments::{self, Argument};
use crate::inspect::tools::checks::Checks;
use crate::inspect::tools::glob::fits;
use crate::inspect::tools::{Because, Disk};

/// Why a policy cannot be compiled.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// A regular expression of `tools.arguments` is wrong.
    #[error("tools.arguments: `{pattern}` is not a regular expression: {error}")]
    Expression {
        /// As it was written.
        pattern: String,
        /// What is wrong.
        error: String,
    },
}

/// What tools may be called, compiled; shared by all flows of an app.
#[derive(Debug)]
pub struct Policy {
    calling: ToolCalling,
    tools: Tools,
    enforced: bool,
    arguments: Vec<Compiled>,
    checks: Checks,
    key: hmac::Key,
}

#[derive(Debug)]
struct Compiled {
    rule: ArgumentRule,
    allow: Option<Regex>,
    deny: Option<Regex>,
}

/// A call that is complete.
#[derive(Clone, Copy, Debug)]
pub struct Called<'a> {
    /// Name of the tool, or its kind.
    pub name: &'a str,
    /// Its arguments, decoded.
    pub arguments: &'a [u8],
    /// They are JSON.
    pub json: bool,
    /// The provider runs it: its paths and addresses are not those of the client.
    pub by_provider: bool,
}

impl Policy {
    /// Compiles what is configured. `key` keys the digests of records, and `disk` follows symbolic links.
    ///
    /// # Errors
    /// When a pattern cannot be compiled.
    pub fn new(config: &Config, disk: Arc<dyn Disk>, key: &[u8; 32]) -> Result<Policy, PolicyError> {
        let rules = config.tools.arguments.iter();
        let arguments = rules.map(|rule| {
            let (allow, deny) = (compile(rule.allow.as_deref())?, compile(rule.deny.as_deref())?);
            Ok(Compiled { rule: rule.clone(), allow, deny })
        });
        Ok(Policy {
            calling: config.tool_calling.clone(),
            tools: config.tools.clone(),
            enforced: config.mode == Mode::Strict,
            arguments: arguments.collect::<Result<_, PolicyError>>()?,
            checks: Checks::new(&config.tools, disk),
            key: hmac::Key::new(hmac::HMAC_SHA256, key),
        })
    }

    /// Whether refusals are enforced, and not only reported.
    pub fn is_enforced(&self) -> bool {
        self.enforced
    }

    /// Whether calls have to be known from the conversation so far.
    pub fn counts(&self) -> bool {
        self.calling.duplicate_detection || self.calling.max_iterations.is_some()
    }

    /// Whether a refused call ends the answer.
    pub(super) fn cuts(&self) -> bool {
        self.tools.refused == Refused::Cut
    }

    pub(super) fn calling(&self) -> &ToolCalling {
        &self.calling
    }

    /// What is to be said of a tool before its arguments are known.
    pub(super) fn named(&self, name: &str) -> Option<Because> {
        let among = |list: &[String]| list.iter().any(|pattern| fits(pattern, name));
        if !self.calling.enabled {
            Some(Because::Disabled)
        } else if among(&self.tools.deny) {
            Some(Because::Denied)
        } else if !self.tools.allow.is_empty() && !among(&self.tools.allow) {
            Some(Because::NotAllowed)
        } else {
            None
        }
    }

    /// Whether the arguments of a tool matter, so that a call has to wait until it is complete. Without a name, all may.
    pub(super) fn waits_for(&self, name: Option<&str>) -> bool {
        let rules = &self.arguments;
        self.enforced
            && (self.counts()
                || self.checks.any()
                || name.is_none_or(|name| rules.iter().any(|one| fits(&one.rule.tool, name)))
                    && (!rules.is_empty() || self.names_matter()))
    }

    /// Whether any event of an answer may have to wait or be changed.
    pub(in crate::inspect) fn may_hold(&self) -> bool {
        self.waits_for(None)
    }

    /// Whether any name may be refused.
    fn names_matter(&self) -> bool {
        !self.calling.enabled || !self.tools.allow.is_empty() || !self.tools.deny.is_empty()
    }

    /// The verdict on a call by itself: `None` allows it.
    pub(super) fn judge(&self, call: &Called<'_>) -> Option<Because> {
        if let Some(because) = self.named(call.name) {
            return Some(because);
        }
        let rules = self.arguments.iter().filter(|one| fits(&one.rule.tool, call.name));
        let mut rules = rules.peekable();
        let checked = self.checks.any() && !call.by_provider;
        if rules.peek().is_none() && !checked {
            return None;
        }
        let values = match call.json {
            true => match arguments::read(call.arguments) {
                Ok(values) => values,
                Err(arguments::Unreadable) => return Some(Because::Unreadable),
            },
            false => arguments::plain(call.arguments),
        };
        if rules.any(|rule| rule.refuses(&values)) {
            return Some(Because::Argument);
        }
        if checked { self.checks.judge(call.name, &values) } else { None }
    }

    /// The keyed digest of a text, in hex.
    pub(super) fn digest(&self, text: &[u8]) -> String {
        let tag = hmac::sign(&self.key, text);
        tag.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Compiled {
    fn refuses(&self, values: &[Argument]) -> bool {
        let wanted = &self.rule.argument;
        let meant = |one: &&Argument| match wanted.starts_with('/') {
            true => fits(wanted, &one.pointer),
            false => fits(wanted, &one.key),
        };
        values.iter().filter(meant).any(|one| {
            self.deny.as_ref().is_some_and(|deny| deny.is_match(one.value.as_bytes()))
                || self.allow.as_ref().is_some_and(|allow| !allow.is_match(one.value.as_bytes()))
        })
    }
}

fn compile(pattern: Option<&str>) -> Result<Option<Regex>, PolicyError> {
    let Some(pattern) = pattern else { return Ok(None) };
    let wrong = |error| PolicyError::Expression { pattern: pattern.to_owned(), error };
    argument_pattern(pattern).map(Some).map_err(|error| wrong(error.to_string()))
}
