//! What must stand before a match: read backwards from the place where a candidate may begin.

use regex_automata::Anchored;
use regex_automata::dfa::{Automaton as _, StartKind, dense};
use regex_automata::util::primitives::StateID;
use regex_automata::util::start;

use super::machine::{self, Way};
use crate::inspect::rules::{MAX_BEFORE, Problem};

/// Bytes of text kept before what is needed: the longest context, and the byte that decides it.
const REMEMBERED: usize = MAX_BEFORE + 1;

/// Room for them, so that they need not be moved for every short piece.
const ROOM: usize = 2 * REMEMBERED;

/// The end of the text already let go, newest last.
#[derive(Clone, Debug)]
pub(super) struct History {
    bytes: [u8; ROOM],
    length: u16,
}

impl Default for History {
    fn default() -> History {
        History { bytes: [0; ROOM], length: 0 }
    }
}

impl History {
    /// Takes in text that nothing needs any more.
    pub fn add(&mut self, text: &[u8]) {
        let text = &text[text.len().saturating_sub(REMEMBERED)..];
        let mut old = usize::from(self.length);
        if old + text.len() > ROOM {
            let kept = old.min(REMEMBERED - text.len());
            self.bytes.copy_within(old - kept..old, 0);
            old = kept;
        }
        self.bytes[old..old + text.len()].copy_from_slice(text);
        self.length = (old + text.len()) as u16;
    }

    /// That text.
    pub fn text(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

/// One context, compiled to run backwards.
#[derive(Debug)]
pub(super) struct Before {
    dfa: dense::DFA<Vec<u32>>,
    start: StateID,
}

impl Before {
    /// Compiles a context.
    ///
    /// # Errors
    /// [`Problem::TooLarge`] beyond the bound of one automaton.
    pub fn new(pattern: &str) -> Result<Before, Problem> {
        let dfa = machine::build(&[pattern], StartKind::Anchored, Way::Backward)?;
        let config = start::Config::new().anchored(Anchored::Yes);
        let start = dfa.start_state(&config).expect("built for this kind of start");
        Ok(Before { dfa, start })
    }

    /// Whether a match may begin after `byte`, or at the start of a text, as far as that one tells.
    pub fn allows(&self, byte: Option<u8>) -> bool {
        match byte {
            Some(byte) => !self.dfa.is_dead_state(self.dfa.next_state(self.start, byte)),
            None => self.dfa.is_match_state(self.dfa.next_eoi_state(self.start)),
        }
    }

    /// Whether the context stands right before the end of `text`, which goes on backwards in `history`.
    pub fn matches(&self, history: &History, text: &[u8]) -> bool {
        let mut state = self.start;
        for &byte in text.iter().rev().chain(history.text().iter().rev()) {
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

    /// Heap bytes of the automaton.
    pub fn memory(&self) -> usize {
        self.dfa.memory_usage()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_are_found_across_what_was_let_go() {
        let cases = [
            ("(?i)key *= *", "the KEY = ", true),
            ("(?i)key *= *", "the KEY : ", false),
            ("(?:^|;)a", "xxa", false),
            ("(?:^|;)a", "a", true),
            (r"\bid:", "paid:", false),
            (r"\bid:", "an id:", true),
            ("护照[^\n]{0,12}", "护照号码 ", true),
        ];
        for (pattern, text, matches) in cases {
            let before = Before::new(pattern).expect(pattern);
            for split in 0..=text.len() {
                let mut history = History::default();
                history.add(&text.as_bytes()[..split]);
                assert_eq!(
                    before.matches(&history, &text.as_bytes()[split..]),
                    matches,
                    "{pattern} {text} {split}"
                );
            }
        }
    }

    #[test]
    fn history_keeps_the_newest() {
        let mut history = History::default();
        let text: Vec<u8> = (0..250).collect();
        for piece in text.chunks(7) {
            history.add(piece);
        }
        assert!(history.text().len() >= REMEMBERED && text.ends_with(history.text()));
        history.add(&text);
        assert!(history.text().len() >= REMEMBERED && text.ends_with(history.text()));
    }
}
