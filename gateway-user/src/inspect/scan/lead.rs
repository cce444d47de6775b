//! How the matches of a rule begin: which bytes stand at each of their first places, and at the places before.

use regex_syntax::hir::{Class, Hir, HirKind, Look};
use regex_syntax::utf8::{Utf8Range, Utf8Sequences};

use crate::inspect::rules::{ByteSet, Matcher, Rule, is_continuation, parse_bytes};

/// Places looked at from the start of a match on, and before it.
pub(super) const AHEAD: usize = 4;
pub(super) const BEHIND: usize = 2;
/// Places looked at where those say that a match may begin.
pub(super) const FAR: usize = 16;

/// What may stand at one place: bytes, and [`Set::NONE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Set([u64; 5]);

impl Set {
    /// Stands for the byte before the start of a text.
    pub const NONE: usize = 256;
    pub const EMPTY: Set = Set([0; 5]);
    pub const FULL: Set = Set([u64::MAX; 5]);

    pub fn has(&self, value: usize) -> bool {
        self.0[value / 64] >> (value % 64) & 1 == 1
    }

    pub fn add(&mut self, value: usize) {
        self.0[value / 64] |= 1 << (value % 64);
    }

    pub fn union(&self, other: &Set) -> Set {
        Set(std::array::from_fn(|word| self.0[word] | other.0[word]))
    }

    /// The values for which `keep` holds.
    fn filtered(&self, keep: impl Fn(usize) -> bool) -> Set {
        let mut set = Set::EMPTY;
        (0..=Set::NONE).filter(|value| self.has(*value) && keep(*value)).for_each(|value| set.add(value));
        set
    }
}

/// The bytes with which matches begin. Every match has these at its places; not every text that has them matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lead {
    /// At the start of a match and behind it.
    pub ahead: [Set; AHEAD],
    /// Before the start, the nearest first.
    pub behind: [Set; BEHIND],
}

impl Lead {
    /// How matches of a rule begin. Words of scripts without spaces have a lead of their own, as they begin anywhere.
    pub fn of(rule: &Rule) -> Vec<Lead> {
        let behind = Lead::behind(rule.before.as_deref());
        let mut bounded = behind;
        bounded[0] = behind[0].filtered(|value| follows(&rule.not_after, value));
        match &rule.matcher {
            Matcher::Words { words, ignore_case } => {
                let (anywhere, spaced): (Vec<&String>, Vec<&String>) =
                    words.iter().partition(|word| word.as_bytes()[0] >= 0xE0);
                let lead = |words: Vec<&String>, behind| {
                    (!words.is_empty()).then(|| Lead { ahead: beginnings(&words, *ignore_case), behind })
                };
                [lead(spaced, bounded), lead(anywhere, behind)].into_iter().flatten().collect()
            }
            _ => vec![Lead { ahead: Lead::ahead(rule), behind: bounded }],
        }
    }

    /// What may stand at the first places of a match.
    pub fn ahead<const N: usize>(rule: &Rule) -> [Set; N] {
        if let Matcher::Words { words, ignore_case } = &rule.matcher {
            return beginnings(&words.iter().collect::<Vec<_>>(), *ignore_case);
        }
        let hir = rule.matcher.head().and_then(|head| parse_bytes("pattern", head).ok());
        hir.map_or([Set::FULL; N], |hir| places(&hir, false))
    }

    /// What may stand before a match, given its context.
    pub fn behind(before: Option<&str>) -> [Set; BEHIND] {
        let hir = before.and_then(|before| parse_bytes("before", before).ok());
        hir.map_or([Set::FULL; BEHIND], |hir| places(&hir, true))
    }

    /// Both.
    pub fn union(&self, other: &Lead) -> Lead {
        Lead {
            ahead: std::array::from_fn(|place| self.ahead[place].union(&other.ahead[place])),
            behind: std::array::from_fn(|place| self.behind[place].union(&other.behind[place])),
        }
    }
}

/// Whether a match may follow a byte. Inside a character it is the first byte that counts, which is not known here.
fn follows(not_after: &ByteSet, value: usize) -> bool {
    value == Set::NONE || is_continuation(value as u8) || !not_after[value]
}

/// The bytes at the first places of the matches of a pattern; of the last places, last first, when `reversed`.
fn places<const N: usize>(hir: &Hir, reversed: bool) -> [Set; N] {
    let mut spread = Spread { sets: vec![Set::EMPTY; N], reversed };
    let ends = spread.take(hir, 1);
    // Behind the end of a match anything may stand.
    for end in (0..N).filter(|end| ends >> end & 1 == 1) {
        spread.sets[end..].fill(Set::FULL);
    }
    std::array::from_fn(|place| spread.sets[place])
}

/// Walks a pattern with the set of places where it may be, as bits; the bit after the last place stands for all beyond.
struct Spread {
    sets: Vec<Set>,
    reversed: bool,
}

