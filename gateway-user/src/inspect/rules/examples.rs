//! Whether a rule finds its own examples: a plain search, independent of the scan's automata.

use regex_automata::nfa::thompson;
use regex_automata::nfa::thompson::pikevm::{Cache, PikeVM};
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input, MatchKind};

use super::compile::{Matcher, Rule};
use super::pattern::MAX_BEFORE;
use super::{Problem, RuleError, RuleErrors, RuleSet};
use crate::inspect::firewall::{Source, Watch};
use crate::inspect::{Action, Engine};
use crate::wire::event::{Direction, Kind};

/// How many of the longest ends of one start the validators see. More would let a long token cost its square.
pub(crate) const VALIDATED_ENDS: usize = 8;

/// Tries every example and counter-example.
pub(super) fn check(file: &str, rule: &Rule) -> Vec<RuleError> {
    let error = |problem| RuleError::new(file, Some(&rule.info.id), problem);
    let problems = match &rule.matcher {
        Matcher::Scored(_) => match judge_of(rule) {
            Ok(mut found) => tried(rule, |text| found(text)),
            Err(errors) => return errors.0,
        },
        _ => match Search::new(rule) {
            Ok(mut search) => tried(rule, |text| !search.all(text.as_bytes()).is_empty()),
            Err(problem) => vec![problem],
        },
    };
    problems.into_iter().map(error).collect()
}

/// What is wrong with the examples of a rule.
fn tried(rule: &Rule, mut found: impl FnMut(&str) -> bool) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (text, number) in rule.examples.iter().zip(1..) {
        if !found(text) {
            problems.push(Problem::ExampleMissed { number });
        }
    }
    for (text, number) in rule.counter_examples.iter().zip(1..) {
        if found(text) {
            problems.push(Problem::CounterExampleFound { number });
        }
    }
    problems
}

/// Tells whether a scored rule applies to a text, in an engine that holds nothing else.
fn judge_of(rule: &Rule) -> Result<impl FnMut(&str) -> bool, RuleErrors> {
    let mut alone = RuleSet::empty();
    alone.rules.insert(rule.info.id.clone(), rule.clone());
    for direction in [Direction::Request, Direction::Reply] {
        alone.set_action(&rule.info.id, direction, Action::Warn)?;
    }
    let engine = Engine::build(&alone, false, &[0; 32])?;
    Ok(move |text: &str| {
        let mut found = Vec::new();
        let source = Source { engine: &engine, direction: Direction::Request, kind: Kind::Opaque };
        Watch::new().whole(source, text.as_bytes(), &mut found);
        !found.is_empty()
    })
}

/// All matches of a rule in a text: for each start where it may begin, the longest end whose validators pass.
#[cfg(test)]
pub(crate) fn matches_from(rule: &Rule, text: &[u8]) -> Vec<(usize, usize)> {
    Search::new(rule).expect("a checked rule").all(text)
}

/// A plain automaton and its scratch space.
struct Plain {
    vm: PikeVM,
    cache: Cache,
}

/// One rule's plain search.
struct Search<'r> {
    rule: &'r Rule,
    head: Option<Plain>,
    terminator: Option<Plain>,
    before: Option<Plain>,
    after: Option<Plain>,
    unless: Option<Plain>,
}

impl<'r> Search<'r> {
    fn new(rule: &'r Rule) -> Result<Search<'r>, Problem> {
        let head = rule.matcher.head().map(Plain::new).transpose()?;
        let terminator = match &rule.matcher {
            Matcher::Until { terminator, .. } => Some(Plain::new(terminator)?),
            _ => None,
        };
        let plain = |pattern: &Option<String>| pattern.as_deref().map(Plain::new).transpose();
        let (before, after, unless) = (plain(&rule.before)?, plain(&rule.after)?, plain(&rule.unless)?);
        Ok(Search { rule, head, terminator, before, after, unless })
    }

    /// All matches. While one with a tail or terminator is open, its rule begins no other.
    fn all(&mut self, text: &[u8]) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        let mut open = 0;
        for start in 0..text.len() {
            match &self.rule.matcher {
                _ if !self.preceded(text, start) => {}
                Matcher::Words { words, ignore_case } => {
                    found.extend(self.word(text, start, words, *ignore_case).map(|end| (start, end)));
                }
                Matcher::Scored(_) => return found,
                _ if !self.may_begin(text, start) => {}
                Matcher::Pattern(_) => found.extend(self.pattern(text, start).map(|end| (start, end))),
                Matcher::Tail { .. } | Matcher::Until { .. } => {
                    let Some(head) = self.head_end(text, start, open) else { continue };
                    open = self.follow(text, start, head);
                    found.extend(self.pieces(start, open));
                }
            }
        }
        found
    }

