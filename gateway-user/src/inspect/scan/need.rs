//! A byte that every match of a rule holds near its start: where it is not in sight, no candidate need begin.

use memchr::memchr;
use regex_syntax::hir::{Class, Hir, HirKind};

use crate::inspect::rules::{ByteSet, parse_bytes};

/// Every match has `byte` within its first `within + 1` bytes, and only bytes of `class` before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Need {
    pub byte: u8,
    pub within: usize,
    pub class: Box<ByteSet>,
}

impl Need {
    /// What matches of a pattern need: the first literal of a sequence, such as the `@` of an address.
    pub fn of(pattern: &str) -> Option<Need> {
        let hir = parse_bytes("pattern", pattern).ok()?;
        let HirKind::Concat(parts) = hir.kind() else { return None };
        let place = parts.iter().position(|part| matches!(part.kind(), HirKind::Literal(_)))?;
        let HirKind::Literal(literal) = parts[place].kind() else { return None };
        let byte = *literal.0.first()?;
        let before = &parts[..place];
        let within = before.iter().map(|part| part.properties().maximum_len()).sum::<Option<usize>>()?;
        let mut class = Box::new([false; 256]);
        before.iter().for_each(|part| bytes(part, &mut class));
        // A letter or digit is never far.
        (place > 0 && !class[usize::from(byte)] && !byte.is_ascii_alphanumeric()).then_some(Need {
            byte,
            within,
            class,
        })
    }
}

/// Adds every byte that may stand in a match of `hir`.
fn bytes(hir: &Hir, class: &mut ByteSet) {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => literal.0.iter().for_each(|byte| class[usize::from(*byte)] = true),
        HirKind::Class(Class::Bytes(set)) => {
            for range in set.ranges() {
                class[usize::from(range.start())..=usize::from(range.end())].fill(true);
            }
        }
        HirKind::Class(Class::Unicode(set)) => {
            for range in set.ranges() {
                let end = u32::from(range.end()).min(0x7F);
                (u32::from(range.start())..=end).for_each(|byte| class[byte as usize] = true);
                if !range.end().is_ascii() {
                    class[0x80..].fill(true);
                }
            }
        }
        HirKind::Repetition(repetition) => bytes(&repetition.sub, class),
        HirKind::Capture(capture) => bytes(&capture.sub, class),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().for_each(|part| bytes(part, class))
        }
    }
}

/// Needs followed at most. Rules that need yet another byte begin always.
pub(super) const MOST_NEEDS: usize = 4;

/// Not looked for yet.
const UNKNOWN: (usize, usize) = (usize::MAX, usize::MAX);

/// What is needed by the rules of one bit of the filter.
pub(super) type Needed = (Need, u64);

/// Where in one piece of text the rules with needs may begin.
pub(super) struct Places<'e> {
    needs: &'e [Needed],
    /// By need: the places where matches may begin next, first and last.
    spans: [(usize, usize); MOST_NEEDS],
    /// Up to here `active` holds.
    pub until: usize,
    /// The bits whose rules may begin.
    pub active: u64,
}

impl<'e> Places<'e> {
    /// Looks at nothing yet. There are at most [`MOST_NEEDS`] needs.
    pub fn new(needs: &'e [Needed]) -> Places<'e> {
        Places { needs, spans: [UNKNOWN; MOST_NEEDS], until: 0, active: u64::MAX }
    }

    /// The bits of all rules with needs.
    pub fn bits(&self) -> u64 {
        self.needs.iter().fold(0, |bits, (_, bit)| bits | bit)
    }

    /// Finds which bits may begin at `at`, and up to where that holds: at least one byte. Places are asked for in
    /// ascending order.
    #[inline]
    pub fn look(&mut self, text: &[u8], at: usize) {
        if at >= self.until {
            self.look_again(text, at);
        }
    }

    fn look_again(&mut self, text: &[u8], at: usize) {
        (self.until, self.active) = (usize::MAX, u64::MAX);
        for ((need, bit), span) in self.needs.iter().zip(&mut self.spans) {
            if span.1 < at || *span == UNKNOWN {
                *span = next(need, text, at);
            }
            if at < span.0 {
                self.active &= !bit;
                self.until = self.until.min(span.0);
            } else {
                self.until = self.until.min(span.1 + 1);
            }
        }
    }
}

/// Where matches may begin next: in the run of the class before the next needed byte. What lies beyond the text may
/// hold it.
fn next(need: &Need, text: &[u8], at: usize) -> (usize, usize) {
    let needed = memchr(need.byte, &text[at..]).map_or(text.len(), |away| at + away);
    let least = at.max(needed.saturating_sub(need.within));
    let run = text[least..needed].iter().rev().take_while(|byte| need.class[usize::from(**byte)]).count();
    (needed - run, needed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_literal_is_needed() {
        let cases = [
            ("[a-z.]{1,64}@[a-z]{1,9}", Some((b'@', 64))),
            ("[0-9]{8,16}:A", Some((b':', 16))),
            ("[a-z@]{1,64}@", None),
            ("ghp_[a-z]{3}", None),
            ("(?:a|b)c?", None),
        ];
        for (pattern, need) in cases {
            assert_eq!(Need::of(pattern).map(|need| (need.byte, need.within)), need, "{pattern}");
        }
    }

    #[test]
    fn matches_begin_in_the_run_before_what_is_needed() {
        let need = Need::of("[a-z]{1,4}@x").expect("a need");
        let text = b"ab cd@ efghijk@ lmn";
        let begins = |at: usize| {
            let needs = [(need.clone(), 1)];
            let mut places = Places::new(&needs);
            (0..=at).for_each(|at| places.look(text, at));
            places.active & 1 == 1
        };
        let shown: String = (0..text.len()).map(|at| if begins(at) { '^' } else { ' ' }).collect();
        assert_eq!(shown, "   ^^^    ^^^^^ ^^^");
    }
}
