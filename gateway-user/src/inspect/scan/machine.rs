//! One automaton: a group of patterns, what may follow a head, or a list of words.

use aho_corasick::automaton::Automaton as _;
use aho_corasick::nfa::contiguous;
use regex_automata::dfa::{Automaton as _, StartKind, dense};
use regex_automata::meta::Regex;
use regex_automata::nfa::thompson;
use regex_automata::util::primitives::StateID;
use regex_automata::util::{start, syntax};
use regex_automata::{Anchored, MatchKind};

use crate::inspect::RuleIndex;
use crate::inspect::rules::{ByteSet, Problem, lead, word_ends};

/// One automaton's memory at most. A group that needs more is split; a single rule that does is refused.
pub(super) const MAX_AUTOMATON: usize = 2 << 20;

/// What a step led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing special: on to the next byte.
    Live,
    /// Something ends before the byte just read.
    Match,
    /// Nothing can match any more.
    Dead,
}

/// An automaton and what its matches mean.
#[derive(Debug)]
pub(super) struct Machine {
    pub kind: Kind,
    /// Where each candidate begins.
    pub start: u32,
    /// Longest match in bytes.
    pub reach: u32,
    /// Whether its rules enforce, per direction.
    pub enforces: [bool; 2],
    /// The filter's bits of its rules, per direction.
    pub bits: [u64; 2],
    /// Which of the engine's contexts must stand before a candidate.
    pub before: Option<u16>,
    /// Whether it looks at the bytes around a match.
    pub assertions: bool,
}

/// The sorts of automata.
#[derive(Debug)]
pub(super) enum Kind {
    /// Patterns; the n-th belongs to the n-th rule.
    Patterns(dense::DFA<Vec<u32>>, Vec<RuleIndex>),
    /// Looks for the terminator of a rule whose head has been found.
    Until(dense::DFA<Vec<u32>>, RuleIndex),
    /// Runs over the tail of a rule whose head has been found.
    Tail(Box<ByteSet>, RuleIndex),
    /// Words of one rule.
    Words(Box<Words>, RuleIndex),
    /// Looks at what stands behind a match of a rule.
    After(dense::DFA<Vec<u32>>, RuleIndex),
}

/// Which way an automaton reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Forward,
    Backward,
}

/// A list of words and how each ends.
#[derive(Debug)]
pub(super) struct Words {
    trie: contiguous::NFA,
    /// First byte of each word's last character.
    last: Vec<u8>,
}

impl Machine {
    /// Patterns that begin together, anchored where a candidate begins.
    ///
    /// # Errors
    /// [`Problem::TooLarge`] beyond [`MAX_AUTOMATON`].
    pub fn patterns(patterns: &[&str], rules: Vec<RuleIndex>) -> Result<Kind, Problem> {
        Ok(Kind::Patterns(build(patterns, StartKind::Anchored, Way::Forward)?, rules))
    }

    /// What must stand directly behind a match.
    pub fn after(pattern: &str, rule: RuleIndex) -> Result<Kind, Problem> {
        Ok(Kind::After(build(&[pattern], StartKind::Anchored, Way::Forward)?, rule))
    }

    /// The search for a terminator, which may stand anywhere after the head.
    pub fn until(terminator: &str, rule: RuleIndex) -> Result<Kind, Problem> {
        Ok(Kind::Until(build(&[terminator], StartKind::Unanchored, Way::Forward)?, rule))
    }

    /// Whole words.
    pub fn words(words: &[String], ignore_case: bool, rule: RuleIndex) -> Result<Kind, Problem> {
        let trie = contiguous::NFA::builder()
            .ascii_case_insensitive(ignore_case)
            .prefilter(false)
            .build(words)
            .map_err(|error| Problem::Compile(error.to_string()))?;
        let last = words.iter().map(|word| lead(word.as_bytes())).collect();
        Ok(Kind::Words(Box::new(Words { trie, last }), rule))
    }

