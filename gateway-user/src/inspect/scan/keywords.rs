//! The words that loose contexts begin with, and where they stand in the last bytes of a text.

use aho_corasick::automaton::{Automaton as _, StateID};
use aho_corasick::nfa::contiguous;
use aho_corasick::{Anchored, MatchKind};
use regex_syntax::hir::literal::Extractor;
use regex_syntax::hir::{Class, Hir, HirKind, Repetition};

use super::history::Past;
use crate::inspect::rules::{MAX_BEFORE, Problem, parse_bytes};

/// Words of one context at most, and their least length in bytes.
const MOST_WORDS: usize = 256;
const LEAST: usize = 2;

/// All words of all contexts.
#[derive(Debug)]
pub(super) struct Keywords {
    /// `None` where there are none.
    automaton: Option<contiguous::NFA>,
    /// By word: the contexts that begin with it.
    owners: Vec<Vec<u16>>,
}

impl Keywords {
    /// The words, in lower case, one of which every match of a context begins with; empty where there are no such.
    pub fn of(pattern: &str) -> Vec<Vec<u8>> {
        let hir = parse_bytes("before", pattern).ok();
        hir.and_then(|hir| words(&lowered(&hir), LEAST)).unwrap_or_default()
    }

    /// Takes the words of each context, in the order of their numbers.
    ///
    /// # Errors
    /// [`Problem::Compile`] beyond what the library allows.
    pub fn new<'w>(contexts: impl Iterator<Item = &'w [Vec<u8>]>) -> Result<Keywords, Problem> {
        let mut words: Vec<&[u8]> = Vec::new();
        let mut owners: Vec<Vec<u16>> = Vec::new();
        for (number, word) in
            contexts.enumerate().flat_map(|(number, words)| words.iter().map(move |word| (number, word)))
        {
            let place = words.iter().position(|known| known == word).unwrap_or(words.len());
            if place == words.len() {
                words.push(word);
                owners.push(Vec::new());
            }
            owners[place].push(number as u16);
        }
        let build = || {
            contiguous::NFA::builder()
                .match_kind(MatchKind::Standard)
                .ascii_case_insensitive(true)
                .prefilter(false)
                .build(&words)
                .map_err(|error| Problem::Compile(error.to_string()))
        };
        let automaton = (!words.is_empty()).then(build).transpose()?;
        Ok(Keywords { automaton, owners })
    }

    /// Heap bytes.
    pub fn memory(&self) -> usize {
        let owners = self.owners.iter().map(|owners| owners.len() * size_of::<u16>() + size_of::<Vec<u16>>());
        self.automaton.as_ref().map_or(0, |automaton| automaton.memory_usage()) + owners.sum::<usize>()
    }
}

/// The words seen before a place.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// Everything before was looked at, in offsets of the channel.
    until: u64,
    /// The automaton's state there; `None` at its start.
    state: Option<u32>,
    /// Where words begin, and which; ascending by their ends.
    words: Vec<(u64, u16)>,
}

impl Seen {
    /// Looks at what has come since, up to the place `at`.
    pub fn catch_up(&mut self, keywords: &Keywords, past: Past<'_>, at: u64) {
        let Some(automaton) = &keywords.automaton else { return };
        let mut count = (at - self.until) as usize;
        let reach = MAX_BEFORE.min(past.length());
        if count > reach {
            (count, self.state) = (reach, None);
        }
        let start = || automaton.start_state(Anchored::No).expect("built for both kinds of start");
        let mut state = self.state.map_or_else(start, |state| StateID::new_unchecked(state as usize));
        let mut end = at - count as u64;
        for byte in past.last(count) {
            end += 1;
            state = automaton.next_state(Anchored::No, state, byte);
            if automaton.is_match(state) {
                for nth in 0..automaton.match_len(state) {
                    let word = automaton.match_pattern(state, nth);
                    let start = end - automaton.pattern_len(word) as u64;
                    self.words.push((start, word.as_u32() as u16));
                }
            }
        }
        (self.until, self.state) = (at, Some(state.as_u32()));
        self.words.retain(|(start, _)| start + MAX_BEFORE as u64 >= at);
    }

    /// How far back the words of a context begin, the nearest first. [`Seen::catch_up`] has been called for the place.
    pub fn backs<'s>(
        &'s self,
        keywords: &'s Keywords,
        context: u16,
        past: Past<'_>,
    ) -> impl Iterator<Item = usize> + use<'s> {
        let length = past.length();
        let of = move |word: &&(u64, u16)| keywords.owners[usize::from(word.1)].contains(&context);
        let back = move |word: &(u64, u16)| (self.until - word.0) as usize;
        self.words.iter().rev().filter(of).map(back).filter(move |back| *back <= length)
    }

    /// Heap bytes.
    pub fn memory(&self) -> usize {
        self.words.capacity() * size_of::<(u64, u16)>()
    }
}

/// The words of at least so many bytes, one of which every match begins with.
pub(super) fn words(hir: &Hir, least: usize) -> Option<Vec<Vec<u8>>> {
    let words = Extractor::new().limit_class(4).limit_total(MOST_WORDS).extract(hir);
    let long = words.min_literal_len().is_some_and(|length| length >= least);
    let words = words.literals().filter(|_| long)?;
    Some(words.iter().map(|word| word.as_bytes().to_vec()).collect())
}

/// The same pattern, letters in lower case where it takes them in both.
pub(super) fn lowered(hir: &Hir) -> Hir {
    let all = |parts: &[Hir]| parts.iter().map(lowered).collect::<Vec<_>>();
    match hir.kind() {
        HirKind::Empty => Hir::empty(),
        HirKind::Look(look) => Hir::look(*look),
        HirKind::Literal(literal) => Hir::literal(literal.0.to_ascii_lowercase()),
        HirKind::Class(class) => both_cases(class).unwrap_or_else(|| Hir::class(class.clone())),
        HirKind::Repetition(repetition) => {
            Hir::repetition(Repetition { sub: Box::new(lowered(&repetition.sub)), ..repetition.clone() })
        }
        HirKind::Capture(capture) => lowered(&capture.sub),
        HirKind::Concat(parts) => Hir::concat(all(parts)),
        HirKind::Alternation(parts) => Hir::alternation(all(parts)),
    }
}

/// The lower-case letter of a class that is one letter in both cases.
fn both_cases(class: &Class) -> Option<Hir> {
    let Class::Bytes(class) = class else { return None };
    let [upper, lower] = class.ranges() else { return None };
    let single = upper.start() == upper.end() && lower.start() == lower.end();
    let letter =
        single && upper.start().is_ascii_uppercase() && upper.start().to_ascii_lowercase() == lower.start();
    letter.then(|| Hir::literal([lower.start()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_begin_with_words() {
        let cases = [
            (r"(?i)\b(?:phone|tel)[^0-9]{0,9}", "phone tel"),
            ("(?:(?i:ID) card|护照).{0,9}", "id card 护照"),
            ("[=:]", ""),
            ("(?i)[a-z]{0,9}key", ""),
        ];
        for (pattern, expected) in cases {
            let words = Keywords::of(pattern);
            let words: Vec<_> = words.iter().map(|word| String::from_utf8_lossy(word)).collect();
            assert_eq!(words.join(" "), expected, "{pattern}");
        }
    }
}
