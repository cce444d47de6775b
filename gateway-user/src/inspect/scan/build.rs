//! Which rules share an automaton, and the automata themselves.

use regex_syntax::hir::literal::Extractor;

use super::arms::Arms;
use super::before::Before;
use super::engine::Code;
use super::filter::{Filter, Sort, likelihood};
use super::gates::{Beginning as Begins, Gates};
use super::keywords::Keywords;
use super::lead::Lead;
use super::machine::{Kind, Machine};
use super::need::{MOST_NEEDS, Need, Needed};
use super::parallel;
use crate::inspect::rules::{
    ByteSet, MAX_AFTER, Matcher, Problem, Rule, RuleError, RuleErrors, has_assertions, parse_bytes,
};
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
/// A lead seen at more places than this is also followed by what its rule needs.
const OFTEN: f32 = 1e-4;

/// Everything compiled.
pub(super) struct Built {
    pub machines: Vec<Machine>,
    pub codes: Vec<Code>,
    pub gates: Gates,
    pub filters: [Filter; 2],
    pub needs: [Vec<Needed>; 2],
    pub befores: Vec<Before>,
    pub keywords: Keywords,
    pub arms: Arms,
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
enum Beginning {
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
    /// Which of the contexts must stand before.
    before: Option<u16>,
    not_after: ByteSet,
    beginning: Beginning,
    rules: Vec<RuleIndex>,
}

/// Compiles rules, their actions capped.
pub(super) fn machines(rules: &[&Rule], cap: Action) -> Result<Built, RuleErrors> {
    let mut build = Build {
        rules,
        cap,
        built: Vec::new(),
        codes: Vec::new(),
        befores: Vec::new(),
        texts: Vec::new(),
        arms: Arms::new([].into_iter()),
        errors: Vec::new(),
    };
    build.codes();
    build.contexts();
    for (group, kind) in parallel::map(&build.groups(), |group| build.compile(group)).into_iter().flatten() {
        match kind {
            Ok(kind) => build.place(kind, group),
            Err(problem) => build.refuse(group.rules[0], problem),
        }
    }
    if !build.errors.is_empty() {
        return Err(RuleErrors(build.errors));
    }
    let keywords = Keywords::new(build.befores.iter().map(|before| before.words.as_slice()))
        .map_err(|problem| RuleErrors::one("rules", None, problem))?;
    build.arms = Arms::new(build.befores.iter().map(|before| (before.needed.as_slice(), before.longest)));
    let directions = [Direction::Request, Direction::Reply];
    let [(request, request_needs), (reply, reply_needs)] =
        directions.map(|direction| build.filter(direction));
    let (machines, groups): (Vec<Machine>, Vec<_>) = build.built.into_iter().unzip();
    let begins = groups.iter().enumerate().filter_map(|(machine, group)| {
        let group = group.as_ref()?;
        let rules = group.rules.iter().map(|index| rules[index.get()]).collect();
        Some(Begins { machine, rules, on: group.lanes.map(|lane| lane != Lane::Off) })
    });
    let gates = Gates::new(begins, &machines, &build.befores);
    let (filters, needs) = ([request, reply], [request_needs, reply_needs]);
    Ok(Built {
        machines,
        codes: build.codes,
        gates,
        filters,
        needs,
        befores: build.befores,
        arms: build.arms,
        keywords,
    })
}

struct Build<'r> {
    rules: &'r [&'r Rule],
    cap: Action,
    /// Machines, and the group whose candidates begin in each; none begins at a terminator.
    built: Vec<(Machine, Option<Group>)>,
    codes: Vec<Code>,
    befores: Vec<Before>,
    /// The contexts as written.
    texts: Vec<String>,
    arms: Arms,
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
            Action::Redact | Action::Tokenize | Action::Block => Lane::Enforces,
        }
    }

    fn codes(&mut self) {
        for (place, code) in parallel::map(self.rules, |rule| Code::of(rule)).into_iter().enumerate() {
            self.codes.push(code.unwrap_or_else(|problem| {
                self.errors.push(RuleError::new("rules", Some(&self.rules[place].info.id), problem));
                Code::default()
            }));
        }
    }

    fn lanes(&self, rule: &Rule) -> [Lane; 2] {
        [Direction::Request, Direction::Reply].map(|direction| self.lane(rule, direction))
    }

    /// Compiles the contexts of the rules that are on; equal ones are one.
    fn contexts(&mut self) {
        let mut texts: Vec<(RuleIndex, &str)> = Vec::new();
        for (place, rule) in self.rules.iter().enumerate() {
            let text = rule.before.as_deref().filter(|_| self.lanes(rule) != [Lane::Off; 2]);
            if let Some(text) = text.filter(|text| texts.iter().all(|known| known.1 != *text)) {
                texts.push((RuleIndex(place as u16), text));
            }
        }
        let compiled = parallel::map(&texts, |(_, text)| Before::new(text));
        for ((index, text), before) in texts.into_iter().zip(compiled) {
            match before {
                Ok(before) => {
                    self.befores.push(before);
                    self.texts.push(text.to_owned());
                }
                Err(problem) => self.refuse(index, problem),
            }
        }
    }

    /// The number of a rule's context; `None` also where it could not be compiled.
    fn before(&self, rule: &Rule) -> Option<u16> {
        let text = rule.before.as_deref()?;
        self.texts.iter().position(|known| known == text).map(|number| number as u16)
    }

    fn groups(&self) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        for (place, rule) in self.rules.iter().enumerate() {
            let index = RuleIndex(place as u16);
            let lanes = self.lanes(rule);
            if lanes == [Lane::Off; 2] {
                continue;
            }
            let beginning = beginning(rule);
            let before = self.before(rule);
            let fits = |group: &&mut Group| {
                let alike =
                    group.lanes == lanes && group.not_after == rule.not_after && group.before == before;
                alike
                    && beginning != Beginning::Own
                    && group.beginning == beginning
                    && group.rules.len() < TOGETHER
            };
            match groups.iter_mut().find(fits) {
                Some(group) => group.rules.push(index),
                None => groups.push(Group {
                    lanes,
                    before,
                    not_after: rule.not_after,
                    beginning,
                    rules: vec![index],
                }),
            }
        }
        // Machines with the same context stand together, so that it is looked at once.
        groups.sort_by_key(|group| group.before);
        groups
    }

    /// Compiles a group, in halves when it is too large.
    fn compile(&self, group: &Group) -> Vec<(Group, Result<Kind, Problem>)> {
        match self.kind(group) {
            Err(Problem::TooLarge { .. }) if group.rules.len() > 1 => {
                let (left, right) = group.rules.split_at(group.rules.len() / 2);
                let half =
                    |rules: &[RuleIndex]| self.compile(&Group { rules: rules.to_vec(), ..group.clone() });
                let mut both = half(left);
                both.extend(half(right));
                both
            }
            kind => vec![(group.clone(), kind)],
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
        let built = Machine { before: group.before, ..Machine::new(kind, reach, enforces) };
        self.built.push((built, Some(group)));
        for index in rules {
            self.codes[index.get()].machine = machine;
            let rule = self.rules[index.get()];
            if let Some(after) = &rule.after {
                self.after(index, after, enforces);
            }
            let kind = match &rule.matcher {
                Matcher::Tail { class, .. } => Ok(Kind::Tail(class.clone(), index)),
                Matcher::Until { terminator, .. } => Machine::until(terminator, index),
                Matcher::Pattern(_) | Matcher::Words { .. } | Matcher::Scored(_) => continue,
            };
            match kind {
                Ok(kind) => {
                    self.codes[index.get()].follow = Some(self.built.len() as u16);
                    self.built.push((Machine::new(kind, rule.info.max_length, enforces), None));
                }
                Err(problem) => self.refuse(index, problem),
            }
        }
    }

    fn after(&mut self, index: RuleIndex, pattern: &str, enforces: [bool; 2]) {
        match Machine::after(pattern, index) {
            Ok(kind) => {
                self.codes[index.get()].after = Some(self.built.len() as u16);
                let reach = self.rule(index).info.max_length + MAX_AFTER as u32 + 1;
                let assertions = has_assertions(pattern);
                self.built.push((Machine { assertions, ..Machine::new(kind, reach, enforces) }, None));
            }
            Err(problem) => self.refuse(index, problem),
        }
    }

    /// The filter of a direction, and what is needed where. Sets the bits of the machines.
    fn filter(&mut self, direction: Direction) -> (Filter, Vec<Needed>) {
        let mut leads = Vec::new();
        let mut far = Vec::new();
        let mut owners = Vec::new();
        let mut needs: Vec<(usize, Need)> = Vec::new();
        for (number, (_, group)) in self.built.iter().enumerate() {
            let Some(group) = group.as_ref().filter(|group| group.lanes[direction as usize] != Lane::Off)
            else {
                continue;
            };
            for index in &group.rules {
                let rule = self.rules[index.get()];
                let ahead = Lead::ahead(rule);
                for lead in Lead::of(rule) {
                    let armed =
                        group.before.is_some_and(|it| !self.befores[usize::from(it)].needed.is_empty());
                    let often = !armed && likelihood(&lead) > OFTEN && needs.len() < MOST_NEEDS;
                    let need = rule.matcher.head().filter(|_| often).and_then(Need::of);
                    needs.extend(need.clone().map(|need| (leads.len(), need)));
                    let sort = match (armed, &need) {
                        (true, _) => Sort::Armed,
                        (false, Some(_)) => Sort::Apart,
                        (false, None) => Sort::Free,
                    };
                    leads.push((lead, sort));
                    far.push(ahead);
                    owners.push(number);
                }
            }
        }
        let (filter, bits) = Filter::new(&leads, &far);
        for ((owner, bit), (_, sort)) in owners.iter().zip(&bits).zip(&leads) {
            let machine = &mut self.built[*owner].0;
            machine.bits[direction as usize] |= bit;
            if let Some(before) = machine.before.filter(|_| *sort == Sort::Armed) {
                self.arms.bits[usize::from(before)][direction as usize] |= bit;
            }
        }
        (filter, needs.into_iter().map(|(lead, need)| (need, bits[lead])).collect())
    }
}

fn beginning(rule: &Rule) -> Beginning {
    let Some(hir) = rule.matcher.head().and_then(|head| parse_bytes("pattern", head).ok()) else {
        return Beginning::Own;
    };
    let literals = Extractor::new().limit_class(CHOICES).extract(&hir);
    if literals.min_literal_len().is_some_and(|least| least >= LITERAL) {
        return Beginning::Literal;
    }
    let firsts = Extractor::new().limit_class(NUMBER.len()).limit_literal_len(1).extract(&hir);
    match firsts.literals() {
        Some(firsts)
            if firsts.iter().all(|first| NUMBER.contains(first.as_bytes().first().unwrap_or(&0))) =>
        {
            Beginning::Number
        }
        _ => Beginning::Own,
    }
}
