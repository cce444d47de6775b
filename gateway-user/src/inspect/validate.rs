//! Checks on a matched value that a pattern cannot express: checksums, ranges, randomness.

/// A named check. A match counts only where all checks of its rule pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Validator {
    /// `luhn`: the digits pass the Luhn checksum (ISO/IEC 7812-1, annex B) and are not all equal.
    Luhn,
    /// `entropy N`: at least N bits of Shannon entropy per byte.
    Entropy(f32),
    /// `iban`: ISO 13616 check digits (remainder 1 modulo 97) and the country's length, where known.
    Iban,
    /// `ssn`: a US social security number as issued: area not 000, 666 or 9xx, group not 00, serial not 0000.
    Ssn,
    /// `digits MIN MAX`: as many decimal digits as that, whatever stands between them.
    Digits(u8, u8),
    /// `gb11643`: the check digit of a resident identity number of China (GB 11643, ISO 7064 MOD 11-2).
    Gb11643,
    /// `not_placeholder`: not an obvious stand-in (`EXAMPLE`, one character repeated, `your-…`).
    NotPlaceholder,
}

/// Names as rule files write them, for error messages.
pub const NAMES: &str = "luhn, entropy N, iban, ssn, digits MIN MAX, gb11643, not_placeholder";

impl Validator {
    /// Reads a name and its numbers; `None` for an unknown name or a number out of range (entropy: 0 to 8 bits).
    pub fn parse(text: &str) -> Option<Validator> {
        let words: Vec<&str> = text.split_whitespace().collect();
        match words[..] {
            ["luhn"] => Some(Validator::Luhn),
            ["iban"] => Some(Validator::Iban),
            ["ssn"] => Some(Validator::Ssn),
            ["gb11643"] => Some(Validator::Gb11643),
            ["not_placeholder"] => Some(Validator::NotPlaceholder),
            ["digits", least, most] => Some(Validator::Digits(least.parse().ok()?, most.parse().ok()?)),
            ["entropy", bits] => {
                let bits = bits.parse().ok().filter(|bits| (0.0..=8.0).contains(bits))?;
                Some(Validator::Entropy(bits))
            }
            _ => None,
        }
    }

    /// Whether `value` passes.
    pub fn passes(self, value: &[u8]) -> bool {
        match self {
            Validator::Luhn => luhn(value),
            Validator::Entropy(least) => entropy(value) >= least,
            Validator::Iban => iban(value),
            Validator::Ssn => ssn(value),
            Validator::Digits(least, most) => {
                (usize::from(least)..=usize::from(most)).contains(&digits(value).count())
            }
            Validator::Gb11643 => gb11643(value),
            Validator::NotPlaceholder => !placeholder(value),
        }
    }
}

fn digits(value: &[u8]) -> impl DoubleEndedIterator<Item = u32> + Clone + '_ {
    value.iter().filter(|byte| byte.is_ascii_digit()).map(|byte| u32::from(byte - b'0'))
}

fn luhn(value: &[u8]) -> bool {
    let sum: u32 = digits(value)
        .rev()
        .enumerate()
        .map(|(place, digit)| match place % 2 {
            0 => digit,
            _ => digit * 2 - if digit > 4 { 9 } else { 0 },
        })
        .sum();
    let first = digits(value).next();
    sum.is_multiple_of(10) && digits(value).any(|digit| Some(digit) != first)
}

