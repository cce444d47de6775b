//! What the check digits of many issuers are made of: digits picked out of a value, weighed sums, dates.

/// The decimal digits of a value, whatever stands between them.
pub fn digits(value: &[u8]) -> impl DoubleEndedIterator<Item = u32> + Clone + '_ {
    value.iter().filter(|byte| byte.is_ascii_digit()).map(|byte| u32::from(byte - b'0'))
}

/// The decimal digits of a value that has exactly `N`.
pub fn exactly<const N: usize>(value: &[u8]) -> Option<[u32; N]> {
    let mut all = digits(value);
    let mut picked = [0; N];
    for place in &mut picked {
        *place = all.next()?;
    }
    all.next().is_none().then_some(picked)
}

/// The ASCII letters, as capitals, and digits of a value that has exactly `N`.
pub fn symbols<const N: usize>(value: &[u8]) -> Option<[u8; N]> {
    let mut all = value.iter().filter(|byte| byte.is_ascii_alphanumeric());
    let mut picked = [0; N];
    for place in &mut picked {
        *place = all.next()?.to_ascii_uppercase();
    }
    all.next().is_none().then_some(picked)
}

/// The value of a letter or digit in base 36; letters count from ten.
pub fn base36(symbol: u8) -> u32 {
    char::from(symbol).to_digit(36).unwrap_or(0)
}

/// Each digit times its weight, summed; digits beyond the weights do not count.
pub fn weigh(digits: &[u32], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| digit * weight).sum()
}

/// The digits as one number. At most 19 digits fit.
pub fn number(digits: &[u32]) -> u64 {
    digits.iter().fold(0u64, |number, digit| number.wrapping_mul(10).wrapping_add(u64::from(*digit)))
}

/// Whether not all digits are equal; such numbers pass many checksums and are nobody's.
pub fn varied(digits: &[u32]) -> bool {
    digits.windows(2).any(|pair| pair[0] != pair[1])
}

/// The Luhn checksum over digits that end with the check digit (ISO/IEC 7812-1, annex B).
pub fn luhn(digits: impl DoubleEndedIterator<Item = u32>) -> bool {
    let doubled = |digit: u32| digit * 2 - if digit > 4 { 9 } else { 0 };
    let weighed = digits.rev().enumerate().map(|(place, digit)| match place % 2 {
        0 => digit,
        _ => doubled(digit),
    });
    weighed.sum::<u32>().is_multiple_of(10)
}

/// ISO 7064 MOD 11,10 over digits that end with the check digit.
pub fn mod_11_10(digits: &[u32]) -> bool {
    let Some((last, rest)) = digits.split_last() else { return false };
    let product = rest.iter().fold(10, |product, digit| {
        let sum = (digit + product) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    (product + last) % 10 == 1
}

/// The Verhoeff checksum over digits that end with the check digit (the dihedral group of order ten).
pub fn verhoeff(digits: &[u32]) -> bool {
    /// The permutation that is applied once more at each place from the right.
    const TURN: [u32; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let compose = |left: u32, right: u32| match (left < 5, right < 5) {
        (true, true) => (left + right) % 5,
        (true, false) => 5 + (left + right - 5) % 5,
        (false, true) => 5 + (left - right) % 5,
        (false, false) => (left + 5 - right) % 5,
    };
    let turned = |digit: u32, times: usize| (0..times % 8).fold(digit, |digit, _| TURN[digit as usize % 10]);
    let sum =
        digits.iter().rev().enumerate().fold(0, |sum, (place, digit)| compose(sum, turned(*digit, place)));
    sum == 0
}

/// Whether there is such a day; 29 February counts in every year, as the century often is not known.
pub fn is_day(month: u32, day: u32) -> bool {
    let days = match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day)
}

/// Whether the digits at `at` are a month and a day.
pub fn is_month_day(digits: &[u32], at: usize) -> bool {
    matches!(digits.get(at..at + 4), Some([a, b, c, d]) if is_day(a * 10 + b, c * 10 + d))
}

/// Whether the digits at `at` are a day and a month.
pub fn is_day_month(digits: &[u32], at: usize) -> bool {
    matches!(digits.get(at..at + 4), Some([a, b, c, d]) if is_day(c * 10 + d, a * 10 + b))
}
