//! Which rules share an automaton, and the automata themselves.

use regex_syntax::hir::literal::Extractor;

use super::machine::{Kind, Machine};
use super::need::Need;
use super::starts::{Entry, Starts};
use crate::inspect::rules::{ByteSet, Matcher, Problem, Rule, RuleError, RuleErrors, parse_bytes};
use crate::inspect::{Action, RuleIndex};
use crate::wire::event::Direction;

/// A pattern all of whose matches begin with literals at least this long is led by them.
const LITERAL: usize = 2;
/// A class of more bytes than this is not a choice of literals.
const CHOICES: usize = 6;
/// What numbers begin with.
const NUMBER: &[u8] = b"0123456789+(";
/// Rules of one automaton at most. The fewer, the fewer classes of bytes, and the smaller its table.
const TOGETHER: usize = 8;

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
    /// The machine that goes on where its head ends.
    pub follow: Option<u16>,
}

/// What a rule does with the holdback in a direction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lane {
    Off,
    Warns,
    Enforces,
}

/// How matches begin. Rules that begin alike share an automaton where that keeps it small.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lead {
    /// With different literals: behind them nothing multiplies.
    Literal,
    /// With a digit or a sign: they count the same digits.
    Number,
    /// With many bytes, or words: alone.
    Own,
}

/// Rules that may share an automaton.
#[derive(Clone)]
struct Group {
    lanes: [Lane; 2],
    not_after: ByteSet,
    lead: Lead,
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
        if matches!(rule.matcher, Matcher::Scored(_)) {
            return Lane::Off;
        }
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
            let lead = lead(rule);
            let fits = |group: &&mut Group| {
                let alike = group.lanes == lanes && group.not_after == rule.not_after;
                alike && lead != Lead::Own && group.lead == lead && group.rules.len() < TOGETHER
            };
            match groups.iter_mut().find(fits) {
                Some(group) => group.rules.push(index),
                None => groups.push(Group { lanes, not_after: rule.not_after, lead, rules: vec![index] }),
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
        if let Matcher::Words { words, ignore_case } = &self.rule(group.rules[0]).matcher {
            return Machine::words(words, *ignore_case, group.rules[0]);
        }
        let heads = group.rules.iter().filter_map(|index| self.rule(*index).matcher.head());
        let patterns: Vec<&str> = heads.collect();
        Machine::patterns(&patterns, group.rules.clone())
    }

    fn place(&mut self, kind: Kind, group: Group) {
        let enforces = group.lanes.map(|lane| lane == Lane::Enforces);
        let reach = group.rules.iter().map(|index| self.rule(*index).info.max_length).max().unwrap_or(0);
        let machine = self.built.len() as u16;
        let rules = group.rules.clone();
        let alone = if let [rule] = rules[..] { self.rule(rule).matcher.head() } else { None };
        let need = alone.and_then(Need::of);
        self.built.push((Machine::new(kind, reach, enforces, need), Some(group)));
        for index in rules {
            self.homes[index.get()] = Home { machine, follow: None };
            let rule = self.rules[index.get()];
            let kind = match &rule.matcher {
                Matcher::Tail { class, .. } => Ok(Kind::Tail(class.clone(), index)),
                Matcher::Until { terminator, .. } => Machine::until(terminator, index),
                Matcher::Pattern(_) | Matcher::Words { .. } | Matcher::Scored(_) => continue,
            };
            match kind {
                Ok(kind) => {
                    self.homes[index.get()].follow = Some(self.built.len() as u16);
                    self.built.push((Machine::new(kind, rule.info.max_length, enforces, None), None));
                }
                Err(problem) => self.refuse(index, problem),
            }
        }
    }

    fn starts(&self, direction: Direction) -> Starts {
        let entry = |(number, (machine, group)): (usize, &(Machine, Option<Group>))| {
            let group = group.as_ref().filter(|group| group.lanes[direction as usize] != Lane::Off)?;
            let pairs = (0..=255).map(|byte| machine.seconds(byte)).collect();
            let words = matches!(machine.kind, Kind::Words(..));
            let anywhere = std::array::from_fn(|byte| words && byte >= 0xE0);
            Some(Entry { machine: number as u16, not_after: group.not_after, pairs, anywhere })
        };
        let entries: Vec<Entry> = self.built.iter().enumerate().filter_map(entry).collect();
        Starts::new(&entries)
    }
}

fn lead(rule: &Rule) -> Lead {
    let Some(hir) = rule.matcher.head().and_then(|head| parse_bytes("pattern", head).ok()) else {
        return Lead::Own;
    };
    let literals = Extractor::new().limit_class(CHOICES).extract(&hir);
    if literals.min_literal_len().is_some_and(|least| least >= LITERAL) {
        return Lead::Literal;
    }
    let firsts = Extractor::new().limit_class(NUMBER.len()).limit_literal_len(1).extract(&hir);
    match firsts.literals() {
        Some(firsts)
            if firsts.iter().all(|first| NUMBER.contains(first.as_bytes().first().unwrap_or(&0))) =>
        {
            Lead::Number
        }
        _ => Lead::Own,
    }
}
