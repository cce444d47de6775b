//! Phrases, and the one pass over a text that finds them all.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use regex_automata::meta::{BuildError, Regex};
use regex_automata::nfa::thompson::WhichCaptures;
use regex_automata::{Anchored, Input};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::literal::Extractor;

use crate::inspect::rules::Problem;

/// Longest match of a phrase, bytes; also how far back a segment looks for the beginning of one.
pub(super) const LONGEST: usize = 256;
/// Shortest fixed beginning of a phrase, bytes, and the most beginnings one phrase has.
const SHORTEST_ANCHOR: usize = 2;
const MOST_ANCHORS: usize = 64;
/// A class of more characters than this ends the fixed beginning: one that a space stands for does.
const MOST_CHOICES: usize = 8;
/// Longest part of a beginning that is looked for.
const LONGEST_ANCHOR: usize = 32;

/// What a space in a phrase stands for.
const GAP: &str = "[ ,:;\"'*_.-]{1,3}";
/// What `<N>` in a phrase stands for, N times at most: a word and what follows it.
const WORD: &str = "[a-z0-9']{1,16}[ ,:;\"'*_.-]{1,3}";

/// One phrase, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signal {
    /// As written.
    pub text: String,
    /// The regular expression it stands for.
    pattern: String,
    /// What it begins with.
    anchors: Vec<Vec<u8>>,
    /// A match is exactly one of the anchors.
    literal: bool,
    /// A match may not end inside a word.
    whole: bool,
}

impl Signal {
    /// Reads a phrase: a regular expression in lower case that begins with fixed text of two bytes or more, where
    /// a space stands for one to three spaces or marks, and `<N>` with the space after it for up to N words.
    ///
    /// # Errors
    /// Where it does not parse, has no upper length or is longer than [`LONGEST`], asserts something, or does not
    /// begin with fixed text.
    pub fn parse(text: &str, whole: bool) -> Result<Signal, Problem> {
        let pattern = expand(text);
        let bad = |reason: String| Problem::BadPattern { key: "phrases", reason };
        let hir = ParserBuilder::new()
            .utf8(false)
            .build()
            .parse(&pattern)
            .map_err(|error| bad(error.to_string()))?;
        let longest = hir.properties().maximum_len().ok_or(Problem::Unbounded { key: "phrases" })?;
        if longest > LONGEST {
            return Err(Problem::Length {
                key: "phrases",
                found: longest,
                least: SHORTEST_ANCHOR,
                most: LONGEST,
            });
        }
        if !hir.properties().look_set().is_empty() {
            return Err(bad(format!("`{text}` asserts something (as \\b or ^ do), which a phrase cannot")));
        }
        let anchors = Extractor::new()
            .limit_class(MOST_CHOICES)
            .limit_literal_len(LONGEST_ANCHOR)
            .limit_total(MOST_ANCHORS)
            .extract(&hir);
        let literals = anchors.literals().unwrap_or_default();
        if literals.is_empty() || literals.iter().any(|literal| literal.len() < SHORTEST_ANCHOR) {
            let reason =
                format!("`{text}` does not begin with fixed text of {SHORTEST_ANCHOR} bytes or more");
            return Err(bad(reason));
        }
        Ok(Signal {
            text: text.to_owned(),
            whole,
            pattern,
            literal: literals.iter().all(|literal| literal.is_exact()),
            anchors: literals.iter().map(|literal| literal.as_bytes().to_vec()).collect(),
        })
    }
}

/// Spells out spaces and `<N>`, but for those in classes and behind a backslash.
fn expand(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() * 2);
    let mut class = false;
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        let words = rest.as_str().strip_prefix(|next: char| next.is_ascii_digit());
        match (character, words.and_then(|words| words.strip_prefix('>'))) {
            ('\\', _) => {
                pattern.push('\\');
                pattern.extend(rest.next());
            }
            ('<', Some(behind)) if !class => {
                let count = &rest.as_str()[..1];
                pattern.push_str(&format!("(?:{WORD}){{0,{count}}}"));
                rest = behind.strip_prefix(' ').unwrap_or(behind).chars();
            }
            (' ', _) if !class => pattern.push_str(GAP),
            (other, _) => {
                class = other == '[' || class && other != ']';
                pattern.push(other);
            }
        }
    }
    pattern
}

/// The phrases of an operator's pattern: its alternatives, in lower case.
///
/// # Errors
/// As [`Signal::parse`], and where the pattern is empty.
pub(crate) fn phrases_of(pattern: &str) -> Result<Vec<String>, Problem> {
    let pattern = lower(pattern.strip_prefix("(?i)").unwrap_or(pattern));
    let phrases = alternatives(&pattern);
    for phrase in &phrases {
        Signal::parse(phrase, true)?;
    }
    Ok(phrases)
}

