//! Check digits and issued ranges of numbers that stand for people and their money.

/// The decimal digits of a value, whatever stands between them.
pub fn digits(value: &[u8]) -> impl DoubleEndedIterator<Item = u32> + Clone + '_ {
    value.iter().filter(|byte| byte.is_ascii_digit()).map(|byte| u32::from(byte - b'0'))
}

/// ISO/IEC 7812-1, annex B; digits that are all equal do not count.
pub fn luhn(value: &[u8]) -> bool {
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

/// ISO 13616.
pub fn iban(value: &[u8]) -> bool {
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

/// A US social security number as issued.
pub fn ssn(value: &[u8]) -> bool {
    let number = digits(value).fold(0u32, |number, digit| number.wrapping_mul(10).wrapping_add(digit));
    let (area, group, serial) = (number / 1_000_000, number / 10_000 % 100, number % 10_000);
    digits(value).count() == 9 && area != 0 && area != 666 && area < 900 && group != 0 && serial != 0
}

/// GB 11643, ISO 7064 MOD 11-2.
pub fn gb11643(value: &[u8]) -> bool {
    let digit = |byte: &u8| match byte {
        b'X' | b'x' => 10,
        byte => u32::from(byte.wrapping_sub(b'0')),
    };
    // ISO 7064 MOD 11-2: each digit weighs 2 to the power of its place from the right.
    let sum = value.iter().fold(0u32, |sum, byte| (sum * 2 + digit(byte)) % 11);
    value.len() == 18 && sum == 1
}
