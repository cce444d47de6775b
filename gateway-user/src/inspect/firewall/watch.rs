//! The state of one text that is judged: segment by segment, wherever its pieces are cut.

use super::build::{Firewall, Judge};
use super::score::{Evidence, MOST_EVIDENCE, WINDOW, combine};
use super::scorer::Sums;
use super::segment;
use super::signals;
use crate::inspect::{Action, Engine, Finding};
use crate::wire::event::{Direction, Kind};

/// Which text is judged, and by what; the same for all calls on one [`Watch`].
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The compiled rules.
    pub engine: &'a Engine,
    /// Which way the text goes.
    pub direction: Direction,
    /// What sort of text it is.
    pub kind: Kind,
}

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
    /// What the model saw in the segment before.
    before: Sums,
    /// Rules that have applied already, a bit each.
    fired: u64,
}

impl Watch {
    /// The state before the first byte of a text.
    pub fn new() -> Watch {
        Watch::default()
    }

    /// Judges a whole text; appends findings to `out`. The state is as new afterwards.
    pub fn whole(&mut self, source: Source<'_>, text: &[u8], out: &mut Vec<Finding>) {
        self.push(source, text, out);
        self.finish(source, out);
    }

    /// Takes in the next piece of a text and appends what applies in the segments that end in it. A finding is from the
    /// first piece of its evidence to the end of the segment. A rule applies once in a text.
    pub fn push(&mut self, source: Source<'_>, text: &[u8], out: &mut Vec<Finding>) {
        if !source.engine.firewall().judges(source.direction, source.kind) {
            return;
        }
        let mut rest = text;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(segment::LONGEST));
            self.text.extend(now.iter().map(|&byte| segment::fold(byte)));
            rest = later;
            while let Some(length) = segment::length(&self.text[self.judged..]) {
                self.segment(source, length, out);
            }
        }
    }

    /// Ends the text: judges what is left of it, and makes the state new.
    pub fn finish(&mut self, source: Source<'_>, out: &mut Vec<Finding>) {
        let length = self.text.len() - self.judged;
        if length > 0 {
            self.segment(source, length, out);
        }
        self.text.clear();
        self.evidence.clear();
        (self.judged, self.base, self.fired, self.before) = (0, 0, 0, Sums::default());
    }

    fn segment(&mut self, source: Source<'_>, length: usize, out: &mut Vec<Finding>) {
        let firewall = source.engine.firewall();
        let (from, to) = (self.judged, self.judged + length);
        let stop = self.base + to as u64;
        self.evidence.retain(|evidence| evidence.start + WINDOW >= stop);
        self.gather(firewall, source.kind, to);
        let reads = firewall.reads(source.kind);
        let now = if reads { firewall.look(&self.text[from..to]) } else { Sums::default() };
        for (number, rule) in firewall.rules.iter().enumerate().filter(|(_, rule)| rule.judges(source.kind)) {
            self.judge(source, number, rule, now, to, out);
        }
        self.before = now;
        let keep = to.saturating_sub(signals::LONGEST);
        self.text.drain(..keep);
        self.base += keep as u64;
        self.judged = to - keep;
    }

    /// Gathers the evidence that ends in the segment up to `to`.
    fn gather(&mut self, firewall: &Firewall, kind: Kind, to: usize) {
        let (base, evidence) = (self.base, &mut self.evidence);
        firewall.signals.find(&self.text[..to], self.judged, |phrase, start| {
            for &(rule, group) in &firewall.groups[usize::from(phrase)] {
                if !firewall.rules[usize::from(rule)].judges(kind) {
                    continue;
                }
                let found = Evidence { rule, group, start: base + start as u64 };
                let same = |known: &Evidence| (known.rule, known.group) == (rule, group);
                match evidence.iter().position(same) {
                    Some(known) => evidence[known] = found,
                    None if evidence.len() < MOST_EVIDENCE => evidence.push(found),
                    None => {}
                }
            }
        });
    }

    /// Adds the evidence for one rule up, at the end of the segment up to `to`.
    fn judge(
        &mut self,
        source: Source<'_>,
        number: usize,
        rule: &Judge,
        now: Sums,
        to: usize,
        out: &mut Vec<Finding>,
    ) {
        let action = source.engine.action(rule.index, source.direction);
        if action == Action::Allow || self.fired >> number & 1 == 1 {
            return;
        }
        let of = || self.evidence.iter().filter(|evidence| usize::from(evidence.rule) == number);
        let signals = of().map(|evidence| rule.weights[usize::from(evidence.group)]);
        let model = source.engine.firewall().probability(rule, self.before, now);
        if combine(signals.chain(model)) < rule.threshold {
            return;
        }
        self.fired |= 1 << number;
        // Without signals the passage is what the model saw: as much of it as is at hand.
        let start = of().map(|evidence| evidence.start).min().unwrap_or(self.base);
        let end = self.base + to as u64;
        let value = &self.text[start.saturating_sub(self.base) as usize..to];
        let digest = source.engine.digest(value);
        out.push(Finding { rule: rule.index, action, start, end, digest });
    }
}
