//! From a rule as written to a rule as used, with everything that can be wrong found on the way.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::pattern::{self, ByteSet};
use super::spec::{RawActions, RawFile, RawRule};
use super::{Category, Problem, RuleError, RuleErrors, RuleInfo};
use crate::inspect::Action;
use crate::inspect::firewall::Scored;
use crate::inspect::validate::{self, Validator};

/// Longest match of a plain pattern, bytes.
const MAX_PATTERN: usize = 4_096;
/// Longest match of a pattern with a tail, bytes, and what is taken where the rule does not say.
const MAX_TAIL: usize = 8_192;
const DEFAULT_TAIL: u32 = 512;
/// Longest match of a pattern with a terminator, bytes, and what is taken where the rule does not say.
const MAX_UNTIL: usize = 65_536;
const DEFAULT_UNTIL: u32 = 16_384;
/// Words of one rule at most, and the longest word in bytes.
const MAX_WORDS: usize = 1_000_000;
const MAX_WORD: usize = 256;
/// What a match may not follow, where the rule does not say: it begins at a token boundary.
const TOKEN: &str = "[A-Za-z0-9_]";
/// Stands in examples where a break keeps them from looking like a live secret; taken out before use.
const BREAK: &str = "{}";

/// A rule, checked.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub info: RuleInfo,
    pub matcher: Matcher,
    /// Must match the text that ends where a match begins.
    pub before: Option<String>,
    /// Must match the text directly behind a match.
    pub after: Option<String>,
    /// A value in which this matches anywhere is none.
    pub unless: Option<String>,
    /// A match does not begin right after one of these bytes.
    pub not_after: ByteSet,
    pub validators: Vec<Validator>,
    pub examples: Vec<String>,
    pub counter_examples: Vec<String>,
}

/// How a rule matches.
#[derive(Clone, Debug)]
pub(crate) enum Matcher {
    /// A regular expression.
    Pattern(String),
    /// A head, and all bytes of a class that follow it.
    Tail { head: String, class: Box<ByteSet> },
    /// Everything from the end of `head` up to the first match of `terminator`, the bound, or the end of the text.
    Until { head: String, terminator: String },
    /// Whole words.
    Words { words: Vec<String>, ignore_case: bool },
    /// Passages whose score is high enough; judged by the firewall, not by the scan.
    Scored(Arc<Scored>),
}

impl Matcher {
    /// The regular expression a match begins with.
    pub fn head(&self) -> Option<&str> {
        match self {
            Matcher::Pattern(head) | Matcher::Tail { head, .. } | Matcher::Until { head, .. } => Some(head),
            Matcher::Words { .. } | Matcher::Scored(_) => None,
        }
    }
}

impl Rule {
    /// Whether its matches also count in text that is spaced out or encoded once more: chance makes such text look
    /// like anything, but hardly like a credential or a number with a checksum.
    pub fn counts_inside(&self) -> bool {
        self.info.category == Category::Secret || self.validators.iter().any(|check| check.is_checksum())
    }

    /// Whether it scores passages instead of finding values.
    pub fn is_scored(&self) -> bool {
        matches!(self.matcher, Matcher::Scored(_))
    }
}

/// Reads a rule file. `folder` is where `words_file` is looked up; built-in files have none.
pub(super) fn read(file: &str, text: &str, folder: Option<&Path>) -> Result<Vec<Rule>, RuleErrors> {
    let raw: RawFile = serde_saphyr::from_str(text)
        .map_err(|error| RuleErrors::one(file, None, Problem::Syntax(error.to_string())))?;
    let mut ids = BTreeSet::new();
    let (mut rules, mut errors) = (Vec::new(), Vec::new());
    for raw in raw.rules {
        let id = raw.id.clone();
        let mut problems = Problems::default();
        if !ids.insert(id.clone()) {
            problems.0.push(Problem::DuplicateId);
        }
        let rule = compile(raw, folder, &mut problems);
        errors.extend(problems.0.into_iter().map(|problem| RuleError::new(file, Some(&id), problem)));
        rules.extend(rule);
    }
    if errors.is_empty() { Ok(rules) } else { Err(RuleErrors(errors)) }
}

