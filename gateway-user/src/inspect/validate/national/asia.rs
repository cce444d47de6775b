//! Numbers issued in Asia, Turkey and Israel included.

use crate::inspect::validate::Check;
use crate::inspect::validate::digits::{
    base36, exactly, is_day_month, is_month_day, luhn, symbols, varied, verhoeff, weigh,
};

/// The checks of this region.
pub const CHECKS: &[Check] = &[
    Check("gb11643", gb11643),
    Check("cn_uscc", cn_uscc),
    Check("hk_hkid", hk_hkid),
    Check("tw_id", tw_id),
    Check("jp_my_number", jp_my_number),
    Check("kr_rrn", kr_rrn),
    Check("kr_rrn_date", kr_rrn_date),
    Check("kr_brn", kr_brn),
    Check("sg_nric", sg_nric),
    Check("th_tnin", th_tnin),
    Check("my_nric", my_nric),
    Check("id_nik", id_nik),
    Check("in_aadhaar", in_aadhaar),
    Check("ir_code", ir_code),
    Check("tr_id", tr_id),
    Check("il_id", luhn9),
];

/// Resident identity number of China (GB 11643): province of GB/T 2260, a date, ISO 7064 MOD 11-2 with X for ten.
fn gb11643(value: &[u8]) -> bool {
    let Some(all) = symbols::<18>(value) else { return false };
    let digit = |symbol: &u8| if *symbol == b'X' { 10 } else { base36(*symbol) };
    let sum = all.iter().fold(0u32, |sum, symbol| (sum * 2 + digit(symbol)) % 11);
    let values: [u32; 18] = std::array::from_fn(|place| digit(&all[place]));
    let decimal = all[..17].iter().all(u8::is_ascii_digit);
    let province = matches!(values[0] * 10 + values[1],
        11..=15 | 21..=23 | 31..=37 | 41..=46 | 50..=54 | 61..=65 | 71 | 81..=83 | 91);
    decimal && province && is_month_day(&values, 10) && sum == 1
}

/// Unified social credit code of China (GB 32100): MOD 31 over an alphabet without I, O, S, V and Z.
fn cn_uscc(value: &[u8]) -> bool {
    const ALPHABET: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
    let Some(all) = symbols::<18>(value) else { return false };
    let mut weight = 1;
    let mut sum = 0;
    for symbol in &all[..17] {
        let Some(place) = ALPHABET.iter().position(|known| known == symbol) else { return false };
        sum += place * weight;
        weight = weight * 3 % 31;
    }
    all[17] == ALPHABET[(31 - sum % 31) % 31]
}

/// Identity card of Hong Kong: one or two letters, six digits, MOD 11 with A for ten.
fn hk_hkid(value: &[u8]) -> bool {
    let one = symbols::<8>(value).map(|all| {
        let mut padded = [b' '; 9];
        padded[1..].copy_from_slice(&all);
        padded
    });
    one.or_else(|| symbols::<9>(value)).is_some_and(|all| {
        // A missing first letter counts as 36.
        let worth = |symbol: u8| if symbol == b' ' { 36 } else { base36(symbol) };
        let sum: u32 =
            all[..8].iter().zip((2..=9).rev()).map(|(symbol, weight)| worth(*symbol) * weight).sum();
        all[2..8].iter().all(u8::is_ascii_digit)
            && all[1].is_ascii_uppercase()
            && (sum + worth(all[8])).is_multiple_of(11)
    })
}

/// Identity card of Taiwan: a letter of a county, nine digits, MOD 10.
fn tw_id(value: &[u8]) -> bool {
    /// The letters in the order of their numbers from 10 on.
    const COUNTIES: &[u8; 26] = b"ABCDEFGHJKLMNPQRSTUVXYWZIO";
    let (Some(all), Some(digits)) = (symbols::<10>(value), exactly::<9>(value)) else { return false };
    let Some(county) = COUNTIES.iter().position(|letter| *letter == all[0]) else { return false };
    let county = county as u32 + 10;
    let sum = county / 10 + county % 10 * 9 + weigh(&digits, &[8, 7, 6, 5, 4, 3, 2, 1, 1]);
    matches!(digits[0], 1 | 2 | 8 | 9) && sum.is_multiple_of(10)
}

