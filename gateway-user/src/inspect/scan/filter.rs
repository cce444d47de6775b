//! Passes over text in which nothing can begin: a few table look-ups per byte, without a branch.
//!
//! Each bit stands for rules that begin alike. A bit that is set in the tables of all places around a byte says that
//! one of its rules may begin there; all else cannot begin a match. What is found so is looked at exactly.

use super::lead::{AHEAD, BEHIND, FAR, Lead, Set};

/// Bits there are.
const BITS: usize = 64;

/// Bytes looked at for one place, and places looked at in one go.
const AROUND: usize = BEHIND + AHEAD;
const STEP: usize = 4;

/// What stands at one place: a byte, [`Set::NONE`] before a text, or [`END`] behind it.
type Place = u16;
/// Behind the text at hand anything may follow, but nothing begins.
const END: Place = Set::NONE as u16 + 1;
/// As many as a table has entries; more than there are values, so that no index is checked.
const VALUES: usize = 512;

/// The tables of one direction.
#[derive(Debug)]
pub(super) struct Filter {
    /// By place ahead, and what stands there.
    ahead: Box<[[u64; VALUES]; AHEAD]>,
    /// By place behind, and what stands there.
    behind: Box<[[u64; VALUES]; BEHIND]>,
    /// By further place ahead, and the byte there: asked only where all of these agree.
    far: Box<[[u64; 256]; FAR - AHEAD]>,
}

/// What stands before a text, the nearest first.
pub(super) type Behind = [Place; BEHIND];

/// Nothing stands before.
pub(super) const START: Behind = [Set::NONE as Place; BEHIND];

impl Filter {
    /// Builds the tables; also returns the bit of each lead. Only leads of the same sort share a bit.
    pub fn new(leads: &[(Lead, Sort)], far: &[[Set; FAR]]) -> (Filter, Vec<u64>) {
        let mut clusters = Clusters::default();
        let mut order: Vec<usize> = (0..leads.len()).collect();
        let likely = |index: &usize| (leads[*index].1, likelihood(&leads[*index].0));
        order.sort_by(|left, right| {
            likely(right).partial_cmp(&likely(left)).expect("likelihoods are numbers")
        });
        let mut bits = vec![0; leads.len()];
        for index in order {
            bits[index] = 1 << clusters.take(&leads[index].0, leads[index].1);
        }
        let mut filter = Filter {
            ahead: Box::new([[0; VALUES]; AHEAD]),
            behind: Box::new([[0; VALUES]; BEHIND]),
            far: Box::new([[0; 256]; FAR - AHEAD]),
        };
        for (sets, bit) in far.iter().zip(&bits) {
            for (table, set) in filter.far.iter_mut().zip(&sets[AHEAD..]) {
                (0..256).filter(|byte| set.has(*byte)).for_each(|byte| table[byte] |= bit);
            }
        }
        filter.ahead[1..].iter_mut().for_each(|table| table[usize::from(END)] = u64::MAX);
        for (bit, cluster) in clusters.0.iter().enumerate() {
            for (table, set) in filter.ahead.iter_mut().zip(&cluster.lead.ahead) {
                (0..256).filter(|byte| set.has(*byte)).for_each(|byte| table[byte] |= 1 << bit);
            }
            for (table, set) in filter.behind.iter_mut().zip(&cluster.lead.behind) {
                (0..=Set::NONE).filter(|value| set.has(*value)).for_each(|value| table[value] |= 1 << bit);
            }
        }
        (filter, bits)
    }

    /// The first place in `at..end` where one of the bits `active` may begin, and those bits; or `end` and none. There
    /// are [`BEHIND`] bytes of text before `at`, and [`AHEAD`]` - 1` behind `end`.
    #[inline]
    pub fn find(&self, text: &[u8], at: usize, end: usize, active: u64) -> (usize, u64) {
        let mut at = at;
        loop {
            let (passed, bits) = self.pass(&text[at - BEHIND..end + AHEAD - 1], active);
            at += passed;
            if bits == 0 {
                return (at, 0);
            }
            let bits = self.beyond(&text[at..], bits);
            if bits != 0 {
                return (at, bits);
            }
            at += 1;
        }
    }

    /// Those of `bits` that may begin at the start of `text` by what stands farther on.
    #[inline]
    fn beyond(&self, text: &[u8], mut bits: u64) -> u64 {
        for (table, byte) in self.far.iter().zip(text.get(AHEAD..).unwrap_or_default()) {
            bits &= table[usize::from(*byte)];
            if bits == 0 {
                break;
            }
        }
        bits
    }

    /// The places of an edge where anything may begin, as bits from the lowest on.
    #[inline]
    pub fn places(&self, edge: &Edge) -> u64 {
        let mut places = 0;
        for place in 0..edge.length {
            places |= u64::from(self.around(&edge.values, place) != 0) << place;
        }
        places
    }

    /// The bits of what may begin at one place of an edge.
    #[inline]
    pub fn at(&self, edge: &Edge, place: usize) -> u64 {
        self.around(&edge.values, place)
    }

