//! All rules compiled, immutable and shared by every channel.

use std::fmt;

use aws_lc_rs::hmac;

use regex_automata::meta::Regex;

use super::Match;
use super::arms::Arms;
use super::before::Before;
use super::build;
use super::filter::Filter;
use super::gates::Gates;
use super::keywords::Keywords;
use super::machine::{self, Machine};
use super::need::Needed;
use crate::inspect::firewall::Firewall;
use crate::inspect::rules::{MAX_AFTER, Problem, Rule, RuleErrors};
use crate::inspect::validate::Validator;
use crate::inspect::{Action, RuleIndex, RuleInfo, RuleSet};
use crate::wire::event::Direction;

/// The compiled rules. Share it in an `Arc`; it never changes.
pub struct Engine {
    rules: Vec<RuleInfo>,
    codes: Vec<Code>,
    machines: Vec<Machine>,
    gates: Gates,
    filters: [Filter; 2],
    needs: [Vec<Needed>; 2],
    befores: Vec<Before>,
    keywords: Keywords,
    arms: Arms,
    armed_bits: [u64; 2],
    firewall: Firewall,
    cap: Action,
    digest_key: hmac::Key,
}

/// What a scan needs of a rule.
#[derive(Debug, Default)]
pub(super) struct Code {
    pub machine: u16,
    /// The machine that goes on where the head ends.
    pub follow: Option<u16>,
    /// The machine that looks at what stands behind a match.
    pub after: Option<u16>,
    pub validators: Vec<Validator>,
    /// A value in which this matches is none.
    pub unless: Option<Regex>,
    /// Whether it counts inside other encodings.
    pub inside: bool,
}

impl Code {
    /// What a rule says; its machines are not known yet.
    ///
    /// # Errors
    /// [`Problem::Compile`] when `unless` is too large.
    pub fn of(rule: &Rule) -> Result<Code, Problem> {
        let unless = rule.unless.as_deref().map(machine::search).transpose()?;
        Ok(Code {
            machine: 0,
            follow: None,
            after: None,
            validators: rule.validators.clone(),
            unless,
            inside: rule.counts_inside(),
        })
    }

    /// Whether every match is a finding.
    pub fn accepts_all(&self) -> bool {
        self.validators.is_empty() && self.unless.is_none()
    }

    pub fn accepts(&self, value: &[u8]) -> bool {
        self.validators.iter().all(|validator| validator.passes(value))
            && !self.unless.as_ref().is_some_and(|unless| unless.is_match(value))
    }
}

/// A rule that holds text back, for `explain`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The rule.
    pub rule: RuleIndex,
    /// The most bytes it holds: its longest match, and what must stand behind it.
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
        let model = rules.model();
        let rules: Vec<&Rule> = rules.rules().collect();
        let built = build::machines(&rules, cap)?;
        let firewall = Firewall::build(&rules, model)?;
        Ok(Engine {
            codes: built.codes,
            rules: rules.iter().map(|rule| rule.info.clone()).collect(),
            machines: built.machines,
            gates: built.gates,
            filters: built.filters,
            needs: built.needs,
            befores: built.befores,
            keywords: built.keywords,
            armed_bits: [0, 1]
                .map(|direction| built.arms.bits.iter().fold(0, |all, bits| all | bits[direction])),
            arms: built.arms,
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

    /// Whether a rule's matches count in text that was spaced out or encoded: those of credentials and of numbers with
    /// a checksum do.
    pub fn counts_inside(&self, rule: RuleIndex) -> bool {
        self.rule_code(rule).inside
    }

    /// The rules that hold text back in a direction, and how much at most.
    pub fn held_by(&self, direction: Direction) -> Vec<Hold> {
        (0..self.rules.len() as u16)
            .map(RuleIndex)
            .filter(|rule| self.action(*rule, direction).enforces())
            .map(|rule| {
                let behind = if self.rule_code(rule).after.is_some() { MAX_AFTER as u32 } else { 0 };
                Hold { rule, most: self.rule(rule).max_length + behind }
            })
            .collect()
    }

    /// Whether any rule gives tokens for what it finds in requests.
    pub fn tokenizes(&self) -> bool {
        (0..self.rules.len() as u16)
            .any(|rule| self.action(RuleIndex(rule), Direction::Request) == Action::Tokenize)
    }

    /// Bytes of all automata and tables.
    pub fn memory(&self) -> usize {
        self.machines.iter().map(Machine::memory).sum::<usize>()
            + self.gates.memory()
            + self.filters.iter().map(Filter::memory).sum::<usize>()
            + self.befores.iter().map(Before::memory).sum::<usize>()
            + self.keywords.memory()
            + self.arms.memory()
            + self.firewall.memory()
    }

    pub(in crate::inspect) fn firewall(&self) -> &Firewall {
        &self.firewall
    }

    /// Where machines may begin.
    pub(super) fn gates(&self) -> &Gates {
        &self.gates
    }

    #[inline(always)]
    pub(super) fn filter(&self, direction: Direction) -> &Filter {
        &self.filters[direction as usize]
    }

    #[inline(always)]
    pub(super) fn needs(&self, direction: Direction) -> &[Needed] {
        &self.needs[direction as usize]
    }

    /// The bits of rules that wait for words.
    #[inline(always)]
    pub(super) fn armed_bits(&self, direction: Direction) -> u64 {
        self.armed_bits[direction as usize]
    }

    pub(super) fn arms(&self) -> &Arms {
        &self.arms
    }

    pub(super) fn keywords(&self) -> &Keywords {
        &self.keywords
    }

    pub(super) fn befores(&self) -> &[Before] {
        &self.befores
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