    /// Completes an automaton.
    pub fn new(kind: Kind, reach: u32, enforces: [bool; 2]) -> Machine {
        let start = match &kind {
            Kind::Patterns(dfa, _) | Kind::After(dfa, _) => start_state(dfa, Anchored::Yes),
            Kind::Until(dfa, _) => start_state(dfa, Anchored::No),
            Kind::Tail(..) => 0,
            Kind::Words(words, _) => words.start(),
        };
        Machine { kind, start, reach, enforces, bits: [0; 2], before: None, assertions: false }
    }

    /// Steps over one byte. A match is noticed one byte after its end.
    #[inline(always)]
    pub fn step(&self, state: &mut u32, byte: u8) -> Step {
        match &self.kind {
            Kind::Patterns(dfa, _) | Kind::Until(dfa, _) => {
                let next = dfa.next_state(StateID::new_unchecked(*state as usize), byte);
                *state = next.as_u32();
                if dfa.is_special_state(next) { special(dfa, next) } else { Step::Live }
            }
            Kind::Tail(class, _) => {
                if class[usize::from(byte)] {
                    Step::Live
                } else {
                    Step::Match
                }
            }
            Kind::Words(words, _) => words.step(state, byte),
            Kind::After(dfa, _) => {
                let next = dfa.next_state(StateID::new_unchecked(*state as usize), byte);
                *state = next.as_u32();
                if self.has_matched(*state) { Step::Match } else { special(dfa, next) }
            }
        }
    }

    /// Whether a candidate that begins with `text` dies in it, without a match.
    #[inline]
    pub fn dies_in(&self, text: &[u8]) -> bool {
        let mut state = self.start;
        // A match is noticed one byte after its end.
        let longest = self.reach as usize + 1;
        for byte in text.iter().take(longest) {
            match self.step(&mut state, *byte) {
                Step::Live => {}
                Step::Match => return false,
                Step::Dead => return true,
            }
        }
        text.len() >= longest
    }

    /// Whether nothing can match any more.
    pub fn is_dead(&self, state: u32) -> bool {
        match &self.kind {
            Kind::Patterns(dfa, _) | Kind::Until(dfa, _) | Kind::After(dfa, _) => {
                dfa.is_dead_state(StateID::new_unchecked(state as usize))
            }
            Kind::Tail(..) => false,
            Kind::Words(words, _) => words.trie.is_dead(word_state(state)),
        }
    }

    /// The state after the end of the text.
    pub fn end(&self, state: u32) -> u32 {
        match &self.kind {
            Kind::Patterns(dfa, _) | Kind::Until(dfa, _) | Kind::After(dfa, _) => {
                dfa.next_eoi_state(StateID::new_unchecked(state as usize)).as_u32()
            }
            Kind::Tail(..) | Kind::Words(..) => state,
        }
    }

    /// Calls `each` with every rule that matches the `length` bytes before `next`.
    ///
    /// `before` and `after` are the states around the byte `next`, or around the end of the text.
    pub fn matches(
        &self,
        before: u32,
        after: u32,
        length: u32,
        next: Option<u8>,
        mut each: impl FnMut(RuleIndex),
    ) {
        match &self.kind {
            Kind::Patterns(dfa, rules) => {
                let state = StateID::new_unchecked(after as usize);
                if dfa.is_match_state(state) {
                    (0..dfa.match_len(state))
                        .for_each(|nth| each(rules[dfa.match_pattern(state, nth).as_usize()]));
                }
            }
            Kind::Words(words, rule) => {
                if words.ends(before, length, next) {
                    each(*rule);
                }
            }
            Kind::Tail(..) | Kind::Until(..) | Kind::After(..) => {}
        }
    }

    /// Whether what stands behind a match has matched: without assertions before the next byte says so.
    fn has_matched(&self, state: u32) -> bool {
        !self.assertions && self.matches_at_end(state)
    }