fn entropy(value: &[u8]) -> f32 {
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

/// Lengths by country, ISO 13616 registry; a country not listed passes on its check digits alone.
const IBAN_LENGTHS: &[(&[u8; 2], usize)] = &[
    (b"AT", 20),
    (b"BE", 16),
    (b"CH", 21),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DK", 18),
    (b"ES", 24),
    (b"FI", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GR", 27),
    (b"HU", 28),
    (b"IE", 22),
    (b"IT", 27),
    (b"LU", 20),
    (b"NL", 18),
    (b"NO", 15),
    (b"PL", 28),
    (b"PT", 25),
    (b"RO", 24),
    (b"SE", 24),
    (b"TR", 26),
];

fn iban(value: &[u8]) -> bool {
    let plain: Vec<u8> = value.iter().filter(|byte| byte.is_ascii_alphanumeric()).copied().collect();
    if plain.len() < 15 || plain.len() > 34 {
        return false;
    }
    let known = IBAN_LENGTHS.iter().find(|(country, _)| plain.starts_with(*country));
    if known.is_some_and(|(_, length)| *length != plain.len()) {
        return false;
    }
    let remainder = plain[4..].iter().chain(&plain[..4]).fold(0u32, |remainder, byte| match byte {
        b'0'..=b'9' => (remainder * 10 + u32::from(byte - b'0')) % 97,
        _ => (remainder * 100 + u32::from(byte.to_ascii_uppercase() - b'A') + 10) % 97,
    });
    remainder == 1
}

fn ssn(value: &[u8]) -> bool {
    let number = digits(value).fold(0u32, |number, digit| number.wrapping_mul(10).wrapping_add(digit));
    let (area, group, serial) = (number / 1_000_000, number / 10_000 % 100, number % 10_000);
    digits(value).count() == 9 && area != 0 && area != 666 && area < 900 && group != 0 && serial != 0
}

fn gb11643(value: &[u8]) -> bool {
    let digit = |byte: &u8| match byte {
        b'X' | b'x' => 10,
        byte => u32::from(byte.wrapping_sub(b'0')),
    };
    // ISO 7064 MOD 11-2: each digit weighs 2 to the power of its place from the right.
    let sum = value.iter().fold(0u32, |sum, byte| (sum * 2 + digit(byte)) % 11);
    value.len() == 18 && sum == 1
}

/// Equal characters in a row that make a value a stand-in.
const REPEATED: usize = 7;

fn placeholder(value: &[u8]) -> bool {
    const WORDS: [&[u8]; 4] = [b"example", b"placeholder", b"your-", b"your_"];
    let lower = value.to_ascii_lowercase();
    WORDS.iter().any(|word| memchr::memmem::find(&lower, word).is_some())
        || lower.chunk_by(|left, right| left == right).any(|run| run.len() >= REPEATED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_strictly() {
        assert_eq!(Validator::parse("luhn"), Some(Validator::Luhn));
        assert_eq!(Validator::parse("entropy 3.5"), Some(Validator::Entropy(3.5)));
        for wrong in ["", "lun", "luhn 3", "entropy", "entropy x", "entropy 9", "entropy 3 4", "digits 3"] {
            assert_eq!(Validator::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn values_are_checked() {
        let cases: &[(&str, &str, bool)] = &[
            ("luhn", "4111 1111 1111 1111", true),
            ("luhn", "4111-1111-1111-1112", false),
            ("luhn", "0000000000000000", false),
            ("entropy 3", "aaaaaaaaaaaaaaaa", false),
            ("entropy 3", "q8Zt1LmX0vRk7PwY", true),
            ("iban", "DE89 3704 0044 0532 0130 00", true),
            ("iban", "DE89 3704 0044 0532 0130 01", false),
            ("iban", "GB82WEST12345698765432", true),
            ("iban", "GB82WEST1234569876543", false),
            ("ssn", "536-90-4399", true),
            ("ssn", "666-90-4399", false),
            ("ssn", "900-90-4399", false),
            ("ssn", "536-00-4399", false),
            ("ssn", "536-90-0000", false),
            ("digits 3 4", "1-2-3", true),
            ("digits 3 4", "1-2-3-4-5", false),
            ("gb11643", "11010519491231002X", true),
            ("gb11643", "110105194912310021", false),
            ("not_placeholder", "AKIAIOSFODNN7EXAMPLE", false),
            ("not_placeholder", "sk-xxxxxxxxxxxx", false),
            ("not_placeholder", "sk-9fK2mQ7x", true),
        ];
        for (name, value, expected) in cases {
            let validator = Validator::parse(name).expect("a known name");
            assert_eq!(validator.passes(value.as_bytes()), *expected, "{name} {value}");
        }
    }
}