/// Collects what is wrong with one rule instead of stopping at the first.
#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn take<T>(&mut self, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.0.push(problem)).ok()
    }
}

/// `None` only when a problem was found.
fn compile(raw: RawRule, folder: Option<&Path>, problems: &mut Problems) -> Option<Rule> {
    if !good_id(&raw.id) {
        problems.0.push(Problem::BadId);
    }
    let mut validators = Vec::new();
    for name in &raw.validators {
        let known = Validator::parse(name);
        validators.extend(known);
        if known.is_none() {
            problems.0.push(Problem::BadValidator { name: name.clone(), known: validate::names() });
        }
    }
    let result = matcher(&raw, folder);
    let matcher = problems.take(result);
    let result = not_after(&raw);
    let not_after = problems.take(result);
    let result = contexts(&raw);
    problems.take(result);
    let (matcher, max_length) = matcher?;
    let actions = raw.action.unwrap_or(RawActions::default_of(raw.category));
    if actions.reply == Action::Tokenize {
        problems.0.push(Problem::TokenInReply);
    }
    let mask = raw.mask.unwrap_or_else(|| format!("[{}_REDACTED]", raw.id.replace('-', "_").to_uppercase()));
    let kind = raw.kind.unwrap_or_else(|| raw.id.replace('-', "_").to_uppercase());
    let info = RuleInfo {
        kind,
        id: raw.id,
        category: raw.category,
        severity: raw.severity,
        description: raw.description,
        mask,
        max_length,
        request: actions.request,
        reply: actions.reply,
    };
    let unbroken = |texts: Vec<String>| texts.into_iter().map(|text| text.replace(BREAK, "")).collect();
    let (examples, counter_examples) = (unbroken(raw.examples), unbroken(raw.counter_examples));
    Some(Rule {
        info,
        matcher,
        before: raw.before,
        after: raw.after,
        unless: raw.unless,
        not_after: not_after?,
        validators,
        examples,
        counter_examples,
    })
}

fn good_id(id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=64).contains(&id.len()) && id.bytes().all(allowed)
}

/// Checks what must stand around a value.
fn contexts(raw: &RawRule) -> Result<(), Problem> {
    raw.before.as_deref().map(pattern::check_before).transpose()?;
    raw.after.as_deref().map(pattern::check_after).transpose()?;
    raw.unless.as_deref().map(|unless| pattern::parse_bytes("unless", unless)).transpose()?;
    if raw.after.is_some() && (raw.tail.is_some() || raw.until.is_some()) {
        return Err(Problem::Misplaced { key: "after", why: "cannot stand beside `tail` or `until`" });
    }
    Ok(())
}

fn not_after(raw: &RawRule) -> Result<ByteSet, Problem> {
    let words = raw.pattern.is_none();
    match raw.not_after.as_deref() {
        Some("none") => Ok([false; 256]),
        Some(class) => pattern::class("not_after", class),
        // What stands before is said already.
        None if raw.before.is_some() => Ok([false; 256]),
        None => {
            let mut set = pattern::class("not_after", TOKEN)?;
            // First bytes of Latin, Greek and Cyrillic letters: a word of the list may not begin inside "Àlan".
            set[0xC3..=0xD4].fill(words);
            Ok(set)
        }
    }
}

/// The matcher and the longest match.
fn matcher(raw: &RawRule, folder: Option<&Path>) -> Result<(Matcher, u32), Problem> {
    if raw.signals.is_some() || raw.model.is_some() {
        return scored(raw).map(|scored| (Matcher::Scored(Arc::new(scored)), 0));
    }
    if raw.kinds.is_some() || raw.threshold.is_some() {
        return Err(Problem::Misplaced { key: "kinds", why: "and `threshold` are for rules with `signals`" });
    }
    let (matcher, longest) = match (&raw.pattern, &raw.words, &raw.words_file) {
        (Some(pattern), None, None) => patterned(raw, pattern)?,
        (None, Some(words), None) => worded(raw, words.clone())?,
        (None, None, Some(path)) => worded(raw, read_words(path, folder)?)?,
        _ => return Err(Problem::OneMatcher),
    };
    Ok((matcher, u32::try_from(longest).expect("every bound above is below 2^32")))
}

