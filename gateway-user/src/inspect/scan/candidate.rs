//! One place where a rule may have begun, and what happens to it byte by byte.

use super::machine::{Kind, Step};
use super::{Match, Pass, Window};
use crate::inspect::rules::{VALIDATED_ENDS, is_continuation};
use crate::inspect::{Engine, RuleIndex};

/// A live partial match.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub start: u64,
    pub state: u32,
    pub machine: u16,
    /// Length of the match behind which the machine looks; 0 where the match is still to come.
    pub value: u32,
}

/// Ends at which a rule matched a live candidate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Accepted {
    start: u64,
    rule: RuleIndex,
    /// Lengths of the longest matches, unordered; 0 for none. One only where every match is a finding.
    ends: [u32; VALIDATED_ENDS],
}

impl Accepted {
    /// Where the matches begin.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// The longest end whose validators pass, as a length.
    fn best(&self, window: Window<'_>) -> Option<u64> {
        let code = window.engine.rule_code(self.rule);
        let mut ends = self.ends;
        ends.sort_unstable_by(|left, right| right.cmp(left));
        let ends = ends.into_iter().map(u64::from).take_while(|length| *length > 0);
        let passes =
            |length: &u64| code.accepts_all() || code.accepts(window.slice(self.start, self.start + length));
        { ends }.find(passes)
    }

    fn add(&mut self, length: u32, every: bool) {
        let ends = &mut self.ends[..if every { VALIDATED_ENDS } else { 1 }];
        if !ends.contains(&length)
            && let Some(least) = ends.iter_mut().min()
        {
            *least = length.max(*least);
        }
    }
}

/// Stands for the length of a match that ends with the byte just read.
const CLOSED: u32 = u32::MAX;

impl Candidate {
    /// A match with a tail or terminator stays open for this byte, so that no head that ends with it begins another.
    fn closes(&mut self, engine: &Engine) -> bool {
        let open = self.is_open(engine);
        if open {
            self.value = CLOSED;
        }
        open
    }

    /// Whether its head has matched, and it looks for its end.
    fn is_open(&self, engine: &Engine) -> bool {
        matches!(engine.machine(self.machine).kind, Kind::Until(..) | Kind::Tail(..))
    }
}

impl Pass {
    /// The common case: one candidate, and no other begins before `end`. Goes on from `at` to the first byte that is
    /// not ordinary, which it leaves to [`Pass::step`]; returns its place.
    pub(super) fn coast(&mut self, window: Window<'_>, mut at: usize, end: usize) -> usize {
        let candidate = &mut self.live[0];
        let machine = window.engine.machine(candidate.machine);
        let bound = candidate.start + u64::from(machine.reach) - window.base;
        let ordinary = &window.text[..end.min(bound as usize)];
        while let Some(&byte) = ordinary.get(at) {
            let mut next = candidate.state;
            if machine.step(&mut next, byte) != Step::Live {
                break;
            }
            candidate.state = next;
            at += 1;
        }
        at
    }

    /// Steps every live candidate over the byte at `at`. Matches that end before it are noticed now.
    pub(super) fn step(&mut self, window: Window<'_>, at: u64, byte: u8) {
        let mut place = 0;
        let mut closed = false;
        while place < self.live.len() {
            let candidate = &mut self.live[place];
            let machine = window.engine.machine(candidate.machine);
            let before = candidate.state;
            let step = machine.step(&mut candidate.state, byte);
            if step == Step::Live && at - candidate.start < u64::from(machine.reach) {
                place += 1;
            } else if step == Step::Dead && self.accepted.is_empty() {
                self.live.remove(place);
            } else if self.pause(window, place, before, step, at, byte) {
                // Order is kept: of two heads that end together the older one goes on.
                if self.live[place].closes(window.engine) {
                    closed = true;
                    place += 1;
                    continue;
                }
                let dead = self.live.remove(place);
                self.decide(window, dead);
            } else {
                place += 1;
            }
        }
        if closed {
            self.live.retain(|candidate| candidate.value != CLOSED);
        }
    }