/// Lower case, but for what stands behind a backslash.
fn lower(pattern: &str) -> String {
    let mut escaped = false;
    let one = |character: char| {
        let kept = escaped;
        escaped = character == '\\' && !escaped;
        if kept { character } else { character.to_ascii_lowercase() }
    };
    pattern.chars().map(one).collect()
}

/// Splits at each `|` that stands in no group or class.
fn alternatives(pattern: &str) -> Vec<String> {
    let (mut parts, mut depth, mut escaped) = (vec![String::new()], 0i32, false);
    for character in pattern.chars() {
        match character {
            _ if escaped => {}
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            '|' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        escaped = character == '\\' && !escaped;
        parts.iter_mut().last().into_iter().for_each(|part| part.push(character));
    }
    parts.into_iter().map(|part| part.trim().to_owned()).collect()
}

/// Whether a word goes on at `at`.
fn is_inside_word(text: &[u8], at: usize) -> bool {
    let letter = |byte: &u8| byte.is_ascii_alphanumeric();
    at > 0 && letter(&text[at - 1]) && text.get(at).is_some_and(letter)
}

/// The automaton of one phrase, built as it is used: most never are.
fn compile(pattern: &str) -> Result<Regex, Box<BuildError>> {
    let syntax = regex_automata::util::syntax::Config::new().utf8(false);
    let config =
        Regex::config().onepass(false).backtrack(false).dfa(false).which_captures(WhichCaptures::Implicit);
    Regex::builder().configure(config).syntax(syntax).build(pattern).map_err(Box::new)
}

/// All phrases of a firewall.
pub(super) struct Signals {
    /// Finds beginnings.
    anchors: Option<AhoCorasick>,
    /// The phrases that begin with each anchor.
    starting: Vec<Vec<u16>>,
    /// What decides about each phrase; nothing where its anchor is all of it. One automaton for all of them would step
    /// through the states of every phrase at each anchor.
    regexes: Vec<Option<Regex>>,
    whole: Vec<bool>,
}

impl Signals {
    /// Compiles phrases; their place in `phrases` is their number.
    ///
    /// # Errors
    /// When they are too many for the automata.
    pub fn build(phrases: &[&Signal]) -> Result<Signals, Problem> {
        let wrong = |error: &dyn std::fmt::Display| Problem::Compile(error.to_string());
        let mut anchors: Vec<&[u8]> =
            phrases.iter().flat_map(|of| of.anchors.iter().map(Vec::as_slice)).collect();
        anchors.sort_unstable();
        anchors.dedup();
        let number = |anchor: &[u8]| anchors.binary_search(&anchor).ok();
        let mut starting = vec![Vec::new(); anchors.len()];
        for (phrase, of) in phrases.iter().enumerate() {
            for anchor in of.anchors.iter().filter_map(|anchor| number(anchor)) {
                starting[anchor].push(phrase as u16);
            }
        }
        let automaton = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::DFA))
            .match_kind(MatchKind::Standard)
            .build(&anchors)
            .map_err(|error| wrong(&error))?;
        let regex = |phrase: &&Signal| (!phrase.literal).then(|| compile(&phrase.pattern)).transpose();
        let regexes = phrases.iter().map(regex).collect::<Result<_, _>>().map_err(|error| wrong(&error))?;
        Ok(Signals {
            anchors: (!anchors.is_empty()).then_some(automaton),
            starting,
            regexes,
            whole: phrases.iter().map(|phrase| phrase.whole).collect(),
        })
    }

    /// Tells every match in `text` that ends after `from`, in no certain order: its phrase and where it begins.
    /// Of matches of one phrase at one place, the shortest counts. `text` is in lower case.
    pub fn find(&self, text: &[u8], from: usize, mut found: impl FnMut(u16, usize)) {
        let Some(anchors) = &self.anchors else { return };
        for anchor in anchors.find_overlapping_iter(text) {
            let (start, end) = (anchor.start(), anchor.end());
            let inside =
                start > 0 && text[start].is_ascii_alphanumeric() && text[start - 1].is_ascii_alphanumeric();
            if inside {
                continue;
            }
            for &phrase in &self.starting[anchor.pattern().as_usize()] {
                let most = text.len().min(start + LONGEST);
                let input = Input::new(text).range(start..most).anchored(Anchored::Yes).earliest(true);
                let regex = self.regexes[usize::from(phrase)].as_ref();
                let ends =
                    regex.map_or(Some(end), |regex| regex.search_half(&input).map(|half| half.offset()));
                let Some(end) = ends else { continue };
                if end > from && !(self.whole[usize::from(phrase)] && is_inside_word(text, end)) {
                    found(phrase, start);
                }
            }
        }
    }

    /// Bytes of the automata.
    pub fn memory(&self) -> usize {
        self.anchors.as_ref().map_or(0, AhoCorasick::memory_usage)
            + self.regexes.iter().flatten().map(Regex::memory_usage).sum::<usize>()
    }
}
