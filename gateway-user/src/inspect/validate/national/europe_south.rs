//! Numbers issued in Spain, Portugal, Italy, Greece, and the countries of the former Yugoslavia.

use crate::inspect::validate::Check;
use crate::inspect::validate::digits::{
    base36, exactly, is_day_month, luhn, mod_11_10, number, symbols, varied, weigh,
};

/// The checks of this region.
pub const CHECKS: &[Check] = &[
    Check("es_nif", es_nif),
    Check("es_cif", es_cif),
    Check("pt_nif", pt_nif),
    Check("it_fiscal_code", it_fiscal_code),
    Check("it_vat", it_vat),
    Check("gr_afm", gr_afm),
    Check("hr_oib", hr_oib),
    Check("jmbg", jmbg),
];

/// Identity number of Spain, for nationals (seven or eight digits) and foreigners (X, Y, Z): MOD 23 with a letter.
fn es_nif(value: &[u8]) -> bool {
    let mut all: Vec<u8> = value.iter().filter(|byte| byte.is_ascii_alphanumeric()).copied().collect();
    let Some(letter) = all.pop() else { return false };
    if let Some(first) = all.first_mut() {
        *first = match first.to_ascii_uppercase() {
            b'X' => b'0',
            b'Y' => b'1',
            b'Z' => b'2',
            digit => digit,
        };
    }
    let decimal = (7..=8).contains(&all.len()) && all.iter().all(u8::is_ascii_digit);
    let rest =
        all.iter().fold(0u64, |number, digit| (number * 10 + u64::from(digit.wrapping_sub(b'0'))) % 23);
    decimal && letter.to_ascii_uppercase() == b"TRWAGMYFPDXBNJZSQVHLCKE"[rest as usize]
}

/// Tax number of a firm in Spain: a letter, seven digits, and a digit or letter that checks.
fn es_cif(value: &[u8]) -> bool {
    let Some(all) = symbols::<9>(value) else { return false };
    let Some(digits) = exactly::<7>(&all[1..8]) else { return false };
    let odd = |digit: u32| digit * 2 / 10 + digit * 2 % 10;
    let sum =
        odd(digits[0]) + digits[1] + odd(digits[2]) + digits[3] + odd(digits[4]) + digits[5] + odd(digits[6]);
    let check = (10 - sum % 10) % 10;
    all[8] == b"0123456789"[check as usize] || all[8] == b"JABCDEFGHI"[check as usize]
}

/// Tax number of Portugal: MOD 11, first digit as issued.
fn pt_nif(value: &[u8]) -> bool {
    exactly::<9>(value).is_some_and(|all| {
        let check = match weigh(&all, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11 {
            0 | 1 => 0,
            rest => 11 - rest,
        };
        matches!(all[0], 1 | 2 | 3 | 5 | 6 | 8 | 9) && varied(&all) && check == all[8]
    })
}

/// Fiscal code of Italy: the last letter checks the others, odd places by a table (decree of 23 December 1976).
fn it_fiscal_code(value: &[u8]) -> bool {
    /// What a symbol on an odd place counts; a letter counts as the digit of its place in the alphabet.
    const ODD: [u32; 26] =
        [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    symbols::<16>(value).is_some_and(|all| {
        let place = |symbol: u8| match base36(symbol) {
            digit @ 0..=9 => digit,
            letter => letter - 10,
        };
        let sum: u32 = all[..15]
            .iter()
            .enumerate()
            .map(|(at, symbol)| match at % 2 {
                0 => ODD[place(*symbol) as usize],
                _ => place(*symbol),
            })
            .sum();
        u32::from(all[15]) == u32::from(b'A') + sum % 26
    })
}

/// Value added tax number of Italy: Luhn over eleven digits.
fn it_vat(value: &[u8]) -> bool {
    exactly::<11>(value).is_some_and(|all| varied(&all) && luhn(all.into_iter()))
}

/// Tax number of Greece: powers of two, MOD 11.
fn gr_afm(value: &[u8]) -> bool {
    exactly::<9>(value)
        .is_some_and(|all| varied(&all) && weigh(&all, &[256, 128, 64, 32, 16, 8, 4, 2]) % 11 % 10 == all[8])
}

/// Personal number of Croatia: ISO 7064 MOD 11,10.
fn hr_oib(value: &[u8]) -> bool {
    exactly::<11>(value).is_some_and(|all| varied(&all) && mod_11_10(&all))
}

/// Master citizen number of the former Yugoslavia (Slovenia: EMŠO): a date, MOD 11.
fn jmbg(value: &[u8]) -> bool {
    exactly::<13>(value).is_some_and(|all| {
        let check = (11 - weigh(&all, &[7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11) % 11;
        let year = number(&all[4..7]);
        is_day_month(&all, 0) && !(100..=850).contains(&year) && check == all[12]
    })
}
