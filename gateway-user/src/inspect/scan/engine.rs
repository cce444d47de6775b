//! All rules compiled, immutable and shared by every channel.

use std::fmt;

use aws_lc_rs::hmac;

use super::Match;
use super::build;
use super::machine::Machine;
use super::starts::Starts;
use crate::inspect::firewall::Firewall;
use crate::inspect::rules::{Rule, RuleErrors};
use crate::inspect::validate::Validator;
use crate::inspect::{Action, RuleIndex, RuleInfo, RuleSet};
use crate::wire::event::Direction;

/// The compiled rules. Share it in an `Arc`; it never changes.
pub struct Engine {
    rules: Vec<RuleInfo>,
    codes: Vec<Code>,
    machines: Vec<Machine>,
    starts: [Starts; 2],
    firewall: Firewall,
    cap: Action,
    digest_key: hmac::Key,
}

/// What a scan needs of a rule.
#[derive(Debug)]
pub(super) struct Code {
    pub machine: u16,
    /// The machine that goes on where the head ends.
    pub follow: Option<u16>,
    pub validators: Vec<Validator>,
}

impl Code {
    pub fn accepts(&self, value: &[u8]) -> bool {
        self.validators.iter().all(|validator| validator.passes(value))
    }
}

/// A rule that holds text back, for `explain`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The rule.
    pub rule: RuleIndex,
    /// The most bytes it holds: its longest match.
    pub most: u32,
}

impl fmt::Debug for Engine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Engine").field("rules", &self.rules.len()).finish_non_exhaustive()
    }
}

impl Engine {
    /// Compiles the rules. Without `enforce` no action goes beyond [`Action::Warn`], and nothing is ever held.
    ///
    /// # Errors
    /// Every rule that cannot be compiled within its bounds.
    pub fn build(rules: &RuleSet, enforce: bool, digest_key: &[u8; 32]) -> Result<Engine, RuleErrors> {
        let cap = if enforce { Action::Block } else { Action::Warn };
        let rules: Vec<&Rule> = rules.rules().collect();
        let built = build::machines(&rules, cap)?;
        let firewall = Firewall::build(&rules)?;
        let code = |(rule, home): (&&Rule, build::Home)| Code {
            machine: home.machine,
            follow: home.follow,
            validators: rule.validators.clone(),
        };
        Ok(Engine {
            codes: rules.iter().zip(built.homes).map(code).collect(),
            rules: rules.iter().map(|rule| rule.info.clone()).collect(),
            machines: built.machines,
            starts: built.starts,
            firewall,
            cap,
            digest_key: hmac::Key::new(hmac::HMAC_SHA256, digest_key),
        })
    }

    /// What is known about a rule. `index` comes from this engine.
    pub fn rule(&self, index: RuleIndex) -> &RuleInfo {
        &self.rules[index.get()]
    }

    /// All rules, in the order of their index.
    pub fn rules(&self) -> &[RuleInfo] {
        &self.rules
    }

    /// What a rule does in a direction, the mode's cap included.
    pub fn action(&self, rule: RuleIndex, direction: Direction) -> Action {
        self.rule(rule).action(direction).min(self.cap)
    }

    /// The rules that hold text back in a direction, and how much at most.
    pub fn held_by(&self, direction: Direction) -> Vec<Hold> {
        (0..self.rules.len() as u16)
            .map(RuleIndex)
            .filter(|rule| self.action(*rule, direction).enforces())
            .map(|rule| Hold { rule, most: self.rule(rule).max_length })
            .collect()
    }

    /// Bytes of all automata and tables.
    pub fn memory(&self) -> usize {
        self.machines.iter().map(Machine::memory).sum::<usize>()
            + self.starts.iter().map(Starts::memory).sum::<usize>()
            + self.firewall.memory()
    }

    pub(in crate::inspect) fn firewall(&self) -> &Firewall {
        &self.firewall
    }

    pub(super) fn starts(&self, direction: Direction) -> &Starts {
        &self.starts[direction as usize]
    }

    #[inline(always)]
    pub(super) fn machine(&self, machine: u16) -> &Machine {
        &self.machines[usize::from(machine)]
    }

    /// Whether a machine's rules enforce in a direction; all of one machine agree.
    pub(super) fn enforces(&self, machine: u16, direction: Direction) -> bool {
        self.machine(machine).enforces[direction as usize]
    }

    pub(super) fn rule_code(&self, rule: RuleIndex) -> &Code {
        &self.codes[rule.get()]
    }

    /// Whether the first match names a span rather than the second.
    pub(super) fn outranks(&self, direction: Direction, first: Match, second: Match) -> bool {
        let rank = |found: Match| {
            let severity = self.rule(found.rule).severity;
            let length = found.end - found.start;
            (self.action(found.rule, direction), severity, length, std::cmp::Reverse(found.rule))
        };
        rank(first) > rank(second)
    }

    pub(in crate::inspect) fn digest(&self, value: &[u8]) -> [u8; 8] {
        let tag = hmac::sign(&self.digest_key, value);
        std::array::from_fn(|place| tag.as_ref()[place])
    }
}
