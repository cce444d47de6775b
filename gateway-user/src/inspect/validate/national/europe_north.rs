//! Numbers issued in the Nordic and Baltic countries.

use crate::inspect::validate::Check;
use crate::inspect::validate::digits::{
    exactly, is_day_month, is_month_day, luhn, number, symbols, varied, weigh,
};

/// The checks of this region.
pub const CHECKS: &[Check] = &[
    Check("se_personnummer", se_personnummer),
    Check("se_orgnr", se_orgnr),
    Check("fi_hetu", fi_hetu),
    Check("no_fnr", no_fnr),
    Check("dk_cpr", dk_cpr),
    Check("is_kennitala", is_kennitala),
    Check("baltic_id", baltic_id),
    Check("lv_id", lv_id),
];

/// The last ten of ten or twelve digits; twelve begin with a century.
fn last_ten(value: &[u8]) -> Option<[u32; 10]> {
    let twelve = || exactly::<12>(value).filter(|all| matches!(all[0] * 10 + all[1], 18..=20));
    exactly::<10>(value).or_else(|| twelve().map(|all| std::array::from_fn(|place| all[place + 2])))
}

/// Personal number of Sweden: a date, with 60 added to the day of a coordination number, and Luhn.
fn se_personnummer(value: &[u8]) -> bool {
    last_ten(value).is_some_and(|mut all| {
        let checked = luhn(all.into_iter());
        all[4] = if all[4] >= 6 { all[4] - 6 } else { all[4] };
        checked && is_month_day(&all, 2)
    })
}

/// Register number of a firm in Sweden: third digit two or more, Luhn.
fn se_orgnr(value: &[u8]) -> bool {
    exactly::<10>(value).is_some_and(|all| {
        matches!(all[0], 1..=3 | 5..=9) && all[2] >= 2 && varied(&all) && luhn(all.into_iter())
    })
}

/// Personal identity code of Finland: a date, a sign of the century, MOD 31 with a letter or digit.
fn fi_hetu(value: &[u8]) -> bool {
    let Some((last, rest)) = value.split_last() else { return false };
    exactly::<9>(rest).is_some_and(|all| {
        let check = b"0123456789ABCDEFHJKLMNPRSTUVWXY"[(number(&all) % 31) as usize];
        is_day_month(&all, 0) && last.to_ascii_uppercase() == check && number(&all[6..]) >= 2
    })
}

/// Birth number of Norway, D and H numbers included: a date, two digits MOD 11.
fn no_fnr(value: &[u8]) -> bool {
    exactly::<11>(value).is_some_and(|all| {
        let first = (11 - weigh(&all, &[3, 7, 6, 1, 8, 9, 4, 5, 2]) % 11) % 11;
        let second = (11 - weigh(&all, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11) % 11;
        let mut born = all;
        born[0] = if born[0] >= 4 { born[0] - 4 } else { born[0] };
        born[2] = if born[2] >= 4 { born[2] - 4 } else { born[2] };
        is_day_month(&born, 0) && first == all[9] && second == all[10]
    })
}

/// Personal number of Denmark: a date; since 2007 no checksum is kept.
fn dk_cpr(value: &[u8]) -> bool {
    exactly::<10>(value).is_some_and(|all| is_day_month(&all, 0) && number(&all[6..]) > 0)
}

/// Identity number of Iceland: a date, MOD 11, a century.
fn is_kennitala(value: &[u8]) -> bool {
    exactly::<10>(value).is_some_and(|all| {
        let mut born = all;
        born[0] = if born[0] >= 4 { born[0] - 4 } else { born[0] };
        let check = (11 - weigh(&all, &[3, 2, 7, 6, 5, 4, 3, 2]) % 11) % 11;
        is_day_month(&born, 0) && matches!(all[9], 0 | 8 | 9) && check == all[8]
    })
}

/// Personal code of Estonia and Lithuania: sex and century, a date, MOD 11 with a second set of weights.
fn baltic_id(value: &[u8]) -> bool {
    symbols::<11>(value).and_then(|all| exactly::<11>(&all)).is_some_and(|all| {
        let first = weigh(&all, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 1]) % 11;
        let second = weigh(&all, &[3, 4, 5, 6, 7, 8, 9, 1, 2, 3]) % 11;
        let check = if first == 10 { second % 10 } else { first };
        (1..=8).contains(&all[0]) && is_month_day(&all, 3) && check == all[10]
    })
}

/// Personal code of Latvia: a date and a checksum before July 2017, 32 in front and neither since.
fn lv_id(value: &[u8]) -> bool {
    exactly::<11>(value).is_some_and(|all| {
        let sum = weigh(&all, &[1, 6, 3, 7, 9, 10, 5, 8, 4, 2]);
        let dated = is_day_month(&all, 0) && (1101 - sum) % 11 % 10 == all[10];
        (all[0] == 3 && all[1] == 2) || dated
    })
}