impl Spread {
    /// Takes in a part that may begin at the places `from`; returns where it may end.
    fn take(&mut self, hir: &Hir, from: u32) -> u32 {
        match hir.kind() {
            HirKind::Look(Look::Start) if self.reversed => self.start(from),
            HirKind::Empty | HirKind::Look(_) => from,
            HirKind::Literal(literal) => {
                let byte =
                    |spread: &mut Spread, at, byte: &u8| spread.one(at, |set| set.add(usize::from(*byte)));
                match self.reversed {
                    true => literal.0.iter().rev().fold(from, |at, next| byte(self, at, next)),
                    false => literal.0.iter().fold(from, |at, next| byte(self, at, next)),
                }
            }
            HirKind::Class(Class::Bytes(class)) => self.one(from, |set| {
                for range in class.ranges() {
                    (range.start()..=range.end()).for_each(|byte| set.add(usize::from(byte)));
                }
            }),
            HirKind::Class(Class::Unicode(class)) => {
                let ranges = class.iter().flat_map(|range| Utf8Sequences::new(range.start(), range.end()));
                ranges.fold(0, |ends, sequence| ends | self.character(sequence.as_slice(), from))
            }
            HirKind::Repetition(repetition) => {
                let most = repetition.max.unwrap_or(u32::MAX);
                let (mut at, mut ends) = (from, if repetition.min == 0 { from } else { 0 });
                let mut count = 0;
                // A part that is never empty is beyond the last place before long.
                while count < most && (count < repetition.min || count <= self.sets.len() as u32) {
                    let next = self.take(&repetition.sub, at);
                    count += 1;
                    if count >= repetition.min {
                        ends |= next;
                    }
                    if next == at {
                        return ends | next;
                    }
                    at = next;
                }
                ends
            }
            HirKind::Capture(capture) => self.take(&capture.sub, from),
            HirKind::Concat(parts) if self.reversed => {
                parts.iter().rev().fold(from, |at, part| self.take(part, at))
            }
            HirKind::Concat(parts) => parts.iter().fold(from, |at, part| self.take(part, at)),
            HirKind::Alternation(parts) => parts.iter().fold(0, |ends, part| ends | self.take(part, from)),
        }
    }

    /// The start of the text before each of the places `from`: from there on there is nothing.
    fn start(&mut self, from: u32) -> u32 {
        for place in (0..self.sets.len()).filter(|place| from >> place & 1 == 1) {
            self.sets[place..].iter_mut().for_each(|set| set.add(Set::NONE));
        }
        0
    }

    /// A character, one byte of each range.
    fn character(&mut self, ranges: &[Utf8Range], from: u32) -> u32 {
        let reversed = self.reversed;
        let one = |at, range: &Utf8Range| {
            self.one(at, |set| (range.start..=range.end).for_each(|byte| set.add(usize::from(byte))))
        };
        match reversed {
            true => ranges.iter().rev().fold(from, one),
            false => ranges.iter().fold(from, one),
        }
    }

    /// One byte at each of the places `from`.
    fn one(&mut self, from: u32, mut add: impl FnMut(&mut Set)) -> u32 {
        let beyond = 1 << self.sets.len();
        let marked = self.sets.iter_mut().enumerate().filter(|(place, _)| from >> place & 1 == 1);
        marked.for_each(|(_, set)| add(set));
        (from << 1 | from & beyond) & (2 * beyond - 1)
    }
}

/// The bytes at the first places of words.
fn beginnings<const N: usize>(words: &[&String], ignore_case: bool) -> [Set; N] {
    let mut sets = [Set::EMPTY; N];
    for word in words {
        for (place, set) in sets.iter_mut().enumerate() {
            match word.as_bytes().get(place) {
                Some(byte) if ignore_case => {
                    set.add(usize::from(byte.to_ascii_lowercase()));
                    set.add(usize::from(byte.to_ascii_uppercase()));
                }
                Some(byte) => set.add(usize::from(*byte)),
                None => *set = Set::FULL,
            }
        }
    }
    sets
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of a set as text; `.` for all.
    fn shown(set: &Set) -> String {
        match (0..256).all(|byte| set.has(byte)) {
            true => ".".to_owned(),
            false => (0..128u8).filter(|byte| set.has(usize::from(*byte))).map(char::from).collect(),
        }
    }

    #[test]
    fn the_first_and_last_places_of_patterns() {
        let cases = [
            ("abcdef", "a|b|c|d", "f|e"),
            ("ab", "a|b|.|.", "b|a"),
            ("a[bc]{1,2}d", "a|bc|bcd|.", "d|bc"),
            ("(?:abd|c)x?y", "ac|bxy|.|.", "y|cdx"),
            ("(?i)ab{0,9}=", "Aa|=Bb|.|.", "=|ABab"),
            (r"x{3,}\b", "x|x|x|.", "x|x"),
            ("(?u:[\u{80}a])x", "a|x|.|.", "x|a"),
            ("(?:^|b)a", "ab|.|.|.", "a|b"),
        ];
        for (pattern, ahead, behind) in cases {
            let hir = parse_bytes("pattern", pattern).expect(pattern);
            let shown = |sets: &[Set]| sets.iter().map(shown).collect::<Vec<_>>().join("|");
            let first: [Set; AHEAD] = places(&hir, false);
            let last: [Set; BEHIND] = places(&hir, true);
            assert_eq!((shown(&first).as_str(), shown(&last).as_str()), (ahead, behind), "{pattern}");
        }
    }
}