    /// As [`Filter::find`], from the third byte of `text` to the fourth before its end; returns how many places it passed.
    #[inline(always)]
    fn pass(&self, text: &[u8], active: u64) -> (usize, u64) {
        let places = text.len() - (AROUND - 1);
        let mut at = 0;
        // Several at once: one branch for all, and nothing waits for anything.
        while let Some(window) = text[at..].first_chunk::<{ AROUND + STEP - 1 }>() {
            let bits: [u64; STEP] = std::array::from_fn(|place| self.around(window, place));
            if bits.iter().fold(0, |all, bits| all | bits) & active != 0 {
                break;
            }
            at += STEP;
        }
        while at < places {
            let window =
                text[at..].first_chunk::<AROUND>().expect("there is a byte on each side of each place");
            let bits = self.around(window, 0) & active;
            if bits != 0 {
                return (at, bits);
            }
            at += 1;
        }
        (at, 0)
    }

    #[inline(always)]
    fn around<P: Copy + Into<usize>>(&self, window: &[P], place: usize) -> u64 {
        let value = |away: usize| Into::<usize>::into(window[place + away]) % VALUES;
        self.behind[1][value(0)]
            & self.behind[0][value(1)]
            & self.ahead[0][value(2)]
            & self.ahead[1][value(3)]
            & self.ahead[2][value(4)]
            & self.ahead[3][value(5)]
    }

    /// What stands before the text that follows `text`.
    pub fn behind(text: &[u8], before: Behind) -> Behind {
        std::array::from_fn(|place| match text.len().checked_sub(place + 1) {
            Some(last) => Place::from(text[last]),
            None => before[place - text.len()],
        })
    }

    /// Bytes of the tables.
    pub fn memory(&self) -> usize {
        size_of_val(&*self.ahead) + size_of_val(&*self.behind) + size_of_val(&*self.far)
    }
}

/// Places of one edge at most.
pub(super) const EDGE: usize = 64;

/// A short piece of text with what stands on both sides of it.
pub(super) struct Edge {
    values: [Place; EDGE + AROUND - 1],
    length: usize,
}

impl Edge {
    /// The places of `text` from `at` on, as many as fit; `behind` stands before the text, and after it anything may.
    #[inline]
    pub fn new(text: &[u8], at: usize, behind: Behind) -> Edge {
        let length = (text.len() - at).min(EDGE);
        let mut values = [END; EDGE + AROUND - 1];
        (values[1], values[0]) = match at {
            0 => (behind[0], behind[1]),
            1 => (Place::from(text[0]), behind[0]),
            _ => (Place::from(text[at - 1]), Place::from(text[at - 2])),
        };
        for (value, byte) in values[BEHIND..].iter_mut().zip(&text[at..]) {
            *value = Place::from(*byte);
        }
        Edge { values, length }
    }

    /// Its places.
    pub fn length(&self) -> usize {
        self.length
    }
}

/// Leads that share a bit.
struct Cluster {
    lead: Lead,
    likelihood: f32,
    sort: Sort,
}

/// When the rules of a lead may begin. Higher ones get their bits first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sort {
    /// Wherever the lead stands.
    Free,
    /// Behind a word of their contexts.
    Armed,
    /// Where a byte they need is near: each has a bit of its own.
    Apart,
}

/// Bits of leads that wait for words, at most.
const ARMED: usize = 24;

#[derive(Default)]
struct Clusters(Vec<Cluster>);

impl Clusters {
    /// Takes in a lead; returns its cluster.
    fn take(&mut self, lead: &Lead, sort: Sort) -> usize {
        let alike = |cluster: &Cluster| sort != Sort::Apart && cluster.sort == sort;
        if let Some(same) = self.0.iter().position(|cluster| alike(cluster) && cluster.lead == *lead) {
            return same;
        }
        let full = self.0.len() == BITS
            || sort == Sort::Armed && self.0.iter().filter(|it| alike(it)).count() == ARMED;
        if !full {
            self.0.push(Cluster { lead: *lead, likelihood: likelihood(lead), sort });
            return self.0.len() - 1;
        }
        // The one that lets through the least more.
        let more = |cluster: &Cluster| likelihood(&cluster.lead.union(lead)) - cluster.likelihood;
        let open = self.0.iter().enumerate().filter(|(_, cluster)| alike(cluster));
        let least = open
            .map(|(place, cluster)| (more(cluster), place))
            .min_by(|left, right| left.0.total_cmp(&right.0));
        let place = least.map_or(0, |(_, place)| place);
        let united = self.0[place].lead.union(lead);
        self.0[place] = Cluster { lead: united, likelihood: likelihood(&united), sort };
        place
    }
}

/// How often a lead is seen at a place of ordinary text, about.
pub(super) fn likelihood(lead: &Lead) -> f32 {
    let share = |set: &Set| (0..256).filter(|byte| set.has(*byte)).map(|byte| SHARES[byte]).sum::<f32>();
    lead.ahead.iter().chain(&lead.behind).map(share).product()
}

/// How often each byte is seen in ordinary text, about: letters and spaces often, digits less, the rest seldom.
const SHARES: [f32; 256] = shares();

const fn shares() -> [f32; 256] {
    let mut shares = [0.001; 256];
    let mut byte = 0;
    while byte < 256 {
        shares[byte] = match byte as u8 {
            b' ' => 0.15,
            b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' => 0.06,
            b'a'..=b'z' => 0.02,
            b'0'..=b'9' => 0.006,
            b'A'..=b'Z' => 0.003,
            b'.' | b',' | b'"' | b'\n' | b'_' | b'-' | b'=' | b':' => 0.006,
            _ => 0.001,
        };
        byte += 1;
    }
    shares
}
