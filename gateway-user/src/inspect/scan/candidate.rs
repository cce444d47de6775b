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
}

/// Ends at which a rule matched a live candidate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Accepted {
    start: u64,
    rule: RuleIndex,
    /// How many ends were written; `ends` is a ring.
    count: u32,
    /// Lengths of the matches; one only for a rule without validators.
    ends: [u32; VALIDATED_ENDS],
}

impl Accepted {
    /// The longest end whose validators pass, as a length.
    fn best(&self, window: Window<'_>) -> Option<u64> {
        let code = window.engine.rule_code(self.rule);
        let passes = |length: &u64| code.accepts(window.slice(self.start, self.start + length));
        if code.validators.is_empty() {
            return Some(u64::from(self.ends[0]));
        }
        let kept = (self.count as usize).min(VALIDATED_ENDS);
        let newest = (0..kept).map(|back| (self.count as usize - 1 - back) % VALIDATED_ENDS);
        newest.map(|place| u64::from(self.ends[place])).find(passes)
    }
}

impl Pass {
    /// The common case: one candidate, and no other begins. Goes on from `at` to the first byte that is not
    /// ordinary, which it leaves to [`Pass::step`]; returns its place and the class of what stands before it.
    pub(super) fn coast(&mut self, window: Window<'_>, mut at: usize, mut behind: u8) -> (usize, u8) {
        let starts = window.engine.starts(window.direction);
        let candidate = &mut self.live[0];
        let machine = window.engine.machine(candidate.machine);
        let bound = candidate.start + u64::from(machine.reach) - window.base;
        let ordinary = &window.text[..window.text.len().min(bound as usize)];
        while let Some(&byte) = ordinary.get(at) {
            let mut next = candidate.state;
            if starts.row(behind, byte) != 0 || machine.step(&mut next, byte) != Step::Live {
                break;
            }
            candidate.state = next;
            behind = starts.behind(behind, byte);
            at += 1;
        }
        (at, behind)
    }

    /// Steps every live candidate over the byte at `at`. Matches that end before it are noticed now.
    pub(super) fn step(&mut self, window: Window<'_>, at: u64, byte: u8) {
        let mut place = 0;
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
                let dead = self.live.remove(place);
                self.decide(window, dead);
            } else {
                place += 1;
            }
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
        }
    }

    /// Ends every live candidate at the end of the text.
    pub(super) fn end_all(&mut self, window: Window<'_>) {
        while let Some(is) = self.live.pop() {
            let machine = window.engine.machine(is.machine);
            if let Kind::Until(_, rule) | Kind::Tail(_, rule) = machine.kind {
                self.found(window, Match { start: is.start, end: self.fed, rule });
                continue;
            }
            let ended = Candidate { state: machine.end(is.state), ..is };
            self.accept(window, ended, is.state, self.fed, None);
            self.decide(window, is);
        }
    }

    /// Notes the rules that match a candidate up to `end`; `next` is the byte after.
    fn accept(&mut self, window: Window<'_>, is: Candidate, before: u32, end: u64, next: Option<u8>) {
        let engine = window.engine;
        let length = (end - is.start) as u32;
        engine.machine(is.machine).matches(before, is.state, length, next, |rule| {
            let code = engine.rule_code(rule);
            match code.follow {
                None => self.note(is.start, rule, length, !code.validators.is_empty()),
                Some(follow) if code.accepts(window.slice(is.start, end)) => {
                    self.follow(engine, is.start, follow)
                }
                Some(_) => {}
            }
        });
    }

    /// Goes on behind a head. While one match is open its rule begins no other, so that heads in a row cost no
    /// more than one.
    fn follow(&mut self, engine: &Engine, start: u64, machine: u16) {
        if !self.live.iter().any(|open| open.machine == machine) {
            self.live.push(Candidate { start, machine, state: engine.machine(machine).start });
        }
    }

    fn note(&mut self, start: u64, rule: RuleIndex, length: u32, every: bool) {
        let known = self.accepted.iter_mut().find(|known| known.start == start && known.rule == rule);
        let Some(known) = known else {
            let mut ends = [0; VALIDATED_ENDS];
            ends[0] = length;
            self.accepted.push(Accepted { start, rule, count: 1, ends });
            return;
        };
        let place = if every { known.count as usize % VALIDATED_ENDS } else { 0 };
        known.ends[place] = length;
        known.count += 1;
    }

    /// Turns what a dead candidate had accepted into matches.
    fn decide(&mut self, window: Window<'_>, candidate: Candidate) {
        let mut place = 0;
        while place < self.accepted.len() {
            let accepted = self.accepted[place];
            let code = window.engine.rule_code(accepted.rule);
            if accepted.start != candidate.start || code.machine != candidate.machine {
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
