//! Numbers issued in the British Isles, France, the Benelux and the German-speaking countries.

use crate::inspect::validate::Check;
use crate::inspect::validate::digits::{
    digits, exactly, is_day_month, luhn, mod_11_10, number, symbols, varied, verhoeff, weigh,
};

/// The checks of this region.
pub const CHECKS: &[Check] = &[
    Check("uk_nhs", uk_nhs),
    Check("uk_nino", uk_nino),
    Check("uk_utr", uk_utr),
    Check("ie_pps", ie_pps),
    Check("fr_nir", fr_nir),
    Check("fr_spi", fr_spi),
    Check("siren", siren),
    Check("be_nn", be_nn),
    Check("nl_bsn", nl_bsn),
    Check("lu_nin", lu_nin),
    Check("de_tax_id", de_tax_id),
    Check("de_tax_id_strict", de_tax_id_strict),
    Check("de_svnr", de_svnr),
    Check("de_kvnr", de_kvnr),
    Check("de_lanr", de_lanr),
    Check("mod_11_10", |value| mod_11_10(&digits(value).collect::<Vec<_>>())),
    Check("at_svnr", at_svnr),
    Check("ch_ahv", ch_ahv),
];

/// National Health Service number of England and Wales: MOD 11, ten is not issued.
fn uk_nhs(value: &[u8]) -> bool {
    exactly::<10>(value).is_some_and(|all| {
        varied(&all) && (11 - weigh(&all, &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11) % 11 == all[9]
    })
}

/// National insurance number of the United Kingdom: prefixes that are not administered are refused (HMRC).
fn uk_nino(value: &[u8]) -> bool {
    symbols::<9>(value).is_some_and(|all| {
        let allowed = |letter: u8| letter.is_ascii_uppercase() && !b"DFIQUV".contains(&letter);
        let reserved = [*b"BG", *b"GB", *b"NK", *b"KN", *b"TN", *b"NT", *b"ZZ"];
        allowed(all[0]) && allowed(all[1]) && all[1] != b'O' && !reserved.contains(&[all[0], all[1]])
    })
}

/// Unique taxpayer reference of the United Kingdom: the first digit checks the others.
fn uk_utr(value: &[u8]) -> bool {
    exactly::<10>(value).is_some_and(|all| {
        let rest = weigh(&all[1..], &[6, 7, 8, 9, 10, 5, 4, 3, 2]) % 11;
        varied(&all) && all[0] == [2, 1, 9, 8, 7, 6, 5, 4, 3, 2, 1][rest as usize]
    })
}

/// Personal public service number of Ireland: MOD 23 with a letter, a second letter counts nine times.
fn ie_pps(value: &[u8]) -> bool {
    let one = symbols::<8>(value).map(|all| std::array::from_fn(|place| *all.get(place).unwrap_or(&b'W')));
    let (Some(all), Some(digits)) = (symbols::<9>(value).or(one), exactly::<7>(value)) else { return false };
    let letter = |symbol: u8| if symbol == b'W' { 0 } else { u32::from(symbol.wrapping_sub(b'A')) + 1 };
    let sum = weigh(&digits, &[8, 7, 6, 5, 4, 3, 2]) + letter(all[8]) * 9;
    all[8].is_ascii_uppercase() && all[7] == b"WABCDEFGHIJKLMNOPQRSTUV"[(sum % 23) as usize]
}

/// Social security number of France: the key is 97 less the remainder; Corsica's 2A and 2B count as 19 and 18.
fn fr_nir(value: &[u8]) -> bool {
    symbols::<15>(value).is_some_and(|mut all| {
        if let [b'2', letter @ (b'A' | b'B')] = [all[5], all[6]] {
            [all[5], all[6]] = if letter == b'A' { *b"19" } else { *b"18" };
        }
        exactly::<15>(&all).is_some_and(|all| 97 - number(&all[..13]) % 97 == number(&all[13..]))
    })
}

/// Tax number of a person in France: the last three digits are the others modulo 511.
fn fr_spi(value: &[u8]) -> bool {
    exactly::<13>(value).is_some_and(|all| all[0] < 4 && number(&all[..10]) % 511 == number(&all[10..]))
}

/// Register number of a firm in France (SIREN) or of its place (SIRET): Luhn.
fn siren(value: &[u8]) -> bool {
    let count = digits(value).count();
    (count == 9 || count == 14) && luhn(digits(value)) && digits(value).any(|digit| digit > 0)
}

/// National register number of Belgium: 97 less the remainder, with a 2 in front for those born from 2000 on.
fn be_nn(value: &[u8]) -> bool {
    exactly::<11>(value).is_some_and(|all| {
        let (body, check) = (number(&all[..9]), number(&all[9..]));
        varied(&all[..9]) && [body, body + 2_000_000_000].iter().any(|body| 97 - body % 97 == check)
    })
}

/// Citizen service number of the Netherlands: the eleven test.
fn nl_bsn(value: &[u8]) -> bool {
    exactly::<9>(value).is_some_and(|all| {
        let sum = weigh(&all, &[9, 8, 7, 6, 5, 4, 3, 2]);
        varied(&all) && sum % 11 == all[8] % 11
    })
}

/// Identification number of Luxembourg: a date, a Luhn digit and a Verhoeff digit over the first eleven.
fn lu_nin(value: &[u8]) -> bool {
    exactly::<13>(value).is_some_and(|all| {
        let mut last = all;
        last[11] = all[12];
        luhn(all[..12].iter().copied()) && verhoeff(&last[..12])
    })
}

/// Tax identification number of Germany: ISO 7064 MOD 11,10, no leading zero.
fn de_tax_id(value: &[u8]) -> bool {
    exactly::<11>(value).is_some_and(|all| all[0] != 0 && mod_11_10(&all))
}

/// The same, and of the first ten digits exactly one stands two or three times (Federal Central Tax Office).
fn de_tax_id_strict(value: &[u8]) -> bool {
    exactly::<11>(value).is_some_and(|all| {
        let times = |digit: u32| all[..10].iter().filter(|other| **other == digit).count();
        let repeated = (0..10).filter(|digit| times(*digit) > 1).count();
        de_tax_id(value) && repeated == 1 && (0..10).all(|digit| times(digit) <= 3)
    })
}

/// A letter as its two-digit place in the alphabet, between the digits before and behind it.
fn spelled<const N: usize>(all: &[u8], letter: usize) -> Option<[u32; N]> {
    let place =
        all.get(letter).filter(|symbol| symbol.is_ascii_uppercase()).map(|symbol| symbol - b'A' + 1)?;
    let mut text = all[..letter].to_vec();
    text.extend([b'0' + place / 10, b'0' + place % 10]);
    text.extend(&all[letter + 1..]);
    exactly::<N>(&text)
}

/// Weighed digits, each product as the sum of its digits.
fn cross_sums(digits: &[u32], weights: &[u32]) -> u32 {
    digits
        .iter()
        .zip(weights)
        .map(|(digit, weight)| digit * weight)
        .map(|product| product / 10 + product % 10)
        .sum()
}

/// Pension insurance number of Germany: area, date of birth, letter, serial, check digit.
fn de_svnr(value: &[u8]) -> bool {
    const WEIGHTS: [u32; 12] = [2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1];
    symbols::<12>(value)
        .and_then(|all| spelled::<13>(&all, 8))
        .is_some_and(|all| is_day_month(&all, 2) && cross_sums(&all, &WEIGHTS) % 10 == all[12])
}

/// Health insurance number of Germany, the part that stays: a letter and nine digits.
fn de_kvnr(value: &[u8]) -> bool {
    symbols::<10>(value)
        .and_then(|all| spelled::<11>(&all, 0))
        .is_some_and(|all| cross_sums(&all, &[1, 2, 1, 2, 1, 2, 1, 2, 1, 2]) % 10 == all[10])
}

/// Number of a physician in Germany: the seventh digit checks, two digits of the specialty follow.
fn de_lanr(value: &[u8]) -> bool {
    exactly::<9>(value).is_some_and(|all| (10 - weigh(&all, &[4, 9, 4, 9, 4, 9]) % 10) % 10 == all[6])
}

/// Insurance number of Austria: the fourth digit checks, a date of birth follows.
fn at_svnr(value: &[u8]) -> bool {
    exactly::<10>(value).is_some_and(|all| {
        let born = is_day_month(&all, 4) || all[6] * 10 + all[7] > 12;
        all[0] != 0 && born && weigh(&all, &[3, 7, 9, 0, 5, 8, 4, 2, 1, 6]) % 11 == all[3]
    })
}

/// Insurance number of Switzerland: 756 and an EAN-13 check digit.
fn ch_ahv(value: &[u8]) -> bool {
    exactly::<13>(value).is_some_and(|all| {
        all[..3] == [7, 5, 6] && weigh(&all, &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]).is_multiple_of(10)
    })
}