/// Individual number of Japan: MOD 11 (ordinance of the Ministry of Internal Affairs, 2014).
fn jp_my_number(value: &[u8]) -> bool {
    exactly::<12>(value).is_some_and(|all| {
        let check = match weigh(&all, &[6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11 {
            0 | 1 => 0,
            rest => 11 - rest,
        };
        varied(&all) && check == all[11]
    })
}

/// Resident and foreigner registration number of Korea: a date, and the check digit of numbers before October 2020.
fn kr_rrn(value: &[u8]) -> bool {
    exactly::<13>(value).is_some_and(|all| {
        let sum = weigh(&all, &[2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]);
        let foreign = (5..=8).contains(&all[6]);
        let check = if foreign { (13 - sum % 11) % 10 } else { (11 - sum % 11) % 10 };
        kr_rrn_date(value) && check == all[12]
    })
}

/// Resident registration number of Korea by its date and the digit of sex and century; since October 2020 the other
/// six digits are random.
fn kr_rrn_date(value: &[u8]) -> bool {
    exactly::<13>(value).is_some_and(|all| is_month_day(&all, 2) && varied(&all[7..]))
}

/// Business registration number of Korea.
fn kr_brn(value: &[u8]) -> bool {
    exactly::<10>(value).is_some_and(|all| {
        let sum = weigh(&all, &[1, 3, 7, 1, 3, 7, 1, 3, 5]) + all[8] * 5 / 10;
        varied(&all) && (sum + all[9]).is_multiple_of(10)
    })
}

/// Identity number of Singapore, citizens (S, T) and foreigners (F, G, M): MOD 11 with a letter.
fn sg_nric(value: &[u8]) -> bool {
    let (Some(all), Some(digits)) = (symbols::<9>(value), exactly::<7>(value)) else { return false };
    let sum = weigh(&digits, &[2, 7, 6, 5, 4, 3, 2]) as usize;
    let letter = match all[0] {
        b'S' => b"JZIHGFEDCBA"[sum % 11],
        b'T' => b"JZIHGFEDCBA"[(sum + 4) % 11],
        b'F' => b"XWUTRQPNMLK"[sum % 11],
        b'G' => b"XWUTRQPNMLK"[(sum + 4) % 11],
        b'M' => b"KLJNPQRTUWX"[10 - (sum + 3) % 11],
        _ => return false,
    };
    all[8] == letter
}

/// National identity number of Thailand: MOD 11.
fn th_tnin(value: &[u8]) -> bool {
    exactly::<13>(value).is_some_and(|all| {
        let sum = weigh(&all, &[13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]);
        (1..=8).contains(&all[0]) && varied(&all) && (11 - sum % 11) % 10 == all[12]
    })
}

/// Identity card of Malaysia: a date, then a place of birth that is in use.
fn my_nric(value: &[u8]) -> bool {
    exactly::<12>(value).is_some_and(|all| {
        let place = all[6] * 10 + all[7];
        is_month_day(&all, 2) && matches!(place, 1..=16 | 21..=68 | 71 | 72 | 74..=79 | 82..=93 | 98 | 99)
    })
}

/// Identity number of Indonesia: a province, and the date of birth with 40 added to a woman's day.
fn id_nik(value: &[u8]) -> bool {
    exactly::<16>(value).is_some_and(|mut all| {
        all[6] = if all[6] >= 4 { all[6] - 4 } else { all[6] };
        (11..=96).contains(&(all[0] * 10 + all[1])) && is_day_month(&all, 6) && varied(&all[12..])
    })
}

/// Aadhaar of India: Verhoeff, first digit 2 to 9, no palindrome (UIDAI).
fn in_aadhaar(value: &[u8]) -> bool {
    exactly::<12>(value).is_some_and(|all| {
        let palindrome = all.iter().eq(all.iter().rev());
        all[0] >= 2 && !palindrome && verhoeff(&all)
    })
}

/// National code of Iran: MOD 11.
fn ir_code(value: &[u8]) -> bool {
    exactly::<10>(value).is_some_and(|all| {
        let rest = weigh(&all, &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11;
        varied(&all) && all[9] == if rest < 2 { rest } else { 11 - rest }
    })
}

/// Identity number of Turkey: two check digits.
fn tr_id(value: &[u8]) -> bool {
    exactly::<11>(value).is_some_and(|all| {
        let odd = all[0] + all[2] + all[4] + all[6] + all[8];
        let even = all[1] + all[3] + all[5] + all[7];
        let tenth = (odd * 7 + 40 - even) % 10;
        all[0] != 0 && tenth == all[9] && (odd + even + all[9]) % 10 == all[10]
    })
}

/// Identity number of Israel, nine digits: Luhn.
fn luhn9(value: &[u8]) -> bool {
    exactly::<9>(value).is_some_and(|all| varied(&all) && luhn(all.into_iter()))
}
