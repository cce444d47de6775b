//! Whether one machine may begin at a place: what stands before it, and the first bytes of its matches.

use super::lead::{Lead, Set};
use crate::inspect::rules::{ByteSet, Matcher, Rule, is_continuation};

/// Bytes looked at before a candidate begins.
const FAR: usize = 16;
/// Bits of [`Gate::follows`]: anywhere the context allows, and where `not_after` does, too.
const CONTEXT: u8 = 1;
const BOUNDARY: u8 = 2;
/// First bytes of scripts that set no spaces between words.
const UNSPACED: u8 = 0xE0;

/// The conditions of one machine.
#[derive(Debug)]
pub(super) struct Gate {
    /// By the first byte of the character before, and last at the start of a text.
    follows: Box<[u8; 257]>,
    /// By byte: the places from the start on where it may stand, as bits.
    places: Box<[u16; 256]>,
    /// Words begin anywhere in scripts that set no spaces.
    words: bool,
}

impl Gate {
    /// The conditions of rules that share `not_after` and context.
    pub fn new(rules: &[&Rule]) -> Gate {
        let first = rules[0];
        let behind = Lead::behind(first.before.as_deref())[0];
        // Only the first byte of a character is known: what stands inside it is left to the context itself.
        let inside = (0x80..=0xFF).any(|byte| behind.has(byte));
        let allows = |value: usize| if (0x80..256).contains(&value) { inside } else { behind.has(value) };
        let follows = |value: usize| match (allows(value), refused(&first.not_after, value)) {
            (false, _) => 0,
            (true, true) => CONTEXT,
            (true, false) => CONTEXT | BOUNDARY,
        };
        let mut places = Box::new([0; 256]);
        for rule in rules {
            for (place, set) in Lead::ahead::<FAR>(rule).iter().enumerate() {
                (0..256).filter(|byte| set.has(*byte)).for_each(|byte| places[byte] |= 1 << place);
            }
        }
        let words = matches!(first.matcher, Matcher::Words { .. });
        Gate { follows: Box::new(std::array::from_fn(follows)), places, words }
    }

    /// Whether a match may begin at the start of `text`, behind a character that begins with `before`.
    #[inline]
    pub fn admits(&self, before: Option<u8>, text: &[u8]) -> bool {
        let first = text[0];
        let wanted = if self.words && first >= UNSPACED { CONTEXT } else { BOUNDARY };
        self.follows[before.map_or(Set::NONE, usize::from)] & wanted != 0
            && text
                .iter()
                .take(FAR)
                .enumerate()
                .all(|(place, byte)| self.places[usize::from(*byte)] >> place & 1 == 1)
    }

    /// Heap bytes.
    pub fn memory(&self) -> usize {
        size_of_val(&*self.follows) + size_of_val(&*self.places)
    }
}

fn refused(not_after: &ByteSet, value: usize) -> bool {
    value != Set::NONE && !is_continuation(value as u8) && not_after[value]
}
