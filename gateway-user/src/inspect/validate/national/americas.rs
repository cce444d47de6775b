//! Numbers issued in North and South America.

use crate::inspect::validate::Check;
use crate::inspect::validate::digits::{base36, digits, exactly, luhn, number, symbols, varied, weigh};

/// The checks of this region.
pub const CHECKS: &[Check] = &[
    Check("ssn", ssn),
    Check("us_itin", us_itin),
    Check("us_npi", us_npi),
    Check("us_dea", us_dea),
    Check("ca_sin", ca_sin),
    Check("mx_curp", mx_curp),
    Check("mx_rfc", mx_rfc),
    Check("br_cpf", br_cpf),
    Check("br_cnpj", br_cnpj),
    Check("ar_cuit", ar_cuit),
    Check("cl_rut", cl_rut),
    Check("pe_ruc", pe_ruc),
    Check("ec_cedula", ec_cedula),
];

/// Social security number of the United States: area not 000, 666 or 9xx, group not 00, serial not 0000 (Social
/// Security Administration), and none of the two that advertisements made invalid.
fn ssn(value: &[u8]) -> bool {
    const ADVERTISED: [u64; 2] = [78_051_120, 219_099_999];
    exactly::<9>(value).is_some_and(|digits| {
        let number = number(&digits);
        let (area, group, serial) = (number / 1_000_000, number / 10_000 % 100, number % 10_000);
        let issued = area != 0 && area != 666 && area < 900 && group != 0 && serial != 0;
        issued && varied(&digits) && !ADVERTISED.contains(&number)
    })
}

/// Individual taxpayer number of the United States: 9xx and the groups that the IRS has opened.
fn us_itin(value: &[u8]) -> bool {
    exactly::<9>(value).is_some_and(|digits| {
        let group = digits[3] * 10 + digits[4];
        digits[0] == 9 && matches!(group, 50..=65 | 70..=88 | 90..=92 | 94..=99)
    })
}

/// National provider identifier: Luhn over the number behind 80840 (CMS).
fn us_npi(value: &[u8]) -> bool {
    exactly::<10>(value)
        .is_some_and(|all| matches!(all[0], 1 | 2) && luhn([8, 0, 8, 4, 0].into_iter().chain(all)))
}

/// Registration of the Drug Enforcement Administration: the last digit of the odd places plus twice the even ones.
fn us_dea(value: &[u8]) -> bool {
    symbols::<9>(value).is_some() && {
        let tail = &value[value.len().saturating_sub(7)..];
        exactly::<7>(tail)
            .is_some_and(|all| weigh(&all[..6], &[1, 2, 1, 2, 1, 2]) % 10 == all[6] && varied(&all))
    }
}

/// Social insurance number of Canada: Luhn; 8 is not issued.
fn ca_sin(value: &[u8]) -> bool {
    exactly::<9>(value).is_some_and(|all| all[0] != 8 && varied(&all) && luhn(all.into_iter()))
}

/// The place of a symbol in the alphabet of Mexico's keys, in which Ñ stands behind N.
fn spanish(symbol: u8) -> u32 {
    base36(symbol) + u32::from(symbol > b'N')
}

/// Population registry key of Mexico: the last digit makes the weighed sum a multiple of ten (RENAPO).
fn mx_curp(value: &[u8]) -> bool {
    symbols::<18>(value).is_some_and(|all| {
        let sum: u32 =
            all[..17].iter().zip((2..=18).rev()).map(|(symbol, weight)| spanish(*symbol) * weight).sum();
        all[17].is_ascii_digit() && (sum + base36(all[17])).is_multiple_of(10)
    })
}

/// Taxpayer key of a person in Mexico, thirteen symbols: MOD 11, A for ten (SAT).
fn mx_rfc(value: &[u8]) -> bool {
    symbols::<13>(value).is_some_and(|all| {
        let sum: u32 =
            all[..12].iter().zip((2..=13).rev()).map(|(symbol, weight)| spanish(*symbol) * weight).sum();
        let check = (11 - sum % 11) % 11;
        all[12] == b"0123456789A"[check as usize]
    })
}

/// MOD 11 as Brazil's revenue office does it: a remainder under two gives 0.
fn brazil(digits: &[u32], weights: &[u32]) -> u32 {
    match weigh(digits, weights) % 11 {
        0 | 1 => 0,
        rest => 11 - rest,
    }
}

/// Taxpayer number of a person in Brazil.
fn br_cpf(value: &[u8]) -> bool {
    const WEIGHTS: [u32; 10] = [11, 10, 9, 8, 7, 6, 5, 4, 3, 2];
    exactly::<11>(value).is_some_and(|all| {
        varied(&all) && brazil(&all[..9], &WEIGHTS[1..]) == all[9] && brazil(&all[..10], &WEIGHTS) == all[10]
    })
}

/// Taxpayer number of a firm in Brazil.
fn br_cnpj(value: &[u8]) -> bool {
    const WEIGHTS: [u32; 13] = [6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2];
    exactly::<14>(value).is_some_and(|all| {
        varied(&all)
            && brazil(&all[..12], &WEIGHTS[1..]) == all[12]
            && brazil(&all[..13], &WEIGHTS) == all[13]
    })
}

/// Taxpayer number of Argentina: MOD 11, nine for ten.
fn ar_cuit(value: &[u8]) -> bool {
    exactly::<11>(value).is_some_and(|all| {
        let check = match 11 - weigh(&all, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11 {
            11 => 0,
            10 => 9,
            check => check,
        };
        matches!(all[0] * 10 + all[1], 20 | 23 | 24 | 27 | 30 | 33 | 34) && check == all[10]
    })
}

/// Tax and identity number of Chile: MOD 11, K for ten.
fn cl_rut(value: &[u8]) -> bool {
    let Some((last, rest)) = value.split_last() else { return false };
    let sum: u32 = digits(rest).rev().zip([2, 3, 4, 5, 6, 7].into_iter().cycle()).map(|(a, b)| a * b).sum();
    let check = b"0123456789K"[((11 - sum % 11) % 11) as usize];
    (7..=8).contains(&digits(rest).count()) && last.to_ascii_uppercase() == check
}

/// Taxpayer number of Peru.
fn pe_ruc(value: &[u8]) -> bool {
    exactly::<11>(value).is_some_and(|all| {
        let check = (11 - weigh(&all, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11) % 10;
        matches!(all[0] * 10 + all[1], 10 | 15 | 16 | 17 | 20) && check == all[10]
    })
}

/// Identity number of Ecuador: province 01 to 24 or 30, third digit under six, Luhn.
fn ec_cedula(value: &[u8]) -> bool {
    exactly::<10>(value).is_some_and(|all| {
        matches!(all[0] * 10 + all[1], 1..=24 | 30) && all[2] < 6 && varied(&all) && luhn(all.into_iter())
    })
}
