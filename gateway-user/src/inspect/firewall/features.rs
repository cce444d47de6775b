//! What the trained model sees of a segment: which n-grams of bytes stand in it, hashed into buckets.

/// Buckets are numbers of this many bits.
pub const BITS: u32 = 15;
/// How many buckets there are.
pub const BUCKETS: usize = 1 << BITS;
/// Lengths of the n-grams, bytes. Four bytes are most of an English word, six are two Chinese characters.
pub const ORDERS: [usize; 3] = [4, 6, 8];

const WORD: usize = 8;
/// Fibonacci hashing: 2^64 divided by the golden ratio.
const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;
/// Sets the bit that tells lower from upper case in ASCII letters; what it does to other bytes does no harm.
const CASELESS: u64 = 0x2020_2020_2020_2020;

/// Calls `visit` with each bucket that an n-gram of `segment` falls into, once; returns how many there are.
pub fn each(segment: &[u8], mut visit: impl FnMut(usize)) -> u32 {
    let mut seen = [0u64; BUCKETS / 64];
    let mut count = 0;
    let mut gram = |word: u64, order: usize| {
        let bucket = ((word << (64 - 8 * order)).wrapping_mul(MULTIPLIER) >> (64 - BITS)) as usize;
        let (place, bit) = (bucket / 64, 1 << (bucket % 64));
        if seen[place] & bit == 0 {
            seen[place] |= bit;
            count += 1;
            visit(bucket);
        }
    };
    for window in segment.windows(WORD) {
        let word = window.try_into().map_or(0, u64::from_le_bytes) | CASELESS;
        ORDERS.iter().for_each(|&order| gram(word, order));
    }
    // The last bytes begin only the shorter ones.
    for at in segment.len().saturating_sub(WORD - 1)..segment.len() {
        let rest = &segment[at..];
        let mut word = [0; WORD];
        word[..rest.len()].copy_from_slice(rest);
        let word = u64::from_le_bytes(word) | CASELESS;
        ORDERS.iter().filter(|&&order| order <= rest.len()).for_each(|&order| gram(word, order));
    }
    count
}
