//! Which machines may begin at a place, all asked at once: what stands before it, and the first bytes of its matches.

use super::before::Before;
use super::history::Past;
use super::lead::{BEHIND, FAR, Lead, Set};
use super::machine::Machine;
use crate::inspect::rules::{Matcher, Rule, is_continuation};

/// Machines of one gate: as many as have bits in one line of the cache.
const TOGETHER: usize = 512;
/// Bits of the filter.
const BITS: usize = 64;
/// First bytes of scripts that set no spaces between words.
const UNSPACED: u8 = 0xE0;

/// A set of the machines of one gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Crowd([u64; TOGETHER / 64]);

impl Crowd {
    const NONE: Crowd = Crowd([0; TOGETHER / 64]);
    const ALL: Crowd = Crowd([u64::MAX; TOGETHER / 64]);

    fn add(&mut self, place: usize) {
        self.0[place / 64] |= 1 << (place % 64);
    }

    #[inline(always)]
    fn and(self, other: &Crowd) -> Crowd {
        Crowd(std::array::from_fn(|word| self.0[word] & other.0[word]))
    }

    #[inline(always)]
    fn or(self, other: &Crowd) -> Crowd {
        Crowd(std::array::from_fn(|word| self.0[word] | other.0[word]))
    }

    #[inline(always)]
    fn without(self, other: &Crowd) -> Crowd {
        Crowd(std::array::from_fn(|word| self.0[word] & !other.0[word]))
    }

    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.0.iter().fold(0, |all, word| all | word) == 0
    }

    /// Takes out the lowest.
    #[inline]
    pub fn take(&mut self) -> Option<usize> {
        let word = self.0.iter().position(|word| *word != 0)?;
        let place = self.0[word].trailing_zeros() as usize;
        self.0[word] &= self.0[word] - 1;
        Some(64 * word + place)
    }
}

/// The conditions of machines that begin.
#[derive(Debug)]
pub(super) struct Gate {
    /// The number of its first machine.
    first: usize,
    /// By place from the start on, and the byte there.
    ahead: Box<[[Crowd; 256]; FAR]>,
    /// By place before the start, the nearest first, and the byte there or [`Set::NONE`].
    behind: Box<[[Crowd; 257]; BEHIND]>,
    /// By the first byte of the character before or [`Set::NONE`]: those whose `not_after` allows it.
    boundary: Box<[Crowd; 257]>,
    /// Lists of words: in scripts that set no spaces they begin anywhere.
    words: Crowd,
    /// Those that begin in a direction; then those of them whose rules count inside other encodings.
    begin: [[Crowd; 2]; 2],
    /// By direction and bit of the filter.
    bits: Box<[[Crowd; BITS]; 2]>,
    /// Those whose context is at the start of a text, and the farthest place where it may end.
    anchored: Crowd,
    reach: u64,
    /// Those that wait for a word of their context, and by context those.
    waiting: Crowd,
    contexts: Vec<Crowd>,
}

/// What is known of a place where machines may begin.
#[derive(Clone, Copy)]
pub(super) struct Spot<'a> {
    /// The last bytes before, the nearest first; `None` before the start of a text.
    pub behind: [Option<u8>; BEHIND],
    /// The first byte of the character before.
    pub character: Option<u8>,
    /// The text from there on; at least one byte.
    pub text: &'a [u8],
}

impl<'a> Spot<'a> {
    /// A place with what stands before it, and the text from there on.
    #[inline]
    pub fn new(past: Past<'_>, text: &'a [u8]) -> Spot<'a> {
        let behind = std::array::from_fn(|back| past.back(back));
        let character = past.reversed().find(|byte| !is_continuation(*byte));
        Spot { behind, character, text }
    }
}

/// A machine that begins, for [`Gates::new`].
pub(super) struct Beginning<'r> {
    /// Its number.
    pub machine: usize,
    /// Its rules, which share `not_after` and context.
    pub rules: Vec<&'r Rule>,
    /// Whether it begins in each direction.
    pub on: [bool; 2],
}

/// The conditions of all machines.
#[derive(Debug, Default)]
pub(super) struct Gates(Vec<Gate>);

impl Gates {
    /// Takes in what begins; `machines` and `befores` are all there are.
    pub fn new<'r>(
        beginnings: impl Iterator<Item = Beginning<'r>>,
        machines: &[Machine],
        befores: &[Before],
    ) -> Gates {
        let mut gates: Vec<Gate> =
            (0..machines.len()).step_by(TOGETHER).map(|first| Gate::new(first, befores.len())).collect();
        for beginning in beginnings {
            let machine = &machines[beginning.machine];
            let before = machine.before.map(|number| (number, &befores[usize::from(number)]));
            gates[beginning.machine / TOGETHER].add(&beginning, machine.bits, before);
        }
        Gates(gates)
    }

    /// One gate for each so many machines.
    pub fn all(&self) -> &[Gate] {
        &self.0
    }

    /// Heap bytes.
    pub fn memory(&self) -> usize {
        let gate = |gate: &Gate| {
            size_of_val(&*gate.ahead)
                + size_of_val(&*gate.behind)
                + size_of_val(&*gate.boundary)
                + size_of_val(&*gate.bits)
                + gate.contexts.len() * size_of::<Crowd>()
        };
        self.0.iter().map(gate).sum()
    }
}

