//! All scored rules compiled, immutable and shared by every channel.

use super::signals::{Signal, Signals};
use super::spec::Scored;
use crate::inspect::RuleIndex;
use crate::inspect::rules::{Matcher, Problem, Rule, RuleErrors};
use crate::wire::event::{Direction, Kind};

/// The compiled scored rules.
pub(crate) struct Firewall {
    pub(super) rules: Vec<Judge>,
    pub(super) signals: Signals,
    /// For each phrase the groups it belongs to: rule and group.
    pub(super) groups: Vec<Vec<(u16, u16)>>,
}

/// What judging needs of a rule.
pub(super) struct Judge {
    pub index: RuleIndex,
    pub threshold: f32,
    pub weights: Vec<f32>,
    kinds: u16,
}

impl Judge {
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
    /// When the phrases are too many for the automata.
    pub fn build(rules: &[&Rule]) -> Result<Firewall, RuleErrors> {
        let scored = rules.iter().zip(0..).filter_map(|(rule, index)| match &rule.matcher {
            Matcher::Scored(scored) => Some((RuleIndex(index), scored.as_ref())),
            _ => None,
        });
        Firewall::of(scored).map_err(|problem| RuleErrors::one("rules", None, problem))
    }

    /// As [`Firewall::build`], of scored rules alone.
    pub fn of<'a>(rules: impl Iterator<Item = (RuleIndex, &'a Scored)>) -> Result<Firewall, Problem> {
        let mut judges = Vec::new();
        let mut phrases: Vec<&Signal> = Vec::new();
        let mut groups: Vec<Vec<(u16, u16)>> = Vec::new();
        for (index, scored) in rules {
            let rule = judges.len() as u16;
            for (group, of) in scored.groups.iter().enumerate() {
                for phrase in &of.phrases {
                    let number = phrases.iter().position(|known| *known == phrase).unwrap_or_else(|| {
                        phrases.push(phrase);
                        groups.push(Vec::new());
                        phrases.len() - 1
                    });
                    groups[number].push((rule, group as u16));
                }
            }
            judges.push(Judge {
                index,
                threshold: scored.threshold,
                weights: scored.groups.iter().map(|group| group.weight).collect(),
                kinds: scored.kinds.iter().fold(0, |kinds, kind| kinds | bit(*kind)),
            });
        }
        Ok(Firewall { rules: judges, signals: Signals::build(&phrases)?, groups })
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

    /// Bytes of all automata and tables.
    pub fn memory(&self) -> usize {
        self.signals.memory()
    }
}
