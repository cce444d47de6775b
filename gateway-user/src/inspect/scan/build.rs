//! Which rules share an automaton, and the automata themselves.

use regex_syntax::hir::literal::Extractor;

use super::machine::{Kind, Machine};
use super::starts::{Entry, Starts};
use crate::inspect::rules::{ByteSet, Matcher, Problem, Rule, RuleError, RuleErrors, parse_bytes};
use crate::inspect::{Action, RuleIndex};
use crate::wire::event::Direction;

/// A pattern all of whose matches begin with literals at least this long shares an automaton with its like:
/// behind different literals nothing multiplies.
const LITERAL: usize = 2;

/// Everything compiled.
pub(super) struct Built {
    pub machines: Vec<Machine>,
    pub homes: Vec<Home>,
    pub starts: [Starts; 2],
}

/// Where a rule lives.
#[derive(Clone, Copy, Default)]
pub(super) struct Home {
    pub machine: u16,
    /// The machine that looks for its terminator.
    pub until: Option<u16>,
}

/// What a rule does with the holdback in a direction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lane {
    Off,
    Warns,
    Enforces,
}

/// Rules that may share an automaton.
#[derive(Clone)]
struct Group {
    lanes: [Lane; 2],
    not_after: ByteSet,
    literal: bool,
    rules: Vec<RuleIndex>,
}

/// Compiles rules, their actions capped.
pub(super) fn machines(rules: &[&Rule], cap: Action) -> Result<Built, RuleErrors> {
    let mut build = Build {
        rules,
        cap,
        built: Vec::new(),
        homes: vec![Home::default(); rules.len()],
        errors: Vec::new(),
    };
    for group in build.groups() {
        build.compile(group);
    }
    if !build.errors.is_empty() {
        return Err(RuleErrors(build.errors));
    }
    let starts = [Direction::Request, Direction::Reply].map(|direction| build.starts(direction));
    let machines = build.built.into_iter().map(|(machine, _)| machine).collect();
    Ok(Built { machines, homes: build.homes, starts })
}

struct Build<'r> {
    rules: &'r [&'r Rule],
    cap: Action,
    /// Machines, and the group whose candidates begin in each; none begins at a terminator.
    built: Vec<(Machine, Option<Group>)>,
    homes: Vec<Home>,
    errors: Vec<RuleError>,
}

impl Build<'_> {
    fn rule(&self, index: RuleIndex) -> &Rule {
        self.rules[index.get()]
    }

    fn lane(&self, rule: &Rule, direction: Direction) -> Lane {
        match rule.info.action(direction).min(self.cap) {
            Action::Allow => Lane::Off,
            Action::Warn => Lane::Warns,
            Action::Redact | Action::Block => Lane::Enforces,
        }
    }

    fn groups(&self) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        for (place, rule) in self.rules.iter().enumerate() {
            let index = RuleIndex(place as u16);
            let lanes = [Direction::Request, Direction::Reply].map(|direction| self.lane(rule, direction));
            if lanes == [Lane::Off; 2] {
                continue;
            }
            let literal = begins_literally(rule);
            let fits = |group: &&mut Group| {
                group.literal && group.lanes == lanes && group.not_after == rule.not_after
            };
            match groups.iter_mut().find(fits).filter(|_| literal) {
                Some(group) => group.rules.push(index),
                None => groups.push(Group { lanes, not_after: rule.not_after, literal, rules: vec![index] }),
            }
        }
        groups
    }

    /// Compiles a group, in halves when it is too large.
    fn compile(&mut self, group: Group) {
        match self.kind(&group) {
            Ok(kind) => self.place(kind, group),
            Err(Problem::TooLarge { .. }) if group.rules.len() > 1 => {
                let (left, right) = group.rules.split_at(group.rules.len() / 2);
                self.compile(Group { rules: left.to_vec(), ..group.clone() });
                self.compile(Group { rules: right.to_vec(), ..group });
            }
            Err(problem) => self.refuse(group.rules[0], problem),
        }
    }

    fn refuse(&mut self, rule: RuleIndex, problem: Problem) {
        let id = self.rule(rule).info.id.clone();
        self.errors.push(RuleError::new("rules", Some(&id), problem));
    }

    fn kind(&self, group: &Group) -> Result<Kind, Problem> {
        let mut patterns = Vec::new();
        for index in &group.rules {
            match &self.rule(*index).matcher {
                Matcher::Pattern(pattern) | Matcher::Until { head: pattern, .. } => {
                    patterns.push(pattern.as_str())
                }
                Matcher::Words { words, ignore_case } => return Machine::words(words, *ignore_case, *index),
            }
        }
        Machine::patterns(&patterns, group.rules.clone())
    }

    fn place(&mut self, kind: Kind, group: Group) {
        let enforces = group.lanes.map(|lane| lane == Lane::Enforces);
        let reach = group.rules.iter().map(|index| self.rule(*index).info.max_length).max().unwrap_or(0);
        let machine = self.built.len() as u16;
        let rules = group.rules.clone();
        self.built.push((Machine::new(kind, reach, enforces), Some(group)));
        for index in rules {
            self.homes[index.get()] = Home { machine, until: None };
            let rule = self.rules[index.get()];
            let Matcher::Until { terminator, .. } = &rule.matcher else { continue };
            match Machine::until(terminator, index) {
                Ok(kind) => {
                    self.homes[index.get()].until = Some(self.built.len() as u16);
                    self.built.push((Machine::new(kind, rule.info.max_length, enforces), None));
                }
                Err(problem) => self.refuse(index, problem),
            }
        }
    }

    fn starts(&self, direction: Direction) -> Starts {
        let entry = |(number, (machine, group)): (usize, &(Machine, Option<Group>))| {
            let group = group.as_ref().filter(|group| group.lanes[direction as usize] != Lane::Off)?;
            let first: ByteSet = std::array::from_fn(|byte| machine.may_begin(byte as u8));
            let words = matches!(machine.kind, Kind::Words(..));
            let anywhere = std::array::from_fn(|byte| words && byte >= 0xE0);
            Some(Entry { machine: number as u16, not_after: group.not_after, first, anywhere })
        };
        let entries: Vec<Entry> = self.built.iter().enumerate().filter_map(entry).collect();
        Starts::new(&entries)
    }
}

/// Whether every match begins with one of a few literals.
fn begins_literally(rule: &Rule) -> bool {
    let (Matcher::Pattern(pattern) | Matcher::Until { head: pattern, .. }) = &rule.matcher else {
        return false;
    };
    let Ok(hir) = parse_bytes("pattern", pattern) else { return false };
    Extractor::new().extract(&hir).min_literal_len().is_some_and(|least| least >= LITERAL)
}
