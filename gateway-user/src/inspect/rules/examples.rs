//! Whether a rule finds its own examples: a plain search, independent of the scan's automata.

use regex_automata::nfa::thompson::{self, pikevm::PikeVM};
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input, MatchKind};

use super::compile::{Matcher, Rule};
use super::{Problem, RuleError};

/// How many of the longest ends of one start the validators see. More would let a long token cost its square.
pub(crate) const VALIDATED_ENDS: usize = 8;

/// Tries every example and counter-example.
pub(super) fn check(file: &str, rule: &Rule) -> Vec<RuleError> {
    let error = |problem| RuleError::new(file, Some(&rule.info.id), problem);
    let search = match Search::new(rule) {
        Ok(search) => search,
        Err(problem) => return vec![error(problem)],
    };
    let found = |text: &String| (0..text.len()).any(|start| search.longest(text.as_bytes(), start).is_some());
    let numbered = |texts: &[String], wanted: bool| -> Vec<usize> {
        texts.iter().zip(1..).filter(|(text, _)| found(text) != wanted).map(|(_, number)| number).collect()
    };
    let missed = numbered(&rule.examples, true).into_iter().map(|number| Problem::ExampleMissed { number });
    let wrong = numbered(&rule.counter_examples, false)
        .into_iter()
        .map(|number| Problem::CounterExampleFound { number });
    missed.chain(wrong).map(error).collect()
}

/// All matches of a rule in a text: for each start where it may begin, the longest end whose validators pass.
#[cfg(test)]
pub(crate) fn matches_from(rule: &Rule, text: &[u8]) -> Vec<(usize, usize)> {
    let search = Search::new(rule).expect("a checked rule");
    let mut open_until = 0;
    let mut found = Vec::new();
    for start in 0..text.len() {
        let is_until = matches!(rule.matcher, Matcher::Until { .. });
        if is_until && start < open_until {
            continue;
        }
        if let Some(end) = search.longest(text, start) {
            open_until = end;
            found.push((start, end));
        }
    }
    found
}

/// One rule's plain search.
struct Search<'r> {
    rule: &'r Rule,
    head: Option<PikeVM>,
    terminator: Option<PikeVM>,
}

impl<'r> Search<'r> {
    fn new(rule: &'r Rule) -> Result<Search<'r>, Problem> {
        let (head, terminator) = match &rule.matcher {
            Matcher::Pattern(pattern) => (Some(build(pattern, MatchKind::All)?), None),
            Matcher::Until { head, terminator } => {
                (Some(build(head, MatchKind::All)?), Some(build(terminator, MatchKind::All)?))
            }
            Matcher::Words { .. } => (None, None),
        };
        Ok(Search { rule, head, terminator })
    }

    /// The end of the match that begins at `start`, if there is one.
    fn longest(&self, text: &[u8], start: usize) -> Option<usize> {
        match &self.rule.matcher {
            Matcher::Words { words, ignore_case } => self.word(text, start, words, *ignore_case),
            Matcher::Until { .. } => self.until(text, start),
            Matcher::Pattern(_) => self.pattern(text, start),
        }
    }

    fn may_begin(&self, text: &[u8], start: usize) -> bool {
        start == 0 || !self.rule.not_after[usize::from(text[start - 1])]
    }

    fn pattern(&self, text: &[u8], start: usize) -> Option<usize> {
        if !self.may_begin(text, start) {
            return None;
        }
        let most = text.len().min(start + self.rule.info.max_length as usize);
        let head = self.head.as_ref()?;
        let mut end = search(head, text, start, most, Anchored::Yes)?;
        if self.rule.validators.is_empty() {
            return Some(end);
        }
        for _ in 0..VALIDATED_ENDS {
            if self.rule.accepts(&text[start..end]) {
                return Some(end);
            }
            end = search(head, text, start, end - 1, Anchored::Yes)?;
        }
        None
    }

    fn until(&self, text: &[u8], start: usize) -> Option<usize> {
        if !self.may_begin(text, start) {
            return None;
        }
        let head = earliest(self.head.as_ref()?, text, start, text.len(), Anchored::Yes)?;
        let mut most = text.len().min(start + self.rule.info.max_length as usize);
        while most < text.len() && is_continuation(text[most]) {
            most += 1;
        }
        Some(earliest(self.terminator.as_ref()?, text, head, most, Anchored::No).unwrap_or(most))
    }

    fn word(&self, text: &[u8], start: usize, words: &[String], ignore_case: bool) -> Option<usize> {
        let rest = &text[start..];
        let fits = |word: &&String| {
            let word = word.as_bytes();
            let equal = rest.get(..word.len()).is_some_and(|begin| match ignore_case {
                true => begin.eq_ignore_ascii_case(word),
                false => begin == word,
            });
            equal
                && (word[0] >= 0xE0 || start == 0 || !self.rule.not_after[usize::from(lead(&text[..start]))])
                && word_ends(lead(word), rest.get(word.len()).copied())
        };
        words.iter().filter(fits).map(|word| start + word.len()).max()
    }
}

/// Whether a word whose last character begins with `last` may end before the byte `next`.
pub(crate) fn word_ends(last: u8, next: Option<u8>) -> bool {
    !(is_letter(last) && next.is_some_and(is_letter))
}

/// ASCII word characters, and the first bytes of Latin, Greek and Cyrillic letters.
fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || (0xC3..=0xD4).contains(&byte)
}

/// A byte inside a UTF-8 sequence (RFC 3629).
pub(crate) fn is_continuation(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}

/// The first byte of the last character.
pub(crate) fn lead(text: &[u8]) -> u8 {
    text.iter().rev().copied().find(|byte| !is_continuation(*byte)).unwrap_or(0)
}

fn build(pattern: &str, kind: MatchKind) -> Result<PikeVM, Problem> {
    PikeVM::builder()
        .syntax(syntax::Config::new().unicode(false).utf8(false))
        .thompson(thompson::Config::new().utf8(false))
        .configure(PikeVM::config().match_kind(kind))
        .build(pattern)
        .map_err(|error| Problem::Compile(error.to_string()))
}

/// The longest end in `start..end`.
fn search(vm: &PikeVM, text: &[u8], start: usize, end: usize, anchored: Anchored) -> Option<usize> {
    let input = Input::new(text).span(start..end.max(start)).anchored(anchored);
    vm.find(&mut vm.create_cache(), input).map(|found| found.end())
}

/// The first end in `start..end`.
fn earliest(vm: &PikeVM, text: &[u8], start: usize, end: usize, anchored: Anchored) -> Option<usize> {
    let input = Input::new(text).span(start..end.max(start)).anchored(anchored).earliest(true);
    vm.find(&mut vm.create_cache(), input).map(|found| found.end())
}
