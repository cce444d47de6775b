//! Where a candidate may begin: a table by what stands before, the byte itself, and the byte after it.

use std::collections::HashMap;

use crate::inspect::rules::{ByteSet, is_continuation};

/// Where one machine may begin.
pub(super) struct Entry {
    machine: u16,
    /// Where it may begin: after each byte, and last at the start of a text.
    follows: [bool; 257],
    /// By first byte: the second bytes with which a match can go on, if it can begin there at all.
    pairs: Vec<Option<ByteSet>>,
    /// With these even after `not_after`: the first bytes of scripts that set no spaces between words.
    anywhere: ByteSet,
    /// As `follows`, but for these.
    follows_anywhere: [bool; 257],
}

impl Entry {
    /// A machine that begins not after a byte of `not_after`, and only where `follows` allows what stands before.
    pub fn new(
        machine: u16,
        not_after: &ByteSet,
        follows: &dyn Fn(Option<u8>) -> bool,
        pairs: Vec<Option<ByteSet>>,
        anywhere: ByteSet,
    ) -> Entry {
        // Only the first byte of a character is known: what stands inside it is left to the context itself.
        let inside = (0x80..=0xFF).any(|byte| follows(Some(byte)));
        let allowed = |place: usize| match place {
            256 => follows(None),
            0x80.. => inside,
            _ => follows(Some(place as u8)),
        };
        let refused = |place: usize| not_after.get(place).copied().unwrap_or(false);
        Entry {
            machine,
            follows: std::array::from_fn(|place| allowed(place) && !refused(place)),
            pairs,
            anywhere,
            follows_anywhere: std::array::from_fn(allowed),
        }
    }

    fn begins(&self, before: Option<u8>, first: u8) -> bool {
        let (follows, anywhere) = self.after(before);
        self.pairs[usize::from(first)].is_some()
            && if self.anywhere[usize::from(first)] { anywhere } else { follows }
    }

    /// Whether it may begin after `before` at all, and with a byte of `anywhere`.
    fn after(&self, before: Option<u8>) -> (bool, bool) {
        let place = before.map_or(256, usize::from);
        (self.follows[place], self.follows_anywhere[place])
    }

    fn goes_on(&self, first: u8, second: u8) -> bool {
        self.pairs[usize::from(first)].is_some_and(|seconds| seconds[usize::from(second)])
    }
}

/// The table of one direction.
#[derive(Debug)]
pub(super) struct Starts {
    /// The class of each byte as the one before. Class 0 is the start of a text, and what no rule minds.
    class: [u8; 256],
    /// By class of the byte before, and byte: the row of machines that may begin; 0 for none.
    begins: Vec<[u16; 256]>,
    rows: Vec<Row>,
    /// The sets of machines; the first is empty.
    sets: Vec<Box<[u16]>>,
}

/// Which machines begin with one byte.
#[derive(Debug)]
struct Row {
    /// While the next byte is not known.
    all: u16,
    /// By the next byte.
    by_next: [u16; 256],
}

impl Starts {
    /// Builds the table.
    pub fn new(entries: &[Entry]) -> Starts {
        let (class, befores) = classes(entries);
        let mut sets = Sets::default();
        let mut rows = vec![Row { all: 0, by_next: [0; 256] }];
        let mut numbers: HashMap<(u16, u8), u16> = HashMap::new();
        let mut row = |before: Option<u8>, byte: u8| {
            let all = sets.number(entries.iter().filter(|entry| entry.begins(before, byte)));
            match all {
                0 => 0,
                _ => *numbers.entry((all, byte)).or_insert_with(|| {
                    let begins = |entry: &&Entry| entry.begins(before, byte);
                    let by_next = std::array::from_fn(|next| {
                        let goes_on = |entry: &&Entry| entry.goes_on(byte, next as u8);
                        sets.number(entries.iter().filter(begins).filter(goes_on))
                    });
                    rows.push(Row { all, by_next });
                    (rows.len() - 1) as u16
                }),
            }
        };
        let begins =
            befores.iter().map(|before| std::array::from_fn(|byte| row(*before, byte as u8))).collect();
        Starts { class, begins, rows, sets: sets.sets }
    }

    /// The machines that may begin at `at`; `history` is the text before. Of a character that stands before its
    /// first byte counts.
    pub fn machines(&self, text: &[u8], at: usize, history: &[u8]) -> &[u16] {
        let mut before = text[..at].iter().rev().chain(history.iter().rev());
        let lead = before.find(|byte| !is_continuation(**byte));
        let class = lead.map_or(0, |lead| self.class[usize::from(*lead)]);
        let row = &self.rows[usize::from(self.begins[usize::from(class)][usize::from(text[at])])];
        let set = text.get(at + 1).map_or(row.all, |next| row.by_next[usize::from(*next)]);
        &self.sets[usize::from(set)]
    }

    /// Bytes of the table.
    pub fn memory(&self) -> usize {
        let sets = self.sets.iter().map(|set| size_of_val(&**set) + size_of::<Box<[u16]>>());
        size_of_val(self.begins.as_slice()) + size_of_val(self.rows.as_slice()) + sets.sum::<usize>()
    }
}

/// The class of each byte as the one before, and a byte of each class; class 0 is the start of a text.
fn classes(entries: &[Entry]) -> ([u8; 256], Vec<Option<u8>>) {
    let mut class = [0u8; 256];
    let mut befores: Vec<Option<u8>> = vec![None];
    let minds = |before: Option<u8>| -> Vec<(bool, bool)> {
        entries.iter().map(|entry| entry.after(before)).collect()
    };
    for byte in (0..=255u8).filter(|byte| !is_continuation(*byte)) {
        let known = befores.iter().position(|before| minds(*before) == minds(Some(byte)));
        class[usize::from(byte)] = known.unwrap_or(befores.len()) as u8;
        if known.is_none() {
            befores.push(Some(byte));
        }
    }
    (class, befores)
}

/// Sets of machines, each kept once.
struct Sets {
    sets: Vec<Box<[u16]>>,
    numbers: HashMap<Box<[u16]>, u16>,
}

impl Default for Sets {
    fn default() -> Sets {
        Sets { sets: vec![Box::from([])], numbers: HashMap::from([(Box::from([]), 0)]) }
    }
}

impl Sets {
    fn number<'e>(&mut self, entries: impl Iterator<Item = &'e Entry>) -> u16 {
        let set: Box<[u16]> = entries.map(|entry| entry.machine).collect();
        *self.numbers.entry(set).or_insert_with_key(|set| {
            self.sets.push(set.clone());
            (self.sets.len() - 1) as u16
        })
    }
}
