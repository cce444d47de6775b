//! What a pattern must be, so that a stream can be scanned with it: bounded, of whole characters, decided within one byte.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind, Look, LookSet};

use super::Problem;

/// A set of byte values.
pub(crate) type ByteSet = [bool; 256];

/// Parses a regular expression over bytes with ASCII classes, as all rules are.
///
/// # Errors
/// [`Problem::BadPattern`] with the parser's own words.
pub(crate) fn parse_bytes(key: &'static str, pattern: &str) -> Result<Hir, Problem> {
    ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .build()
        .parse(pattern)
        .map_err(|error| Problem::BadPattern { key, reason: error.to_string() })
}

/// Parses and checks a pattern; returns the longest match in bytes.
pub(super) fn check(key: &'static str, pattern: &str, most: usize) -> Result<usize, Problem> {
    let hir = parse_bytes(key, pattern)?;
    let properties = hir.properties();
    let least = properties.minimum_len().unwrap_or(0);
    let longest = properties.maximum_len().ok_or(Problem::Unbounded { key })?;
    if least == 0 || longest > most {
        let found = if least == 0 { 0 } else { longest };
        return Err(Problem::Length { key, found, least: 1, most });
    }
    if !properties.look_set_prefix_any().is_empty() || !decidable(properties.look_set()) {
        return Err(Problem::Assertion { key });
    }
    if !ascii(&hir) && !properties.is_utf8() {
        return Err(Problem::NotAscii { key });
    }
    Ok(longest)
}

/// Bytes that the context before a value may have, and the one behind it.
pub(crate) const MAX_BEFORE: usize = 128;
pub(crate) const MAX_AFTER: usize = 64;

/// Checks the context that must stand before a value.
pub(super) fn check_before(pattern: &str) -> Result<(), Problem> {
    let starts = [Look::Start, Look::StartLF];
    let hir = context("before", pattern, MAX_BEFORE, starts)?;
    match hir.properties().look_set_suffix_any().iter().all(|look| starts.contains(&look)) {
        true => Ok(()),
        false => Err(Problem::ContextAssertion { key: "before" }),
    }
}

/// Checks the context that must stand behind a value.
pub(super) fn check_after(pattern: &str) -> Result<(), Problem> {
    let ends = [Look::End, Look::EndLF];
    let hir = context("after", pattern, MAX_AFTER, ends)?;
    match hir.properties().look_set_prefix_any().iter().all(|look| ends.contains(&look)) {
        true => Ok(()),
        false => Err(Problem::ContextAssertion { key: "after" }),
    }
}

fn context(key: &'static str, pattern: &str, most: usize, edges: [Look; 2]) -> Result<Hir, Problem> {
    let hir = parse_bytes(key, pattern)?;
    let properties = hir.properties();
    let longest = properties.maximum_len().ok_or(Problem::Unbounded { key })?;
    if longest > most || (longest == 0 && properties.look_set().is_empty()) {
        return Err(Problem::Length { key, found: longest, least: 1, most });
    }
    if !properties.look_set().iter().all(|look| edges.contains(&look) || decidable(LookSet::singleton(look)))
    {
        return Err(Problem::ContextAssertion { key });
    }
    Ok(hir)
}

/// Whether a pattern asserts anything about the bytes around it.
pub(crate) fn has_assertions(pattern: &str) -> bool {
    parse_bytes("pattern", pattern).is_ok_and(|hir| !hir.properties().look_set().is_empty())
}

/// Parses one class of single bytes.
pub(super) fn class(key: &'static str, pattern: &str) -> Result<ByteSet, Problem> {
    let hir = parse_bytes(key, pattern)?;
    if !ascii(&hir) {
        return Err(Problem::NotAscii { key });
    }
    let mut set = [false; 256];
    match hir.kind() {
        HirKind::Literal(literal) if literal.0.len() == 1 => set[usize::from(literal.0[0])] = true,
        HirKind::Class(Class::Bytes(class)) => {
            for range in class.ranges() {
                set[usize::from(range.start())..=usize::from(range.end())].fill(true);
            }
        }
        _ => return Err(Problem::NotAClass { key }),
    }
    Ok(set)
}

/// Assertions that one more byte decides.
fn decidable(looks: LookSet) -> bool {
    const WORD: [Look; 6] = [
        Look::WordAscii,
        Look::WordAsciiNegate,
        Look::WordStartAscii,
        Look::WordEndAscii,
        Look::WordStartHalfAscii,
        Look::WordEndHalfAscii,
    ];
    looks.iter().all(|look| WORD.contains(&look))
}

fn ascii(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => true,
        HirKind::Literal(literal) => literal.0.is_ascii(),
        HirKind::Class(Class::Bytes(class)) => class.is_ascii(),
        HirKind::Class(Class::Unicode(class)) => class.is_ascii(),
        HirKind::Repetition(repetition) => ascii(&repetition.sub),
        HirKind::Capture(capture) => ascii(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().all(ascii),
    }
}
