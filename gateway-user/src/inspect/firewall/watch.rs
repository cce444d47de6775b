//! The state of one text that is judged: segment by segment, wherever its pieces are cut.

use super::build::Firewall;
use super::score::{Evidence, MOST_EVIDENCE, WINDOW, combine};
use super::segment;
use super::signals;
use crate::inspect::{Action, Engine, Finding};
use crate::wire::event::{Direction, Kind};

/// What is known of a text so far. Bounded: the text of two segments and [`MOST_EVIDENCE`] places.
#[derive(Debug, Default)]
pub struct Watch {
    /// Text in lower case: the end of what was judged, then what was not.
    text: Vec<u8>,
    /// How much of `text` was judged.
    judged: usize,
    /// Offset of `text[0]`.
    base: u64,
    evidence: Vec<Evidence>,
    /// Rules that have applied already, a bit each.
    fired: u64,
}

impl Watch {
    /// The state before the first byte of a text.
    pub fn new() -> Watch {
        Watch::default()
    }

    /// Judges a whole text of one kind; appends findings to `out`. The state is as new afterwards.
    pub fn whole(
        &mut self,
        engine: &Engine,
        direction: Direction,
        kind: Kind,
        text: &[u8],
        out: &mut Vec<Finding>,
    ) {
        self.push(engine, direction, kind, text, out);
        self.finish(engine, direction, kind, out);
    }

    /// Takes in the next piece of a text and appends what applies in the segments that end in it. A finding is from the
    /// first piece of its evidence to the end of the segment. A rule applies once in a text.
    pub fn push(
        &mut self,
        engine: &Engine,
        direction: Direction,
        kind: Kind,
        text: &[u8],
        out: &mut Vec<Finding>,
    ) {
        if !engine.firewall().judges(direction, kind) {
            return;
        }
        let mut rest = text;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(segment::LONGEST));
            self.text.extend(now.iter().map(|&byte| segment::fold(byte)));
            rest = later;
            while let Some(length) = segment::length(&self.text[self.judged..]) {
                self.segment(engine, direction, kind, length, out);
            }
        }
    }

    /// Ends the text: judges what is left of it, and makes the state new.
    pub fn finish(&mut self, engine: &Engine, direction: Direction, kind: Kind, out: &mut Vec<Finding>) {
        let length = self.text.len() - self.judged;
        if length > 0 {
            self.segment(engine, direction, kind, length, out);
        }
        self.text.clear();
        self.evidence.clear();
        (self.judged, self.base, self.fired) = (0, 0, 0);
    }

    fn segment(
        &mut self,
        engine: &Engine,
        direction: Direction,
        kind: Kind,
        length: usize,
        out: &mut Vec<Finding>,
    ) {
        let firewall = engine.firewall();
        let end = self.judged + length;
        let stop = self.base + end as u64;
        self.evidence.retain(|evidence| evidence.start + WINDOW >= stop);
        self.look(firewall, kind, end);
        if !self.evidence.is_empty() {
            self.judge(engine, direction, kind, stop, out);
        }
        let keep = end.saturating_sub(signals::LONGEST);
        self.text.drain(..keep);
        self.base += keep as u64;
        self.judged = end - keep;
    }

    /// Gathers the evidence that ends in the segment up to `end`.
    fn look(&mut self, firewall: &Firewall, kind: Kind, end: usize) {
        let (base, evidence) = (self.base, &mut self.evidence);
        firewall.signals.find(&self.text[..end], self.judged, |phrase, start, stop| {
            for &(rule, group) in &firewall.groups[usize::from(phrase)] {
                if !firewall.rules[usize::from(rule)].judges(kind) {
                    continue;
                }
                let found = Evidence { rule, group, start: base + start as u64, end: base + stop as u64 };
                let same = |known: &Evidence| (known.rule, known.group) == (rule, group);
                match evidence.iter().position(same) {
                    Some(known) => evidence[known] = found,
                    None if evidence.len() < MOST_EVIDENCE => evidence.push(found),
                    None => {}
                }
            }
        });
    }

    /// Adds the evidence up for each rule.
    fn judge(
        &mut self,
        engine: &Engine,
        direction: Direction,
        kind: Kind,
        stop: u64,
        out: &mut Vec<Finding>,
    ) {
        for (number, rule) in engine.firewall().rules.iter().enumerate() {
            let action = engine.action(rule.index, direction);
            let fired = self.fired >> number & 1 == 1;
            if action == Action::Allow || fired || !rule.judges(kind) {
                continue;
            }
            let of = || self.evidence.iter().filter(|evidence| usize::from(evidence.rule) == number);
            let score = combine(of().map(|evidence| rule.weights[usize::from(evidence.group)]));
            if score < rule.threshold {
                continue;
            }
            self.fired |= 1 << number;
            let start = of().map(|evidence| evidence.start).min().unwrap_or(stop);
            let from = start.saturating_sub(self.base) as usize;
            let value = &self.text[from..(stop - self.base) as usize];
            out.push(Finding { rule: rule.index, action, start, end: stop, digest: engine.digest(value) });
        }
    }
}
