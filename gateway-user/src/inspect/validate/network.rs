//! Addresses of networks, and the numbers of devices, vehicles and travel documents.

use std::net::Ipv6Addr;

use crate::inspect::validate::Check;
use crate::inspect::validate::digits::{base36, exactly, luhn, varied};

/// The checks of addresses.
pub const CHECKS: &[Check] =
    &[Check("ipv6", ipv6), Check("imei", imei), Check("vin", vin), Check("icao", icao)];

/// An address of RFC 4291, with a zone (RFC 4007) or prefix length where it has one. Eight pairs of digits are the
/// EUI-64 of a device, and letters alone may be words of a program.
fn ipv6(value: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(value) else { return false };
    let (address, prefix) = text.split_once('/').unwrap_or((text, "0"));
    let address = address.split('%').next().unwrap_or(address);
    let pairs = address.split(':').all(|group| group.len() == 2);
    let counted = address.bytes().any(|byte| byte.is_ascii_digit()) || address.len() > 12 || address == "::";
    let length = prefix.parse::<u8>().is_ok_and(|length| length <= 128);
    !pairs && counted && length && address.parse::<Ipv6Addr>().is_ok()
}

/// Identity of a mobile device: fifteen digits, Luhn (3GPP TS 23.003, annex B).
fn imei(value: &[u8]) -> bool {
    exactly::<15>(value).is_some_and(|all| varied(&all) && luhn(all.into_iter()))
}

/// Identification number of a vehicle with the check digit of North America (49 CFR 565).
fn vin(value: &[u8]) -> bool {
    const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let worth = |symbol: u8| match symbol.to_ascii_uppercase() {
        digit @ b'0'..=b'9' => Some(u32::from(digit - b'0')),
        letter @ b'A'..=b'H' => Some(u32::from(letter - b'A') + 1),
        letter @ (b'J'..=b'N' | b'P' | b'R') => Some(u32::from(letter - b'J') + 1),
        letter @ b'S'..=b'Z' => Some(u32::from(letter - b'S') + 2),
        _ => None,
    };
    let Some(worths) = value.iter().map(|symbol| worth(*symbol)).collect::<Option<Vec<u32>>>() else {
        return false;
    };
    let sum: u32 = worths.iter().zip(WEIGHTS).map(|(worth, weight)| worth * weight).sum();
    let check = b"0123456789X"[(sum % 11) as usize];
    let letters = value.iter().filter(|symbol| symbol.is_ascii_alphabetic()).count();
    value.len() == 17 && letters >= 3 && value[8].to_ascii_uppercase() == check
}

/// Number of a document that ends with its check digit as machine-readable zones have it: weights 7, 3, 1 (ICAO 9303).
fn icao(value: &[u8]) -> bool {
    let Some((last, rest)) = value.split_last() else { return false };
    let weighed = rest.iter().zip([7, 3, 1].into_iter().cycle());
    let sum: u32 = weighed.map(|(symbol, weight)| base36(*symbol) * weight).sum();
    last.is_ascii_digit() && sum % 10 == base36(*last)
}
