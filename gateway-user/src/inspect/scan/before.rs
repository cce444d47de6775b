//! What must stand before a match, looked for only where a candidate may begin.
//!
//! A short context is read backwards from that place. One that begins with words and goes on loosely would be large
//! backwards; it is run forwards from where [`Keywords`] saw one of its words.

use regex_automata::Anchored;
use regex_automata::dfa::{Automaton as _, StartKind, dense};
use regex_automata::util::primitives::StateID;
use regex_automata::util::start;
use regex_syntax::hir::{Hir, HirKind, Look};

use super::arms;
use super::history::Past;
use super::keywords::{Keywords, Seen};
use super::machine::{self, Way};
use crate::inspect::rules::{Problem, parse_bytes};

/// Heap bytes of a context that is read backwards, at most, where it could be run forwards.
const SMALL: usize = 32 << 10;

/// One context, compiled.
#[derive(Debug)]
pub(super) struct Before {
    dfa: dense::DFA<Vec<u32>>,
    way: Way,
    /// Where it starts when read backwards.
    start: StateID,
    /// The words it begins with, in lower case, when run forwards.
    pub words: Vec<Vec<u8>>,
    /// The words one of which it has.
    pub needed: Vec<Vec<u8>>,
    /// The last byte alone decides it, and is looked at before a candidate begins.
    pub exact: bool,
    /// Its most bytes.
    pub longest: u8,
    /// Where it ends at most, in bytes from the start of the text, when it begins there.
    pub anchored: Option<u64>,
}

impl Before {
    /// Compiles a context.
    ///
    /// # Errors
    /// [`Problem::TooLarge`] beyond the bound of one automaton.
    pub fn new(pattern: &str) -> Result<Before, Problem> {
        let words = Keywords::of(pattern);
        let needed = arms::needed(pattern);
        let hir = parse_bytes("before", pattern)?;
        let exact = is_byte(&hir);
        let starts = hir.properties().look_set_prefix().contains(Look::Start);
        let longest = hir.properties().maximum_len().and_then(|longest| u8::try_from(longest).ok());
        let longest = longest.unwrap_or(u8::MAX);
        let anchored = starts.then_some(longest.into());
        let most = if words.is_empty() { machine::MAX_AUTOMATON } else { SMALL };
        match Before::compiled(pattern, Way::Backward, most) {
            Err(Problem::TooLarge { .. }) if !words.is_empty() => {
                let forward = Before::compiled(pattern, Way::Forward, machine::MAX_AUTOMATON)?;
                Ok(Before { words, needed, exact, longest, anchored, ..forward })
            }
            backward => Ok(Before { needed, exact, longest, anchored, ..backward? }),
        }
    }

    fn compiled(pattern: &str, way: Way, most: usize) -> Result<Before, Problem> {
        let dfa = machine::build_within(&[pattern], StartKind::Anchored, way, most)?;
        let start = start_after(&dfa, None);
        Ok(Before {
            dfa,
            way,
            start,
            words: Vec::new(),
            needed: Vec::new(),
            exact: false,
            longest: 0,
            anchored: None,
        })
    }

    /// Whether the context stands right before a place. `seen` are the words before it.
    pub fn matches(&self, number: u16, past: Past<'_>, keywords: &Keywords, seen: &Seen) -> bool {
        match self.way {
            Way::Backward => self.matches_back(past),
            Way::Forward => seen.backs(keywords, number, past).any(|back| self.matches_from(past, back)),
        }
    }

    fn matches_back(&self, past: Past<'_>) -> bool {
        let mut state = self.start;
        for byte in past.reversed() {
            state = self.dfa.next_state(state, byte);
            if self.dfa.is_special_state(state) {
                if self.dfa.is_match_state(state) {
                    return true;
                }
                if self.dfa.is_dead_state(state) {
                    return false;
                }
            }
        }
        // A context is shorter than what is remembered, so this is the start of the text.
        self.dfa.is_match_state(self.dfa.next_eoi_state(state))
    }

    /// Whether the last `back` bytes are the context.
    fn matches_from(&self, past: Past<'_>, back: usize) -> bool {
        let mut state = start_after(&self.dfa, past.back(back));
        for byte in past.last(back) {
            state = self.dfa.next_state(state, byte);
            if self.dfa.is_dead_state(state) {
                return false;
            }
        }
        // A context does not assert anything where it ends.
        self.dfa.is_match_state(self.dfa.next_eoi_state(state))
    }

    /// Heap bytes of the automaton.
    pub fn memory(&self) -> usize {
        self.dfa.memory_usage()
    }
}

/// Whether a context is one byte of a class or the start of the text.
fn is_byte(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Look(look) => *look == Look::Start,
        HirKind::Class(class) => hir.properties().maximum_len() == Some(1) && class.minimum_len() == Some(1),
        HirKind::Literal(literal) => literal.0.len() == 1,
        HirKind::Capture(capture) => is_byte(&capture.sub),
        HirKind::Alternation(parts) => parts.iter().all(is_byte),
        HirKind::Empty | HirKind::Repetition(_) | HirKind::Concat(_) => false,
    }
}

fn start_after(dfa: &dense::DFA<Vec<u32>>, byte: Option<u8>) -> StateID {
    let config = start::Config::new().anchored(Anchored::Yes).look_behind(byte);
    dfa.start_state(&config).expect("built for this kind of start")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether `pattern` stands before the end of `text`, however much of it was let go.
    fn matches(pattern: &str, text: &str) -> bool {
        let before = Before::new(pattern).expect(pattern);
        let keywords = Keywords::new([before.words.as_slice()].into_iter()).expect("builds");
        let found: Vec<bool> = (0..=text.len())
            .map(|split| {
                let (history, text) = text.as_bytes().split_at(split);
                let past = Past { history, text };
                let mut seen = Seen::default();
                seen.catch_up(&keywords, past, past.length() as u64);
                before.matches(0, past, &keywords, &seen)
            })
            .collect();
        assert!(found.iter().all(|each| *each == found[0]), "{pattern} {text}");
        found[0]
    }

    #[test]
    fn contexts_are_found_across_what_was_let_go() {
        let cases = [
            ("(?i)key {0,3}= {0,3}", "the KEY = ", true),
            ("(?i)key {0,3}= {0,3}", "the KEY : ", false),
            ("(?:^|;)a", "xxa", false),
            ("(?:^|;)a", "a", true),
            (r"\bid:", "paid:", false),
            (r"\bid:", "an id:", true),
            ("护照[^\n]{0,12}", "护照号码 ", true),
            (r"(?i)\b(?:phone|tel|mobile|hotline)[^0-9\n]{0,40}", "TEL is a phone, and now ", true),
            (r"(?i)\b(?:phone|tel|mobile|hotline)[^0-9\n]{0,40}", "hotel 1 ", false),
            (r"(?i)\b(?:phone|tel|mobile|hotline)[^0-9\n]{0,40}", "my Mobile\nis ", false),
            ("(?:(?i:passport)|护照|пасп)[^0-9]{0,60}", "Пасп пасп PassPort — ", true),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
