//! Checks on the look of a text: how random it is, and whether it is a stand-in.

/// Shannon entropy in bits per byte.
pub fn entropy(value: &[u8]) -> f32 {
    let mut counts = [0u16; 256];
    for byte in value {
        counts[usize::from(*byte)] = counts[usize::from(*byte)].saturating_add(1);
    }
    let length = value.len() as f32;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| {
            let share = f32::from(*count) / length;
            -share * share.log2()
        })
        .sum()
}

/// Equal characters in a row that make a value a stand-in.
const REPEATED: usize = 7;

/// Whether a value is an obvious stand-in.
pub fn placeholder(value: &[u8]) -> bool {
    const WORDS: [&[u8]; 4] = [b"example", b"placeholder", b"your-", b"your_"];
    let lower = value.to_ascii_lowercase();
    WORDS.iter().any(|word| memchr::memmem::find(&lower, word).is_some())
        || lower.chunk_by(|left, right| left == right).any(|run| run.len() >= REPEATED)
}
