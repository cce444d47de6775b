//! Rules with a context begin only behind one of its words: where none is near, they need not be thought of.

use regex_syntax::hir::{Hir, HirKind};

use super::history::Past;
use super::keywords::{lowered, words};
use crate::inspect::rules::parse_bytes;

/// Bytes of a word that are compared, and the fewest that make one.
const LONGEST: usize = 8;
const SHORTEST: usize = 3;
/// Entries of the table by the first three bytes, a power of two.
const ENTRIES: usize = 1 << 14;

/// A word of contexts, in lower case.
#[derive(Debug)]
struct Word {
    text: Vec<u8>,
    /// The contexts one of whose words it is.
    contexts: Vec<u16>,
}

/// All words.
#[derive(Debug)]
pub(super) struct Arms {
    /// By the first three bytes: bits of the fourth.
    table: Box<[u8; ENTRIES]>,
    /// By the first three bytes: the words.
    words: Vec<Vec<Word>>,
    numbers: Box<[u16; ENTRIES]>,
    /// By context: the bits of its rules in the filter, per direction.
    pub bits: Vec<[u64; 2]>,
    /// By context: its most bytes, so that its words count no farther.
    reaches: Vec<u8>,
    any: bool,
}

/// The words one of which every match of a context has; empty where there are none.
pub(super) fn needed(before: &str) -> Vec<Vec<u8>> {
    let found = parse_bytes("before", before).ok().and_then(|hir| inner(&lowered(&hir)));
    let cut = |mut word: Vec<u8>| {
        word.truncate(LONGEST);
        word
    };
    found.unwrap_or_default().into_iter().map(cut).collect()
}

fn inner(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    let first = words(hir, SHORTEST);
    if first.is_some() {
        return first;
    }
    match hir.kind() {
        HirKind::Concat(parts) => {
            let from = |place: usize| words(&Hir::concat(parts[place..].to_vec()), SHORTEST);
            let found =
                (1..parts.len()).filter_map(from).max_by_key(|words| words.iter().map(Vec::len).min());
            found.or_else(|| parts.iter().find_map(inner))
        }
        HirKind::Alternation(parts) => {
            let each: Option<Vec<_>> = parts.iter().map(inner).collect();
            each.map(|each| each.into_iter().flatten().collect())
        }
        HirKind::Capture(capture) => inner(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => inner(&repetition.sub),
        _ => None,
    }
}

fn entry(bytes: [u8; 3]) -> usize {
    let folded = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0]) | 0x20_20_20;
    (folded.wrapping_mul(0x9E37_79B1) >> 18) as usize % ENTRIES
}

impl Arms {
    /// Takes the needed words and the most bytes of each context, in the order of their numbers.
    pub fn new<'w>(contexts: impl Iterator<Item = (&'w [Vec<u8>], u8)>) -> Arms {
        let mut arms = Arms {
            table: Box::new([0; ENTRIES]),
            words: vec![Vec::new()],
            numbers: Box::new([0; ENTRIES]),
            bits: Vec::new(),
            reaches: Vec::new(),
            any: false,
        };
        for (context, (words, reach)) in contexts.enumerate() {
            arms.bits.push([0; 2]);
            arms.reaches.push(reach);
            words.iter().for_each(|word| arms.add(word, context as u16));
        }
        arms
    }

    fn add(&mut self, word: &[u8], context: u16) {
        let entry = entry([word[0], word[1], word[2]]);
        self.table[entry] |= word.get(3).map_or(u8::MAX, |fourth| 1 << ((fourth | 0x20) & 7));
        if self.numbers[entry] == 0 {
            self.numbers[entry] = self.words.len() as u16;
            self.words.push(Vec::new());
        }
        let list = &mut self.words[usize::from(self.numbers[entry])];
        match list.iter_mut().find(|known| known.text == word) {
            Some(known) => known.contexts.push(context),
            None => list.push(Word { text: word.to_vec(), contexts: vec![context] }),
        }
        self.any = true;
    }

    /// The first place from `at` on where a word begins, or the end of the text.
    pub fn next(&self, text: &[u8], mut at: usize) -> usize {
        if !self.any {
            return text.len();
        }
        while let Some(window) = text[at..].first_chunk::<7>() {
            let hit = |place: usize| {
                let bits = self.table[entry([window[place], window[place + 1], window[place + 2]])];
                bits >> ((window[place + 3] | 0x20) & 7) & 1
            };
            let hits = [hit(0), hit(1), hit(2), hit(3)];
            if hits != [0; 4] {
                for place in (0..4).filter(|place| hits[*place] == 1) {
                    if self.at(text, at + place).next().is_some() {
                        return at + place;
                    }
                }
            }
            at += 4;
        }
        (at..text.len()).find(|at| self.at(text, *at).next().is_some()).unwrap_or(text.len())
    }

    /// The words that stand at a place.
    fn at<'a>(&'a self, text: &'a [u8], at: usize) -> impl Iterator<Item = &'a Word> {
        let rest = &text[at..];
        let list = rest.first_chunk::<3>().map(|first| &self.words[usize::from(self.numbers[entry(*first)])]);
        let stands = move |word: &&Word| {
            rest.get(..word.text.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(&word.text))
        };
        list.into_iter().flatten().filter(stands)
    }

    /// Heap bytes.
    pub fn memory(&self) -> usize {
        let word = |word: &Word| word.text.len() + word.contexts.len() * size_of::<u16>() + size_of::<Word>();
        ENTRIES * 3 + self.words.iter().flatten().map(word).sum::<usize>()
    }
}