    fn may_begin(&self, text: &[u8], start: usize) -> bool {
        start == 0 || !self.rule.not_after[usize::from(text[start - 1])]
    }

    /// Whether the text before `start` is what the rule wants there.
    fn preceded(&mut self, text: &[u8], start: usize) -> bool {
        let Some(before) = &mut self.before else { return true };
        let least = start.saturating_sub(MAX_BEFORE);
        (least..=start).any(|from| before.end(text, from, start, Anchored::Yes, false) == Some(start))
    }

    /// Whether the text behind `end` is what the rule wants there.
    fn followed(&mut self, text: &[u8], end: usize) -> bool {
        let after = self.after.as_mut();
        after.is_none_or(|after| after.end(text, end, text.len(), Anchored::Yes, true).is_some())
    }

    /// Whether validators and `unless` let a value pass.
    fn accepts(&mut self, value: &[u8]) -> bool {
        let refused = |unless: &mut Plain| unless.end(value, 0, value.len(), Anchored::No, true).is_some();
        self.rule.validators.iter().all(|validator| validator.passes(value))
            && !self.unless.as_mut().is_some_and(refused)
    }

    fn pattern(&mut self, text: &[u8], start: usize) -> Option<usize> {
        let mut most = text.len().min(start + self.rule.info.max_length as usize);
        let mut tried = 0;
        while tried < VALIDATED_ENDS {
            let end = self.head.as_mut()?.end(text, start, most, Anchored::Yes, false)?;
            if self.followed(text, end) {
                if self.accepts(&text[start..end]) {
                    return Some(end);
                }
                tried += 1;
            }
            most = end - 1;
        }
        None
    }

    /// The first end of the head after `open` whose validators pass.
    fn head_end(&mut self, text: &[u8], start: usize, open: usize) -> Option<usize> {
        let mut head = self.head.take()?;
        let least = open.max(start) + 1;
        let begins = head.end(text, start, text.len(), Anchored::Yes, true).is_some();
        let first = begins.then(|| {
            (least..=text.len()).find(|end| {
                head.end(text, start, *end, Anchored::Yes, false) == Some(*end)
                    && self.accepts(&text[start..*end])
            })
        });
        self.head = Some(head);
        first.flatten()
    }

    /// Where a match whose head ends at `head` ends.
    fn follow(&mut self, text: &[u8], start: usize, head: usize) -> usize {
        if let Matcher::Tail { class, .. } = &self.rule.matcher {
            return head + text[head..].iter().take_while(|byte| class[usize::from(**byte)]).count();
        }
        let mut most = text.len().min(start + self.rule.info.max_length as usize);
        while most < text.len() && is_continuation(text[most]) {
            most += 1;
        }
        let terminator = self.terminator.as_mut();
        terminator.and_then(|it| it.end(text, head, most, Anchored::No, true)).unwrap_or(most)
    }

    /// A tail beyond the bound is found in pieces.
    fn pieces(&self, start: usize, end: usize) -> Vec<(usize, usize)> {
        if matches!(self.rule.matcher, Matcher::Until { .. }) {
            return vec![(start, end)];
        }
        let most = self.rule.info.max_length as usize;
        (start..end).step_by(most).map(|start| (start, end.min(start + most))).collect()
    }

    /// The longest of the words that stand at `start`.
    fn word(&mut self, text: &[u8], start: usize, words: &[String], ignore_case: bool) -> Option<usize> {
        let mut ends = self.words(text, start, words, ignore_case);
        ends.sort_unstable_by(|left, right| right.cmp(left));
        ends.dedup();
        ends.retain(|end| self.followed(text, *end));
        ends.into_iter().take(VALIDATED_ENDS).find(|end| self.accepts(&text[start..*end]))
    }

    fn words(&self, text: &[u8], start: usize, words: &[String], ignore_case: bool) -> Vec<usize> {
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
        words.iter().filter(fits).map(|word| start + word.len()).collect()
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

impl Plain {
    fn new(pattern: &str) -> Result<Plain, Problem> {
        let vm = PikeVM::builder()
            .syntax(syntax::Config::new().unicode(false).utf8(false))
            .thompson(thompson::Config::new().utf8(false))
            .configure(PikeVM::config().match_kind(MatchKind::All))
            .build(pattern)
            .map_err(|error| Problem::Compile(error.to_string()))?;
        let cache = vm.create_cache();
        Ok(Plain { vm, cache })
    }

    /// The first or the longest end within `start..most`; assertions see the bytes beyond.
    fn end(&mut self, text: &[u8], start: usize, most: usize, at: Anchored, first: bool) -> Option<usize> {
        let input = Input::new(text).span(start..most.max(start)).anchored(at).earliest(first);
        self.vm.find(&mut self.cache, input).map(|found| found.end())
    }
}
