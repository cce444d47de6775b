//! Payment cards, bank accounts and the wallets of crypto currencies.

use aws_lc_rs::digest::{SHA256, digest};

use crate::inspect::validate::Check;
use crate::inspect::validate::digits::{digits, exactly, luhn, number, varied, weigh};

/// The checks of money.
pub const CHECKS: &[Check] = &[
    Check("card", card),
    Check("card_any", card_any),
    Check("us_aba", us_aba),
    Check("base58check", base58check),
    Check("bech32", bech32),
];

/// A payment card that can be told without context: a range of a large network, its length, and Luhn.
fn card(value: &[u8]) -> bool {
    card_any(value) && {
        let all: Vec<u32> = digits(value).collect();
        match (number(&all[..2]), all.len()) {
            // Long ones of other networks look like the ids that services count up, short ones like times.
            (62 | 81, 16..=19) | (30 | 34 | 36..=39, 14 | 15) | (21 | 18, 15) => true,
            (40..=49, 13) => true,
            (_, length) => length == 16,
        }
    }
}

/// A payment card where a text says that it is one: any range of ISO/IEC 7812 that is in use for cards, and Luhn.
fn card_any(value: &[u8]) -> bool {
    let all: Vec<u32> = digits(value).collect();
    if !(12..=19).contains(&all.len()) || !varied(&all) || !luhn(all.iter().copied()) {
        return false;
    }
    let (two, four) = (number(&all[..2]), number(&all[..4]));
    match all.len() {
        13 => two / 10 == 4,
        14 => matches!(two, 30 | 36 | 38 | 39) || two == 54 || two == 55,
        15 => matches!(two, 34 | 37) || matches!(four, 1800 | 2131),
        16 => {
            let large = matches!(two, 40..=49 | 51..=55 | 60 | 62 | 64 | 65 | 67 | 81);
            large
                || matches!(four, 2200..=2204 | 2221..=2720 | 3528..=3589 | 3000..=3059 | 3095 | 3600..=3999)
                || maestro(four)
        }
        18 | 19 => {
            matches!(two, 40..=49 | 60 | 62 | 64 | 65 | 81) || maestro(four) || matches!(four, 2200..=2204)
        }
        _ => maestro(four) || two == 62,
    }
}

/// Ranges of Maestro, whose numbers have twelve to nineteen digits.
fn maestro(four: u64) -> bool {
    matches!(four, 5018 | 5020 | 5038 | 5612 | 5893 | 6304 | 6390 | 6759 | 6761..=6763 | 6771)
}

/// Routing number of a bank in the United States: a range of the Federal Reserve, weights 3, 7, 1.
fn us_aba(value: &[u8]) -> bool {
    exactly::<9>(value).is_some_and(|all| {
        let range = matches!(all[0] * 10 + all[1], 0..=12 | 21..=32 | 61..=72 | 80);
        range && varied(&all) && weigh(&all, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10)
    })
}

/// The most bytes that a wallet's address holds, its checksum included.
const MOST_ADDRESS: usize = 64;

/// Base58 with the first four bytes of a double SHA-256 at its end (Bitcoin, Litecoin, Dogecoin, Tron …).
fn base58check(value: &[u8]) -> bool {
    const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    if value.len() > MOST_ADDRESS {
        return false;
    }
    let zeros = value.iter().take_while(|byte| **byte == b'1').count();
    // Little-endian.
    let mut bytes: Vec<u8> = Vec::with_capacity(MOST_ADDRESS);
    for byte in value {
        let Some(place) = ALPHABET.iter().position(|known| known == byte) else { return false };
        let mut carry = place as u32;
        for low in &mut bytes {
            carry += u32::from(*low) * 58;
            *low = carry as u8;
            carry >>= 8;
        }
        while carry > 0 {
            bytes.push(carry as u8);
            carry >>= 8;
        }
    }
    bytes.extend(std::iter::repeat_n(0, zeros));
    bytes.reverse();
    let Some((payload, check)) = bytes.split_last_chunk::<4>() else { return false };
    payload.len() >= 21 && digest(&SHA256, digest(&SHA256, payload).as_ref()).as_ref().starts_with(check)
}

/// Bech32 and bech32m (BIP 173, BIP 350), as addresses of segregated witness have it.
fn bech32(value: &[u8]) -> bool {
    const ALPHABET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let lower = value.to_ascii_lowercase();
    let mixed = lower != value && value.to_ascii_uppercase() != value;
    let Some(divide) = lower.iter().rposition(|byte| *byte == b'1') else { return false };
    if mixed || divide == 0 || lower.len() > 90 || lower.len() < divide + 7 {
        return false;
    }
    let (prefix, data) = (&lower[..divide], &lower[divide + 1..]);
    let Some(data) = data
        .iter()
        .map(|byte| ALPHABET.iter().position(|known| known == byte))
        .collect::<Option<Vec<usize>>>()
    else {
        return false;
    };
    let high = prefix.iter().map(|byte| u32::from(byte >> 5));
    let low = prefix.iter().map(|byte| u32::from(byte & 31));
    let all = high.chain([0]).chain(low).chain(data.into_iter().map(|place| place as u32));
    let check = all.fold(1u32, |check, value| {
        let top = check >> 25;
        let shifted = ((check & 0x01ff_ffff) << 5) ^ value;
        (0..5).filter(|bit| top >> bit & 1 == 1).fold(shifted, |check, bit| check ^ GENERATOR[bit])
    });
    check == 1 || check == 0x2bc8_30a3
}