    /// Whether what stands behind a match has matched where the text ends in `state`.
    pub fn matches_at_end(&self, state: u32) -> bool {
        match &self.kind {
            Kind::After(dfa, _) => {
                dfa.is_match_state(dfa.next_eoi_state(StateID::new_unchecked(state as usize)))
            }
            _ => false,
        }
    }

    /// Heap bytes of the automaton.
    pub fn memory(&self) -> usize {
        match &self.kind {
            Kind::Patterns(dfa, _) | Kind::Until(dfa, _) | Kind::After(dfa, _) => dfa.memory_usage(),
            Kind::Tail(..) => size_of::<ByteSet>(),
            Kind::Words(words, _) => words.trie.memory_usage() + words.last.len(),
        }
    }
}

impl Words {
    fn start(&self) -> u32 {
        self.trie.start_state(aho_corasick::Anchored::Yes).expect("built for both kinds of start").as_u32()
    }

    fn step(&self, state: &mut u32, byte: u8) -> Step {
        let before = word_state(*state);
        let next = self.trie.next_state(aho_corasick::Anchored::Yes, before, byte);
        *state = next.as_u32();
        if self.trie.is_match(before) {
            return Step::Match;
        }
        if self.trie.is_dead(next) { Step::Dead } else { Step::Live }
    }

    /// Whether a word of exactly `length` bytes ends in `state`, at a boundary before `next`.
    fn ends(&self, state: u32, length: u32, next: Option<u8>) -> bool {
        let state = word_state(state);
        self.trie.is_match(state)
            && (0..self.trie.match_len(state)).map(|nth| self.trie.match_pattern(state, nth)).any(|word| {
                self.trie.pattern_len(word) == length as usize && word_ends(self.last[word.as_usize()], next)
            })
    }
}

fn word_state(state: u32) -> aho_corasick::automaton::StateID {
    aho_corasick::automaton::StateID::new_unchecked(state as usize)
}

#[cold]
fn special(dfa: &dense::DFA<Vec<u32>>, state: StateID) -> Step {
    if dfa.is_match_state(state) {
        Step::Match
    } else if dfa.is_dead_state(state) {
        Step::Dead
    } else {
        Step::Live
    }
}

fn start_state(dfa: &dense::DFA<Vec<u32>>, anchored: Anchored) -> u32 {
    // No pattern begins with an assertion (`rules::pattern` refuses it), so what stands before does not matter.
    let config = start::Config::new().anchored(anchored);
    dfa.start_state(&config).expect("built for this kind of start").as_u32()
}

fn build(patterns: &[&str], starts: StartKind, way: Way) -> Result<dense::DFA<Vec<u32>>, Problem> {
    build_within(patterns, starts, way, MAX_AUTOMATON)
}

/// Determinizes patterns into an automaton of at most so many heap bytes.
///
/// # Errors
/// [`Problem::TooLarge`] beyond.
pub(super) fn build_within(
    patterns: &[&str],
    starts: StartKind,
    way: Way,
    most: usize,
) -> Result<dense::DFA<Vec<u32>>, Problem> {
    let config = dense::Config::new()
        .match_kind(MatchKind::All)
        .start_kind(starts)
        .accelerate(false)
        .dfa_size_limit(Some(most))
        .determinize_size_limit(Some(8 * most));
    dense::Builder::new()
        .configure(config)
        .syntax(syntax::Config::new().unicode(false).utf8(false))
        .thompson(thompson::Config::new().utf8(false).reverse(way == Way::Backward))
        .build_many(patterns)
        .map_err(|error| match error.is_size_limit_exceeded() {
            true => Problem::TooLarge { most },
            false => Problem::Compile(error.to_string()),
        })
}

/// A search for a pattern anywhere in a value.
///
/// # Errors
/// [`Problem::Compile`] when the pattern is larger than the library allows.
pub(super) fn search(pattern: &str) -> Result<Regex, Problem> {
    Regex::builder()
        .syntax(syntax::Config::new().unicode(false).utf8(false))
        .configure(Regex::config().utf8_empty(false))
        .build(pattern)
        .map_err(|error| Problem::Compile(error.to_string()))
}
