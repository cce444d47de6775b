//! Numbers issued in Australia, New Zealand and Africa.

use crate::inspect::validate::Check;
use crate::inspect::validate::digits::{exactly, is_month_day, luhn, varied, weigh};

/// The checks of this region.
pub const CHECKS: &[Check] = &[
    Check("au_tfn", au_tfn),
    Check("au_abn", au_abn),
    Check("au_acn", au_acn),
    Check("au_medicare", au_medicare),
    Check("nz_ird", nz_ird),
    Check("za_id", za_id),
];

/// Tax file number of Australia: a weighed sum that is a multiple of 11 (Australian Taxation Office).
fn au_tfn(value: &[u8]) -> bool {
    exactly::<9>(value)
        .is_some_and(|all| varied(&all) && weigh(&all, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11))
}

/// Business number of Australia: one taken from the first digit, then a multiple of 89.
fn au_abn(value: &[u8]) -> bool {
    exactly::<11>(value).is_some_and(|mut all| {
        let first = all[0];
        all[0] = first.saturating_sub(1);
        first > 0 && weigh(&all, &[10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]).is_multiple_of(89)
    })
}

/// Company number of Australia (Corporations Regulations).
fn au_acn(value: &[u8]) -> bool {
    exactly::<9>(value).is_some_and(|all| {
        varied(&all) && (weigh(&all, &[8, 7, 6, 5, 4, 3, 2, 1]) + all[8]).is_multiple_of(10)
    })
}

/// Medicare card of Australia, with or without the person's own digit: first digit 2 to 6, the ninth checks.
fn au_medicare(value: &[u8]) -> bool {
    let ten = exactly::<10>(value);
    let eleven = exactly::<11>(value).map(|all| std::array::from_fn(|place| all[place]));
    ten.or(eleven).is_some_and(|all| {
        (2..=6).contains(&all[0])
            && weigh(&all, &[1, 3, 7, 9, 1, 3, 7, 9]) % 10 == all[8]
            && varied(&all[..9])
    })
}

/// Tax number of New Zealand, eight or nine digits: MOD 11 with a second set of weights (Inland Revenue).
fn nz_ird(value: &[u8]) -> bool {
    let eight = exactly::<8>(value).map(|all| {
        let mut padded = [0; 9];
        padded[1..].copy_from_slice(&all);
        padded
    });
    eight.or_else(|| exactly::<9>(value)).is_some_and(|all| {
        let check = |weights: &[u32; 8]| (11 - weigh(&all, weights) % 11) % 11;
        let first = check(&[3, 2, 7, 6, 5, 4, 3, 2]);
        let check = if first == 10 { check(&[7, 4, 3, 2, 5, 2, 7, 6]) } else { first };
        let number = all.iter().fold(0, |number, digit| number * 10 + digit);
        (10_000_000..=150_000_000).contains(&number) && check == all[8]
    })
}

/// Identity number of South Africa: a date, citizenship 0 to 2, Luhn.
fn za_id(value: &[u8]) -> bool {
    exactly::<13>(value)
        .is_some_and(|all| is_month_day(&all, 2) && all[10] <= 2 && varied(&all) && luhn(all.into_iter()))
}