    /// Looks at a candidate whose step was not an ordinary one; returns whether it dies.
    #[cold]
    fn pause(
        &mut self,
        window: Window<'_>,
        place: usize,
        before: u32,
        step: Step,
        at: u64,
        byte: u8,
    ) -> bool {
        let is = self.live[place];
        let machine = window.engine.machine(is.machine);
        let full = at - is.start >= u64::from(machine.reach);
        match machine.kind {
            Kind::Until(_, rule) => {
                // At the bound a character is not cut.
                let ends = step == Step::Match || (full && !is_continuation(byte));
                if ends {
                    self.found(window, Match { start: is.start, end: at, rule });
                }
                ends
            }
            Kind::Tail(_, rule) => {
                self.found(window, Match { start: is.start, end: at, rule });
                // At the bound the rest of the token is another match.
                self.live[place].start = at;
                step == Step::Match
            }
            Kind::Patterns(..) | Kind::Words(..) => {
                if step == Step::Match {
                    self.accept(window, is, before, at, Some(byte));
                }
                full || machine.is_dead(is.state)
            }
            Kind::After(_, rule) => {
                if step == Step::Match {
                    self.note(is.start, rule, is.value, !window.engine.rule_code(rule).accepts_all());
                }
                true
            }
        }
    }

    /// Ends every live candidate at the end of the text.
    pub(super) fn end_all(&mut self, window: Window<'_>) {
        while let Some(is) = self.last(window.engine) {
            let machine = window.engine.machine(is.machine);
            if let Kind::Until(_, rule) | Kind::Tail(_, rule) = machine.kind {
                self.found(window, Match { start: is.start, end: self.fed, rule });
                continue;
            }
            if let Kind::After(_, rule) = machine.kind {
                if machine.matches_at_end(is.state) {
                    self.note(is.start, rule, is.value, !window.engine.rule_code(rule).accepts_all());
                }
                self.decide(window, is);
                continue;
            }
            let ended = Candidate { state: machine.end(is.state), ..is };
            self.accept(window, ended, is.state, self.fed, None);
            self.decide(window, is);
        }
    }

    /// Takes out the last candidate; open matches only when nothing else is left, as heads must not begin behind them.
    fn last(&mut self, engine: &Engine) -> Option<Candidate> {
        let last = self.live.len().checked_sub(1)?;
        let place = self.live.iter().rposition(|candidate| !candidate.is_open(engine)).unwrap_or(last);
        Some(self.live.remove(place))
    }

    /// Notes the rules that match a candidate up to `end`; `next` is the byte after.
    fn accept(&mut self, window: Window<'_>, is: Candidate, before: u32, end: u64, next: Option<u8>) {
        let engine = window.engine;
        let length = (end - is.start) as u32;
        engine.machine(is.machine).matches(before, is.state, length, next, |rule| {
            let code = engine.rule_code(rule);
            match (code.follow, code.after) {
                (None, None) => self.note(is.start, rule, length, !code.accepts_all()),
                (None, Some(machine)) => {
                    let state = engine.machine(machine).start;
                    self.live.push(Candidate { start: is.start, machine, state, value: length });
                }
                (Some(follow), _) if code.accepts(window.slice(is.start, end)) => {
                    self.follow(engine, is.start, follow)
                }
                (Some(_), _) => {}
            }
        });
    }

    /// Goes on behind a head. While one match is open its rule begins no other, so that heads in a row cost no
    /// more than one.
    fn follow(&mut self, engine: &Engine, start: u64, machine: u16) {
        if !self.live.iter().any(|open| open.machine == machine) {
            self.live.push(Candidate { start, machine, state: engine.machine(machine).start, value: 0 });
        }
    }

    fn note(&mut self, start: u64, rule: RuleIndex, length: u32, every: bool) {
        let known = self.accepted.iter_mut().find(|known| known.start == start && known.rule == rule);
        if let Some(known) = known {
            known.add(length, every);
        } else {
            let mut ends = [0; VALIDATED_ENDS];
            ends[0] = length;
            self.accepted.push(Accepted { start, rule, ends });
        }
    }

    /// Turns what a dead candidate had accepted into matches, once nothing that might add to it lives.
    fn decide(&mut self, window: Window<'_>, candidate: Candidate) {
        let mut place = 0;
        while place < self.accepted.len() {
            let accepted = self.accepted[place];
            let code = window.engine.rule_code(accepted.rule);
            let adds = |is: &Candidate| {
                is.start == accepted.start && (is.machine == code.machine || Some(is.machine) == code.after)
            };
            if !adds(&candidate) || self.live.iter().any(adds) {
                place += 1;
                continue;
            }
            self.accepted.swap_remove(place);
            if let Some(length) = accepted.best(window) {
                let end = accepted.start + length;
                self.found(window, Match { start: accepted.start, end, rule: accepted.rule });
            }
        }
    }
}