fn scored(raw: &RawRule) -> Result<Scored, Problem> {
    if raw.pattern.is_some() || raw.words.is_some() || raw.words_file.is_some() {
        return Err(Problem::OneMatcher);
    }
    let rewrites = |action: Action| action.enforces() && action != Action::Block;
    if raw.action.is_some_and(|actions| rewrites(actions.request) || rewrites(actions.reply)) {
        return Err(Problem::NothingToRedact);
    }
    let kinds = raw.kinds.as_deref().unwrap_or_default();
    let groups = raw.signals.as_deref().unwrap_or_default();
    Scored::check(kinds, raw.threshold, raw.model.as_deref(), groups)
}

fn patterned(raw: &RawRule, pattern: &str) -> Result<(Matcher, usize), Problem> {
    if raw.ignore_case {
        return Err(Problem::Misplaced { key: "ignore_case", why: "is for words; write (?i) in a pattern" });
    }
    let stated = raw.max_length.map(|length| length as usize);
    let bounded = |most: usize, default: u32| match stated.unwrap_or(default as usize) {
        length if length > most => Err(Problem::Length { key: "max_length", found: length, least: 1, most }),
        length => Ok(length),
    };
    match (&raw.tail, &raw.until) {
        (Some(_), Some(_)) => Err(Problem::Misplaced { key: "tail", why: "cannot stand beside `until`" }),
        (Some(tail), None) => {
            let length = bounded(MAX_TAIL, DEFAULT_TAIL)?;
            pattern::check("pattern", pattern, length.min(MAX_PATTERN))?;
            let class = Box::new(pattern::class("tail", tail)?);
            Ok((Matcher::Tail { head: pattern.to_owned(), class }, length))
        }
        (None, Some(until)) => {
            let length = bounded(MAX_UNTIL, DEFAULT_UNTIL)?;
            pattern::check("pattern", pattern, length.min(MAX_PATTERN))?;
            pattern::check("until", until, MAX_PATTERN)?;
            Ok((Matcher::Until { head: pattern.to_owned(), terminator: until.clone() }, length))
        }
        (None, None) => {
            let longest = pattern::check("pattern", pattern, stated.unwrap_or(MAX_PATTERN).min(MAX_PATTERN))?;
            Ok((Matcher::Pattern(pattern.to_owned()), longest))
        }
    }
}

fn read_words(path: &str, folder: Option<&Path>) -> Result<Vec<String>, Problem> {
    let path = folder.unwrap_or(Path::new("")).join(path);
    let text = std::fs::read_to_string(&path).map_err(|error| Problem::Unreadable {
        path: path.display().to_string(),
        reason: error.to_string(),
    })?;
    Ok(text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect())
}

fn worded(raw: &RawRule, words: Vec<String>) -> Result<(Matcher, usize), Problem> {
    for (key, present) in [
        ("tail", raw.tail.is_some()),
        ("until", raw.until.is_some()),
        ("max_length", raw.max_length.is_some()),
    ] {
        if present {
            return Err(Problem::Misplaced { key, why: "is for patterns, not for words" });
        }
    }
    if words.is_empty() || words.len() > MAX_WORDS {
        let message = format!("{} words; a list has 1 to {MAX_WORDS}", words.len());
        return Err(Problem::BadWords(message));
    }
    if let Some(word) = words.iter().find(|word| !(2..=MAX_WORD).contains(&word.len())) {
        let message = format!("`{word}` is {} bytes long; a word has 2 to {MAX_WORD}", word.len());
        return Err(Problem::BadWords(message));
    }
    let longest = words.iter().map(String::len).max().unwrap_or(0);
    Ok((Matcher::Words { words, ignore_case: raw.ignore_case }, longest))
}
