//! Every input that is kept, given to its target: seeds, and what once broke something.

use std::fs;
use std::path::Path;

/// A small generator of numbers, the same on every run (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

/// Mutations tried of each seed.
const MUTATIONS: usize = 40;

#[test]
fn kept_inputs_and_mutations_of_them_break_nothing() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("inputs");
    for (name, target) in gateway_fuzz::TARGETS {
        let inputs = fs::read_dir(folder.join(name)).unwrap_or_else(|error| panic!("inputs/{name}: {error}"));
        let inputs: Vec<Vec<u8>> =
            inputs.map(|entry| fs::read(entry.expect("a file").path()).expect("it can be read")).collect();
        assert!(!inputs.is_empty(), "inputs/{name} is empty");
        let mut random = Random(0x9E37_79B9_7F4A_7C15);
        for input in &inputs {
            target(input);
            for _ in 0..MUTATIONS {
                target(&mutated(input, &inputs, &mut random));
            }
        }
    }
}

/// An input with a few bytes changed, cut out, doubled, or taken from another one.
fn mutated(input: &[u8], others: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        match random.below(4) {
            0 if at < bytes.len() => bytes[at] = random.below(256) as u8,
            1 => bytes.truncate(at),
            2 => bytes.extend_from_within(at..),
            _ => {
                let other = &others[random.below(others.len())];
                let from = random.below(other.len() + 1);
                bytes.splice(at..at, other[from..].iter().take(64).copied());
            }
        }
    }
    bytes
}
