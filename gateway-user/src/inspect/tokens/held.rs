//! The entries of a vault: by place, by last use, and those to be looked for in any text.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::form::Code;
use super::kept::{Kept, Owner, Place, Standing};
use super::known::Known;

/// All entries. Each stands in `entries` and `order`, and where it is to be looked for also in `known`.
#[derive(Default)]
pub(super) struct Held {
    pub entries: HashMap<Place, Entry>,
    /// By turn of the last use, the oldest first.
    pub order: BTreeMap<u64, Place>,
    turn: u64,
    /// Of all values.
    pub bytes: usize,
    /// By owner, what stands as [`Standing::Known`], and the search for it, once somebody asked.
    known: HashMap<Owner, Recurring>,
}

#[derive(Default)]
struct Recurring {
    codes: BTreeSet<Code>,
    search: Option<Arc<Known>>,
}

/// One entry.
pub(super) struct Entry {
    pub kept: Kept,
    /// The last use that was written down.
    pub written: u64,
    turn: u64,
}

impl Held {
    fn next_turn(&mut self) -> u64 {
        self.turn += 1;
        self.turn
    }

    /// Adds an entry, in the place of one that stood there.
    pub fn insert(&mut self, place: Place, kept: Kept, written: u64) {
        self.remove(place);
        let turn = self.next_turn();
        self.bytes += kept.value.len();
        self.order.insert(turn, place);
        if kept.standing == Standing::Known {
            self.learn(place);
        }
        self.entries.insert(place, Entry { kept, written, turn });
    }

    /// Makes an entry the one last used; `None` where there is none.
    pub fn touch(&mut self, place: Place) -> Option<&mut Entry> {
        let turn = self.next_turn();
        let entry = self.entries.get_mut(&place)?;
        self.order.remove(&entry.turn);
        self.order.insert(turn, place);
        entry.turn = turn;
        Some(entry)
    }

    /// The search for what an owner may send again in any place.
    pub fn known(&mut self, owner: Owner) -> Option<Arc<Known>> {
        let recurring = self.known.get_mut(&owner)?;
        if recurring.search.is_none() {
            let kept = recurring.codes.iter().filter_map(|&code| self.entries.get(&Place { owner, code }));
            let values = kept.map(|entry| (&*entry.kept.rule, &*entry.kept.value));
            recurring.search = Known::new(values).map(Arc::new);
        }
        recurring.search.clone()
    }

    /// Looks for the value of a place from now on.
    pub fn learn(&mut self, place: Place) {
        let recurring = self.known.entry(place.owner).or_default();
        recurring.codes.insert(place.code);
        recurring.search = None;
    }

    /// No longer looks for the value of a place.
    fn unlearn(&mut self, place: Place) {
        let Some(recurring) = self.known.get_mut(&place.owner) else { return };
        recurring.codes.remove(&place.code);
        recurring.search = None;
        if recurring.codes.is_empty() {
            self.known.remove(&place.owner);
        }
    }

    /// Takes an entry out.
    pub fn remove(&mut self, place: Place) {
        if let Some(entry) = self.entries.remove(&place) {
            self.bytes -= entry.kept.value.len();
            self.order.remove(&entry.turn);
            if entry.kept.standing == Standing::Known {
                self.unlearn(place);
            }
        }
    }
}
