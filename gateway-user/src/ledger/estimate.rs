//! Token counts from text lengths, for what is charged before the provider has counted.
//!
//! The estimate is four bytes of UTF-8 to a token, which is near the truth for English prose and high for most code.
//! It stands only until the provider reports usage, or for good where a stream ends without a report; what was
//! settled on it is marked as estimated.

/// Bytes of text taken as one token.
pub const BYTES_PER_TOKEN: u64 = 4;

/// Tokens in a text of `bytes` bytes: a quarter, rounded up; none for none.
pub fn tokens(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(BYTES_PER_TOKEN)
}

/// Input tokens of a request body of `bytes` bytes.
///
/// Counted over the whole body, JSON and base64 included, so it errs on the side of setting too much aside.
pub fn input_tokens(bytes: usize) -> u64 {
    tokens(bytes)
}

/// The running count of one reply: a quarter of its bytes, and at least one token for each delta with text.
///
/// Rounding each delta by itself would count short deltas, the usual ones, nearly twice.
#[derive(Clone, Copy, Debug, Default)]
pub struct Running {
    bytes: u64,
    deltas: u64,
    counted: u64,
}

impl Running {
    /// Takes a delta of `bytes` bytes and returns by how many tokens the count grew, to be drawn.
    pub fn delta(&mut self, bytes: usize) -> u64 {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        self.deltas += u64::from(bytes > 0);
        let now = self.bytes.div_ceil(BYTES_PER_TOKEN).max(self.deltas);
        let grown = now - self.counted;
        self.counted = now;
        grown
    }

    /// All tokens counted so far.
    pub fn tokens(&self) -> u64 {
        self.counted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_round_up() {
        for (bytes, expected) in [(0, 0), (1, 1), (4, 1), (5, 2), (400, 100)] {
            assert_eq!(tokens(bytes), expected, "{bytes}");
        }
    }

    #[test]
    fn the_running_count_is_the_sum_of_its_steps_however_the_text_is_cut() {
        for (deltas, expected) in [
            (vec![5; 10], 13),
            (vec![1; 10], 10),
            (vec![0, 0], 0),
            (vec![400], 100),
            (vec![1, 400, 0, 1], 101),
        ] {
            let mut running = Running::default();
            let steps: u64 = deltas.iter().map(|&bytes| running.delta(bytes)).sum();
            assert_eq!((steps, running.tokens()), (expected, expected), "{deltas:?}");
        }
    }
}
