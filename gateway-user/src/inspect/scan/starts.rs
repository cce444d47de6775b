//! Where a candidate may begin: a table by what stands before and the byte itself.

use std::collections::HashMap;

use crate::inspect::rules::{ByteSet, is_continuation};

/// Where one machine may begin.
pub(super) struct Entry {
    pub machine: u16,
    /// Not after these.
    pub not_after: ByteSet,
    /// Only with these.
    pub first: ByteSet,
    /// With these even after `not_after`: the first bytes of scripts that set no spaces between words.
    pub anywhere: ByteSet,
}

/// The table of one direction.
#[derive(Debug)]
pub(super) struct Starts {
    /// Class of each byte as the one before; 0 is the start of a text, and what no rule minds.
    class: [u8; 256],
    /// By class and byte: which set of machines begins.
    table: Vec<[u16; 256]>,
    /// The sets; the first is empty.
    sets: Vec<Box<[u16]>>,
}

impl Starts {
    /// Builds the table.
    pub fn new(entries: &[Entry]) -> Starts {
        let mut class = [0u8; 256];
        let mut befores: Vec<Option<u8>> = vec![None];
        let minds = |before: Option<u8>| -> Vec<bool> {
            entries
                .iter()
                .map(|entry| before.is_some_and(|byte| entry.not_after[usize::from(byte)]))
                .collect()
        };
        // Continuation bytes never occur as "before": the class of the character's first byte is kept.
        for byte in (0..=255u8).filter(|byte| !is_continuation(*byte)) {
            let known = befores.iter().position(|before| minds(*before) == minds(Some(byte)));
            class[usize::from(byte)] = known.unwrap_or(befores.len()) as u8;
            if known.is_none() {
                befores.push(Some(byte));
            }
        }
        let mut sets = Sets::default();
        let table = befores
            .iter()
            .map(|before| std::array::from_fn(|byte| sets.number(entries, *before, byte as u8)))
            .collect();
        Starts { class, table, sets: sets.sets }
    }

    /// Bytes of the table.
    pub fn memory(&self) -> usize {
        std::mem::size_of_val(self.table.as_slice())
            + self.sets.iter().map(|set| set.len() * 2 + 16).sum::<usize>()
    }

    /// The machines that begin at `byte` after a byte of class `behind`, and the class for the next byte.
    #[inline(always)]
    pub fn at(&self, behind: u8, byte: u8) -> (&[u16], u8) {
        let set = self.table[usize::from(behind)][usize::from(byte)];
        let next = if is_continuation(byte) { behind } else { self.class[usize::from(byte)] };
        (&self.sets[usize::from(set)], next)
    }
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
    fn number(&mut self, entries: &[Entry], before: Option<u8>, byte: u8) -> u16 {
        let begins = |entry: &&Entry| {
            let place = usize::from(byte);
            let refused = before.is_some_and(|before| entry.not_after[usize::from(before)]);
            entry.first[place] && (!refused || entry.anywhere[place])
        };
        let set: Box<[u16]> = entries.iter().filter(begins).map(|entry| entry.machine).collect();
        *self.numbers.entry(set).or_insert_with_key(|set| {
            self.sets.push(set.clone());
            (self.sets.len() - 1) as u16
        })
    }
}