/// The contexts whose words stand near enough.
#[derive(Clone, Debug, Default)]
pub(super) struct Armed {
    /// Contexts, and the place in the channel up to which their words count.
    contexts: Vec<(u16, u64)>,
}

impl Armed {
    /// Takes in the words at `at` of a text, whose byte at `first` has the place `base` in the channel.
    fn note(&mut self, arms: &Arms, text: &[u8], at: usize, (first, base): (usize, u64)) {
        for context in arms.at(text, at).flat_map(|word| &word.contexts) {
            let reach = usize::from(arms.reaches[usize::from(*context)]);
            let until = base + (at + reach).saturating_sub(first) as u64;
            match self.contexts.iter_mut().find(|known| known.0 == *context) {
                Some(known) => known.1 = known.1.max(until),
                None => self.contexts.push((*context, until)),
            }
        }
    }

    /// Takes in the words at `at`; `base` is the place of `text` in the channel.
    pub fn arm(&mut self, arms: &Arms, text: &[u8], at: usize, base: u64) {
        self.note(arms, text, at, (0, base));
    }

    /// Takes in the words that began in text let go, and end in or right before `text`.
    pub fn bridge(&mut self, arms: &Arms, past: Past<'_>, text: &[u8], base: u64) {
        const BEFORE: usize = LONGEST;
        if !arms.any {
            return;
        }
        let mut near = [0; BEFORE + LONGEST];
        let before = past.length().min(BEFORE);
        near.iter_mut().zip(past.last(before)).for_each(|(near, byte)| *near = byte);
        let after = text.len().min(LONGEST);
        near[before..before + after].copy_from_slice(&text[..after]);
        let near = &near[..before + after];
        let mut at = arms.next(near, 0);
        while at < before {
            // What stands before a text of its own has no place in it: count from its start.
            self.note(arms, near, at, (before, base));
            at = arms.next(near, at + 1);
        }
    }

    /// The contexts.
    pub fn contexts(&self) -> impl Iterator<Item = u16> {
        self.contexts.iter().map(|(context, _)| *context)
    }

    /// Forgets what is too far from `at`; returns the bits of the rest, and up to where that holds.
    pub fn active(&mut self, arms: &Arms, direction: usize, at: u64) -> (u64, u64) {
        let (mut bits, mut until) = (0, u64::MAX);
        self.contexts.retain(|(context, end)| {
            let near = *end >= at;
            if near {
                bits |= arms.bits[usize::from(*context)][direction];
                until = until.min(*end + 1);
            }
            near
        });
        (bits, until)
    }

    /// Heap bytes.
    pub fn memory(&self) -> usize {
        self.contexts.capacity() * size_of::<(u16, u64)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_have_words() {
        let cases = [
            (r"(?i)\b(?:phone|tel)[^0-9]{0,9}", "phone tel"),
            ("(?i)[a-z_]{0,9}(?:secret|api_?key)[=:]", "secret: secret= api_key: api_key= apikey: apikey="),
            ("[=:]", ""),
            ("(?:^|;)abc", "abc ;abc"),
        ];
        for (pattern, expected) in cases {
            let words = needed(pattern);
            let words: Vec<_> = words.iter().map(|word| String::from_utf8_lossy(word)).collect();
            assert_eq!(words.join(" "), expected, "{pattern}");
        }
    }

    #[test]
    fn words_are_found_in_any_case_and_across_pieces() {
        let words = [vec![b"secret".to_vec(), b"key".to_vec()]];
        let mut arms = Arms::new(words.iter().map(|words| (words.as_slice(), 128)));
        arms.bits[0] = [1, 1];
        let text = b"my KEY is a SeCret thing";
        let mut found = Vec::new();
        let mut at = arms.next(text, 0);
        while at < text.len() {
            found.push(at);
            at = arms.next(text, at + 1);
        }
        assert_eq!(found, [3, 12]);
        for split in 13..=18 {
            let (history, text) = text.split_at(split);
            let mut armed = Armed::default();
            armed.bridge(&arms, Past { history, text: &[] }, text, split as u64);
            assert_eq!(armed.active(&arms, 0, 20).0, 1, "{split}");
        }
    }
}
