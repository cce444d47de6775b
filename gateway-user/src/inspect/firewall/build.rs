//! All scored rules compiled, immutable and shared by every channel.

use std::sync::Arc;

use super::scorer::{Scorer, Sums};
use super::signals::{Signal, Signals};
use super::spec::Scored;
use crate::inspect::RuleIndex;
use crate::inspect::rules::{Matcher, Problem, Rule, RuleErrors};
use crate::wire::event::{Direction, Kind};

/// Scored rules of one engine at most.
const MAX_SCORED: usize = 64;
/// Keeps the logarithm of a threshold from 0.
const MOST_CERTAIN: f32 = 0.999;
/// A segment shorter than this tells a model nothing, bytes.
const SHORTEST_LOOK: usize = 8;

/// The compiled scored rules.
pub(crate) struct Firewall {
    pub(super) rules: Vec<Judge>,
    pub(super) signals: Signals,
    /// For each phrase the groups it belongs to: rule and group.
    pub(super) groups: Vec<Vec<(u16, u16)>>,
    model: Arc<dyn Scorer>,
}

/// What judging needs of a rule.
pub(super) struct Judge {
    pub index: RuleIndex,
    pub threshold: f32,
    pub weights: Vec<f32>,
    /// The head of the model that is evidence.
    head: Option<usize>,
    /// Raised to this power, the model's own threshold is the rule's.
    power: f32,
    kinds: u16,
}

impl Judge {
    fn of(index: RuleIndex, scored: &Scored, model: &dyn Scorer) -> Judge {
        Judge {
            index,
            threshold: scored.threshold,
            weights: scored.groups.iter().map(|group| group.weight).collect(),
            head: scored.head.as_deref().and_then(|head| model.head(head)),
            power: scored.threshold.min(MOST_CERTAIN).ln() / scored.model_threshold.min(MOST_CERTAIN).ln(),
            kinds: scored.kinds.iter().fold(0, |kinds, kind| kinds | bit(*kind)),
        }
    }

    /// Whether the rule judges this sort of text. Text of unknown meaning may be any.
    pub fn judges(&self, kind: Kind) -> bool {
        kind == Kind::Opaque || self.kinds & bit(kind) != 0
    }
}

fn bit(kind: Kind) -> u16 {
    1 << kind as u16
}

impl Firewall {
    /// Compiles the scored ones of an engine's rules.
    ///
    /// # Errors
    /// When they are more than [`MAX_SCORED`], or their phrases too many for the automata.
    pub fn build(rules: &[&Rule], model: Arc<dyn Scorer>) -> Result<Firewall, RuleErrors> {
        let scored = rules.iter().zip(0..).filter_map(|(rule, index)| match &rule.matcher {
            Matcher::Scored(scored) => Some((RuleIndex(index), scored.as_ref())),
            _ => None,
        });
        let refuse = |problem| RuleErrors::one("rules", None, problem);
        let mut judges = Vec::new();
        let mut phrases: Vec<&Signal> = Vec::new();
        let mut groups: Vec<Vec<(u16, u16)>> = Vec::new();
        for (index, scored) in scored {
            let rule = judges.len() as u16;
            for (phrase, group) in scored.phrases() {
                let number = phrases.iter().position(|known| *known == phrase).unwrap_or_else(|| {
                    phrases.push(phrase);
                    groups.push(Vec::new());
                    phrases.len() - 1
                });
                groups[number].push((rule, group));
            }
            judges.push(Judge::of(index, scored, model.as_ref()));
        }
        if judges.len() > MAX_SCORED {
            return Err(refuse(Problem::TooManyRules { most: MAX_SCORED }));
        }
        let signals = Signals::build(&phrases).map_err(refuse)?;
        Ok(Firewall { rules: judges, signals, groups, model })
    }

    /// Whether any rule judges this sort of text in this direction. What the model wrote in earlier turns was judged
    /// as a reply; the instructions a reply repeats are no output.
    pub fn judges(&self, direction: Direction, kind: Kind) -> bool {
        let earlier = match direction {
            Direction::Request => matches!(kind, Kind::Assistant | Kind::Thinking | Kind::Refusal),
            Direction::Reply => matches!(kind, Kind::System | Kind::ToolDefinition),
        };
        !earlier && self.rules.iter().any(|rule| rule.judges(kind))
    }

    /// Whether the model is evidence for any rule about this sort of text.
    pub(super) fn reads(&self, kind: Kind) -> bool {
        self.rules.iter().any(|rule| rule.head.is_some() && rule.judges(kind))
    }

    /// What the model keeps of a segment.
    pub(super) fn look(&self, segment: &[u8]) -> Sums {
        if segment.len() < SHORTEST_LOOK { Sums::default() } else { self.model.look(segment) }
    }

    /// What the model says to a rule, if it is asked and has seen anything.
    pub(super) fn probability(&self, rule: &Judge, before: Sums, now: Sums) -> Option<f32> {
        let seen = before.count + now.count > 0;
        rule.head.filter(|_| seen).map(|head| self.model.probability(head, before, now).powf(rule.power))
    }

    /// Bytes of all automata and tables.
    pub fn memory(&self) -> usize {
        self.signals.memory() + self.model.memory()
    }
}
