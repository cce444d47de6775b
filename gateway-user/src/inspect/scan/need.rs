//! A byte that every match of a rule holds near its start: where it is not in sight, no candidate need begin.

use memchr::memchr;
use regex_syntax::hir::{Class, ClassUnicodeRange, Hir, HirKind};

use crate::inspect::rules::parse_bytes;

/// Every match has `byte` within its first `within + 1` bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Need {
    pub byte: u8,
    pub within: usize,
}

impl Need {
    /// What matches of a pattern need: the first literal of a sequence, such as the `@` of an address.
    pub fn of(pattern: &str) -> Option<Need> {
        let hir = parse_bytes("pattern", pattern).ok()?;
        let HirKind::Concat(parts) = hir.kind() else { return None };
        let place = parts.iter().position(|part| matches!(part.kind(), HirKind::Literal(_)))?;
        let HirKind::Literal(literal) = parts[place].kind() else { return None };
        let byte = *literal.0.first()?;
        let within =
            parts[..place].iter().map(|part| part.properties().maximum_len()).sum::<Option<usize>>()?;
        let before_lacks_it = parts[..place].iter().all(|part| lacks(part, byte));
        (place > 0 && before_lacks_it).then_some(Need { byte, within })
    }
}

/// Whether no match of `hir` has `byte` in it.
fn lacks(hir: &Hir, byte: u8) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => true,
        HirKind::Literal(literal) => !literal.0.contains(&byte),
        HirKind::Class(Class::Bytes(class)) => {
            class.ranges().iter().all(|range| !(range.start()..=range.end()).contains(&byte))
        }
        HirKind::Class(Class::Unicode(class)) => {
            let holds = |range: &ClassUnicodeRange| (range.start()..=range.end()).contains(&char::from(byte));
            byte.is_ascii() && !class.ranges().iter().any(holds)
        }
        HirKind::Repetition(repetition) => lacks(&repetition.sub, byte),
        HirKind::Capture(capture) => lacks(&capture.sub, byte),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().all(|part| lacks(part, byte)),
    }
}

/// Where needed bytes stand next in the text at hand; what is known is not looked for again.
#[derive(Default)]
pub(super) struct Needs {
    known: [Option<(u8, usize)>; REMEMBERED],
}

/// Different needed bytes remembered. Rules that need yet another begin their candidates always.
const REMEMBERED: usize = 4;

impl Needs {
    /// Whether a match that begins at `at` can still be complete. What lies beyond the text may hold anything.
    pub fn may_match(&mut self, need: Need, text: &[u8], at: usize) -> bool {
        let last = at + need.within;
        if last >= text.len() {
            return true;
        }
        let fits = |known: &Option<(u8, usize)>| known.is_none_or(|(byte, _)| byte == need.byte);
        let Some(place) = self.known.iter().position(fits) else { return true };
        let next = match self.known[place] {
            Some((_, next)) if next >= at => next,
            _ => memchr(need.byte, &text[at..]).map_or(text.len(), |away| at + away),
        };
        self.known[place] = Some((need.byte, next));
        next <= last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_literal_is_needed() {
        let cases = [
            ("[a-z.]{1,64}@[a-z]{1,9}", Some(Need { byte: b'@', within: 64 })),
            ("[0-9]{8,16}:A", Some(Need { byte: b':', within: 16 })),
            ("[a-z@]{1,64}@", None),
            ("ghp_[a-z]{3}", None),
            ("(?:a|b)c?", None),
        ];
        for (pattern, need) in cases {
            assert_eq!(Need::of(pattern), need, "{pattern}");
        }
    }
}
