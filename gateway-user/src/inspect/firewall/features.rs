//! What the trained model sees of a segment: which stretches of five bytes stand in it, hashed into buckets.

/// Buckets are numbers of this many bits.
pub const BITS: u32 = 15;
/// How many buckets there are.
pub const BUCKETS: usize = 1 << BITS;
/// Length of a stretch, bytes: most of an English word, or the best part of two Chinese characters. Several lengths
/// beside each other were no better in cross-validation, and cost their number.
pub const LENGTH: usize = 5;

const WORD: usize = 8;
/// Fibonacci hashing: 2^64 divided by the golden ratio.
const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;
/// Sets the bit that tells lower from upper case in ASCII letters; what it does to other bytes does no harm.
const CASELESS: u64 = 0x2020_2020_2020_2020;

/// Calls `visit` with each bucket that a stretch of `segment` falls into, once; returns how many there are.
pub fn each(segment: &[u8], mut visit: impl FnMut(usize)) -> u32 {
    let mut seen = [0u64; BUCKETS / 64];
    let mut count = 0;
    let mut stretch = |word: u64| {
        let word = (word | CASELESS) << (8 * (WORD - LENGTH));
        let bucket = (word.wrapping_mul(MULTIPLIER) >> (64 - BITS)) as usize;
        let (place, bit) = (bucket / 64, 1 << (bucket % 64));
        if seen[place] & bit == 0 {
            seen[place] |= bit;
            count += 1;
            visit(bucket);
        }
    };
    for window in segment.windows(WORD) {
        stretch(window.try_into().map_or(0, u64::from_le_bytes));
    }
    // The last stretches have fewer than eight bytes from their beginning on.
    let ends = segment.len().saturating_sub(LENGTH - 1);
    for at in segment.len().saturating_sub(WORD - 1)..ends {
        let mut word = [0; WORD];
        word[..segment.len() - at].copy_from_slice(&segment[at..]);
        stretch(u64::from_le_bytes(word));
    }
    count
}
