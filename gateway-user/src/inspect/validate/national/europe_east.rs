//! Numbers issued in the east of Europe and in the countries of the former Soviet Union.

use crate::inspect::validate::Check;
use crate::inspect::validate::digits::{exactly, is_day, is_month_day, number, varied, weigh};

/// The checks of this region.
pub const CHECKS: &[Check] = &[
    Check("pl_pesel", pl_pesel),
    Check("pl_nip", pl_nip),
    Check("cz_rodne_cislo", cz_rodne_cislo),
    Check("hu_tax_id", hu_tax_id),
    Check("ro_cnp", ro_cnp),
    Check("bg_egn", bg_egn),
    Check("ua_rntrc", ua_rntrc),
    Check("ru_inn", ru_inn),
    Check("ru_snils", ru_snils),
    Check("kz_iin", kz_iin),
];

/// Year, month and day of two digits each, where the month carries a century in its tens.
fn born(digits: &[u32], offsets: &[u32]) -> bool {
    let month = digits[2] * 10 + digits[3];
    offsets.iter().any(|offset| is_day(month.wrapping_sub(*offset), digits[4] * 10 + digits[5]))
}

/// Personal number of Poland: a date and MOD 10.
fn pl_pesel(value: &[u8]) -> bool {
    exactly::<11>(value).is_some_and(|all| {
        let sum = weigh(&all, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3]) + all[10];
        born(&all, &[0, 20, 40, 60, 80]) && sum.is_multiple_of(10)
    })
}

/// Tax number of Poland: MOD 11, ten is not issued.
fn pl_nip(value: &[u8]) -> bool {
    exactly::<10>(value)
        .is_some_and(|all| varied(&all) && weigh(&all, &[6, 5, 7, 2, 3, 4, 5, 6, 7]) % 11 == all[9])
}

/// Birth number of Czechia and Slovakia: a date, a multiple of 11 (a remainder of ten is written 0).
fn cz_rodne_cislo(value: &[u8]) -> bool {
    exactly::<10>(value).is_some_and(|all| {
        let rest = number(&all[..9]) % 11;
        born(&all, &[0, 20, 50, 70]) && rest % 10 == u64::from(all[9])
    })
}

/// Tax number of a person in Hungary: 8, MOD 11.
fn hu_tax_id(value: &[u8]) -> bool {
    exactly::<10>(value)
        .is_some_and(|all| all[0] == 8 && weigh(&all, &[1, 2, 3, 4, 5, 6, 7, 8, 9]) % 11 == all[9])
}

/// Personal number of Romania: sex and century, a date, MOD 11 with 1 for ten.
fn ro_cnp(value: &[u8]) -> bool {
    exactly::<13>(value).is_some_and(|all| {
        let check = match weigh(&all, &[2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]) % 11 {
            10 => 1,
            check => check,
        };
        all[0] != 0 && is_month_day(&all, 3) && check == all[12]
    })
}

/// Personal number of Bulgaria: a date, MOD 11.
fn bg_egn(value: &[u8]) -> bool {
    exactly::<10>(value).is_some_and(|all| {
        born(&all, &[0, 20, 40]) && weigh(&all, &[2, 4, 8, 5, 10, 9, 7, 3, 6]) % 11 % 10 == all[9]
    })
}

/// Taxpayer number of Ukraine: days since 31 December 1899, a serial, MOD 11.
fn ua_rntrc(value: &[u8]) -> bool {
    exactly::<10>(value).is_some_and(|all| {
        // One eleven is added for each minus of the first weight.
        let sum = weigh(&all, &[10, 5, 7, 9, 4, 6, 10, 5, 7]);
        varied(&all) && sum % 11 % 10 == all[9]
    })
}

/// Taxpayer number of Russia, ten digits for a firm and twelve for a person.
fn ru_inn(value: &[u8]) -> bool {
    const WEIGHTS: [u32; 11] = [3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8];
    let check = |digits: &[u32], weights: &[u32]| weigh(digits, weights) % 11 % 10;
    let firm = exactly::<10>(value).is_some_and(|all| varied(&all) && check(&all, &WEIGHTS[2..]) == all[9]);
    let person = exactly::<12>(value).is_some_and(|all| {
        varied(&all) && check(&all, &WEIGHTS[1..]) == all[10] && check(&all, &WEIGHTS) == all[11]
    });
    firm || person
}

/// Insurance number of Russia: the last two digits are the weighed sum modulo 101.
fn ru_snils(value: &[u8]) -> bool {
    exactly::<11>(value).is_some_and(|all| {
        let sum = weigh(&all, &[9, 8, 7, 6, 5, 4, 3, 2, 1]);
        varied(&all) && u64::from(sum % 101 % 100) == number(&all[9..])
    })
}

/// Individual number of Kazakhstan: a date, MOD 11 with a second set of weights.
fn kz_iin(value: &[u8]) -> bool {
    exactly::<12>(value).is_some_and(|all| {
        let first = weigh(&all, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]) % 11;
        let second = weigh(&all, &[3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2]) % 11;
        let check = if first == 10 { second } else { first };
        is_month_day(&all, 2) && check == all[11]
    })
}
