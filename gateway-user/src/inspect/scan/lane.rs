//! Matches put in order and merged into the spans that are reported.

use super::Window;
use crate::inspect::{Finding, RuleIndex};

/// A span takes in no match that begins this many bytes after its own start; the next span begins where it ends.
/// So a chain of overlapping matches cannot be held for ever.
pub(super) const MAX_SPAN: u64 = 65_536;

/// One rule's match, validated.
#[derive(Clone, Copy, Debug)]
pub(super) struct Match {
    pub start: u64,
    pub end: u64,
    pub rule: RuleIndex,
}

/// Overlapping matches on their way to a finding.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: u64,
    end: u64,
    /// The match that names the span.
    best: Match,
}

/// Matches that enforce, or matches that only warn.
#[derive(Clone, Debug, Default)]
pub(super) struct Lane {
    pending: Vec<Match>,
    span: Option<Span>,
    /// End of the last finding.
    decided: u64,
}

impl Lane {
    pub fn add(&mut self, found: Match) {
        self.pending.push(found);
    }

    /// Heap bytes.
    pub fn memory(&self) -> usize {
        self.pending.capacity() * size_of::<Match>()
    }

    /// Takes out the matches that are in no span yet.
    pub fn take(&mut self) -> Vec<Match> {
        std::mem::take(&mut self.pending)
    }

    /// Start of the oldest text still needed.
    pub fn start(&self) -> Option<u64> {
        let pending = self.pending.iter().map(|found| found.start);
        pending.chain(self.span.map(|span| span.start)).min()
    }

    /// Reports what no candidate that begins at `live` or later can change; returns how far everything is decided.
    pub fn settle(&mut self, window: Window<'_>, live: u64, out: &mut Vec<Finding>) -> u64 {
        if self.pending.is_empty() && self.span.is_none() {
            return live.max(self.decided);
        }
        self.pending.sort_by_key(|found| found.start);
        let known = self.pending.partition_point(|found| found.start < live);
        for found in self.pending.drain(..known).collect::<Vec<_>>() {
            self.merge(window, found, out);
        }
        if let Some(span) = self.span.take_if(|span| live >= span.end || live >= span.start + MAX_SPAN) {
            self.report(window, span, out);
        }
        live.min(self.start().unwrap_or(live)).max(self.decided)
    }

    /// Takes in the next match in order of starts.
    fn merge(&mut self, window: Window<'_>, found: Match, out: &mut Vec<Finding>) {
        if let Some(span) = &mut self.span {
            if found.start < span.end && found.start < span.start + MAX_SPAN {
                span.end = span.end.max(found.end);
                if window.engine.outranks(window.direction, found, span.best) {
                    span.best = found;
                }
                return;
            }
            let span = *span;
            self.report(window, span, out);
        }
        let start = found.start.max(self.decided);
        self.span = (start < found.end).then_some(Span { start, end: found.end, best: found });
    }

    fn report(&mut self, window: Window<'_>, span: Span, out: &mut Vec<Finding>) {
        self.decided = span.end;
        out.push(Finding {
            rule: span.best.rule,
            action: window.engine.action(span.best.rule, window.direction),
            start: span.start,
            end: span.end,
            digest: window.engine.digest(window.slice(span.start, span.end)),
        });
    }
}