impl Gate {
    fn new(first: usize, contexts: usize) -> Gate {
        Gate {
            first,
            ahead: table(),
            behind: table(),
            boundary: Box::new([Crowd::NONE; 257]),
            words: Crowd::NONE,
            begin: [[Crowd::NONE; 2]; 2],
            bits: table(),
            anchored: Crowd::NONE,
            reach: 0,
            waiting: Crowd::NONE,
            contexts: vec![Crowd::NONE; contexts],
        }
    }

    fn add(&mut self, beginning: &Beginning<'_>, bits: [u64; 2], before: Option<(u16, &Before)>) {
        let place = beginning.machine - self.first;
        let first = beginning.rules[0];
        for (table, set) in self.behind.iter_mut().zip(&Lead::behind(first.before.as_deref())) {
            (0..=Set::NONE).filter(|value| set.has(*value)).for_each(|value| table[value].add(place));
        }
        let refused =
            |value: usize| value != Set::NONE && !is_continuation(value as u8) && first.not_after[value];
        (0..=Set::NONE).filter(|value| !refused(*value)).for_each(|value| self.boundary[value].add(place));
        for rule in &beginning.rules {
            for (table, set) in self.ahead.iter_mut().zip(&Lead::ahead::<FAR>(rule)) {
                (0..256).filter(|byte| set.has(*byte)).for_each(|byte| table[byte].add(place));
            }
        }
        if let Matcher::Words { .. } = first.matcher {
            self.words.add(place);
        }
        let inside = beginning.rules.iter().any(|rule| rule.counts_inside());
        for direction in (0..2).filter(|direction| beginning.on[*direction]) {
            self.begin[0][direction].add(place);
            if inside {
                self.begin[1][direction].add(place);
            }
            let has = |bit: &usize| bits[direction] >> bit & 1 == 1;
            (0..BITS).filter(has).for_each(|bit| self.bits[direction][bit].add(place));
        }
        let Some((number, before)) = before else { return };
        if let Some(reach) = before.anchored {
            self.anchored.add(place);
            self.reach = self.reach.max(reach);
        }
        if !before.needed.is_empty() {
            self.waiting.add(place);
            self.contexts[usize::from(number)].add(place);
        }
    }

    /// The number of a machine.
    #[inline(always)]
    pub fn number(&self, place: usize) -> u16 {
        (self.first + place) as u16
    }

    /// Those that begin in a direction.
    pub fn begin(&self, direction: usize, inner: bool) -> Crowd {
        self.begin[usize::from(inner)][direction]
    }

    /// Those of the filter's `bits`.
    #[inline]
    pub fn of(&self, direction: usize, inner: bool, mut bits: u64) -> Crowd {
        let mut some = Crowd::NONE;
        while bits != 0 {
            some = some.or(&self.bits[direction][bits.trailing_zeros() as usize]);
            bits &= bits - 1;
        }
        some.and(&self.begin(direction, inner))
    }

    /// Those of `some` that may begin at a place.
    #[inline]
    pub fn admit(&self, mut some: Crowd, spot: Spot<'_>) -> Crowd {
        let value = |byte: Option<u8>| byte.map_or(Set::NONE, usize::from);
        for (table, byte) in self.behind.iter().zip(spot.behind) {
            some = some.and(&table[value(byte)]);
        }
        let boundary = self.boundary[value(spot.character)];
        let boundary = if spot.text[0] >= UNSPACED { boundary.or(&self.words) } else { boundary };
        some = some.and(&boundary);
        for (table, byte) in self.ahead.iter().zip(spot.text) {
            if some.is_empty() {
                break;
            }
            some = some.and(&table[usize::from(*byte)]);
        }
        some
    }

    /// Leaves out those whose contexts cannot stand before the place `at` of a channel: `armed` are the contexts whose
    /// words are near.
    #[inline]
    pub fn near(&self, mut some: Crowd, at: u64, armed: impl Iterator<Item = u16>) -> Crowd {
        if at > self.reach {
            some = some.without(&self.anchored);
        }
        if !some.and(&self.waiting).is_empty() {
            let open = armed.fold(Crowd::NONE, |open, context| open.or(&self.contexts[usize::from(context)]));
            some = some.and(&open.or(&Crowd::ALL.without(&self.waiting)));
        }
        some
    }
}

fn table<const VALUES: usize, const PLACES: usize>() -> Box<[[Crowd; VALUES]; PLACES]> {
    let rows = vec![[Crowd::NONE; VALUES]; PLACES].into_boxed_slice();
    rows.try_into().unwrap_or_else(|_| unreachable!("as many rows as asked for"))
}
