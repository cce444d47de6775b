//! Telephone numbers, and the dates they must not be taken for.

use crate::inspect::validate::Check;
use crate::inspect::validate::digits::{digits, is_day, number, varied};

/// The checks of telephone numbers and dates.
pub const CHECKS: &[Check] = &[
    Check("phone", phone),
    Check("phone_world", phone_world),
    Check("phone_plan", phone_plan),
    Check("date", date),
];

/// The number without an extension, which a letter, `#` or comma begins.
fn main_part(value: &[u8]) -> &[u8] {
    let end = value.iter().position(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'#' | b','));
    &value[..end.unwrap_or(value.len())]
}

/// The groups of digits of a value.
fn groups(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| !byte.is_ascii_digit()).filter(|group| !group.is_empty())
}

/// Whether digits may be a telephone number: 6 to 15 of them (E.164), not all equal nor counting up from 0, no more
/// groups than half the digits and one, and neither a date nor an address of a network.
fn phone(value: &[u8]) -> bool {
    let value = main_part(value);
    let all: Vec<u32> = digits(value).collect();
    let dotted = value.contains(&b'.') && !value.iter().any(|byte| matches!(byte, b'-' | b' ' | b'(' | b'+'));
    let address = dotted && groups(value).count() == 4 && groups(value).all(|group| group.len() <= 3);
    let counted = all.len() > 8 && all[0] == 0 && all.windows(2).all(|pair| pair[1] == (pair[0] + 1) % 10);
    (6..=15).contains(&all.len())
        && varied(&all)
        && !counted
        && groups(value).count() <= all.len() / 2 + 1
        && !date(value)
        && !address
}

/// A number in international form: the country code is assigned (ITU-T E.164 annex), and what follows is as long as
/// numbers of the country are. A trunk 0 in brackets does not count.
fn phone_world(value: &[u8]) -> bool {
    let mut all: Vec<u32> = digits(main_part(value)).collect();
    let code = country(&all);
    if code > 0 && all.get(code) == Some(&0) && value.windows(2).any(|pair| pair == b"(0") {
        all.remove(code);
    }
    let length = all.len();
    let fits = match (code, number(&all[..code])) {
        (0, _) => false,
        (_, 1) => length == 11 && all[1] >= 2 && all[4] >= 2,
        (_, 7) => length == 11,
        (_, 33 | 34 | 45 | 47 | 48 | 65 | 852 | 853) => (10..=12).contains(&length),
        (_, 86 | 91 | 44 | 55) => (11..=13).contains(&length),
        _ => (8..=15).contains(&length),
    };
    fits && phone(value)
}

/// How many of the first digits are a country code; 0 for none that is assigned.
fn country(all: &[u32]) -> usize {
    let prefix = |count: usize| all.get(..count).map_or(0, number);
    match (prefix(1), prefix(2), prefix(3)) {
        (1 | 7, _, _) => 1,
        (
            _,
            20 | 27 | 30..=34 | 36 | 39..=41 | 43..=49 | 51..=58 | 60..=66 | 81 | 82 | 84 | 86 | 90..=95 | 98,
            _,
        ) => 2,
        (_, _, 211..=213 | 216 | 218 | 220..=258 | 260..=269 | 290 | 291 | 297..=299) => 3,
        (_, _, 350..=359 | 370..=389 | 420 | 421 | 423 | 500..=509 | 590..=599) => 3,
        (_, _, 670..=692 | 800 | 808 | 850 | 852 | 853 | 855 | 856 | 870 | 878 | 880..=883 | 886 | 888) => 3,
        (_, _, 960..=968 | 970..=977 | 979 | 992..=998) => 3,
        _ => 0,
    }
}

/// A number as a country writes it inside: behind 00 as [`phone_world`]; behind a trunk 0 eight to twelve digits, in
/// pairs exactly ten; else of the North American plan, area and exchange from 2 on.
fn phone_plan(value: &[u8]) -> bool {
    let value = main_part(value);
    let all: Vec<u32> = digits(value).collect();
    let pairs = groups(value).all(|group| group.len() == 2);
    match all[..] {
        [0, 0, ..] => {
            phone_world(&value[value.iter().position(|byte| *byte == b'0').map_or(0, |first| first + 2)..])
        }
        [0, ..] => (8..=12).contains(&all.len()) && (!pairs || all.len() == 10),
        [1, area, _, _, exchange, ..] if all.len() == 11 => area >= 2 && exchange >= 2,
        [area, _, _, exchange, ..] if all.len() == 10 => area >= 2 && exchange >= 2,
        _ => false,
    }
}

/// Whether the first three groups of digits are a day, a month and a year, in any order that is in use.
fn date(value: &[u8]) -> bool {
    let worth = |group: &[u8]| {
        (group.len(), digits(group).fold(0u32, |all, digit| all.wrapping_mul(10).wrapping_add(digit)))
    };
    let first = value.iter().position(u8::is_ascii_digit).unwrap_or(value.len());
    let mut three = value[first..].split(|byte| !byte.is_ascii_digit()).map(worth);
    let (Some((one, first)), Some((two, second)), Some((three, third))) =
        (three.next(), three.next(), three.next())
    else {
        return false;
    };
    let year = |length: usize, year: u32| length == 4 && (1800..2200).contains(&year);
    match one {
        4 => year(one, first) && two <= 2 && three <= 2 && is_day(second, third),
        _ => year(three, third) && one <= 2 && two <= 2 && (is_day(first, second) || is_day(second, first)),
    }
}
