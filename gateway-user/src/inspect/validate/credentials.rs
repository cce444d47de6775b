//! Checks on the look of a credential: made by a machine, made up by a person, or only a name.

use super::{Check, text};

/// The checks of credentials.
pub const CHECKS: &[Check] = &[
    Check("random", random),
    Check("password", |value| password(value, Password::Quoted)),
    Check("password_bare", |value| password(value, Password::Bare)),
    Check("password_symbols", |value| password(value, Password::Symbols)),
    Check("jwt", jwt),
];

/// How much a password must look like one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Password {
    /// It stands in quotes: a number will do.
    Quoted,
    /// It stands without quotes, where a name or a type may stand as well.
    Bare,
    /// It has punctuation that names do not have.
    Symbols,
}

/// Pairs of letters that are common inside English words and names in code: bit N of row A says that the N-th letter
/// often follows the letter A. Taken from 13,000 different words of manuals, licences and library sources; the 299
/// pairs here make 94 % of all pairs there, and 44 % of those of random letters.
#[rustfmt::skip]
const COMMON_PAIRS: [u32; 26] = [
    0x1febd6e, 0x1164b15, 0x01e5d95, 0x01e693b, 0x1fffd7f, 0x01e4931, 0x0166991,
    0x00a4111, 0x2aef87f, 0x0100001, 0x0040111, 0x11cc91d, 0x01cd91b, 0x03ced7d,
    0x07efd6f, 0x11ec995, 0x0100000, 0x13efd7f, 0x11efdf5, 0x15ef9bf, 0x00eb97f,
    0x0004111, 0x0066191, 0x0088114, 0x00cb110, 0x0000010,
];
/// Letters of the shortest run that can be a word.
const WORD: usize = 3;
/// One pair in so many may be rare in a word.
const RARE: usize = 5;
/// Characters between separators that a machine-made value has at least in one place.
const SOLID: usize = 8;
/// A value of letters alone must be this long to be told from a name; shorter where the case changes in it.
const LETTERS: usize = 24;
const MIXED_LETTERS: usize = 14;
/// Bits per byte of the least random value that counts.
const ENTROPY: f32 = 2.5;
/// Digits of a password that has nothing else.
const DIGITS: usize = 6;

/// Whether a value looks made by a machine: letters and digits without words, in pieces longer than names have.
fn random(value: &[u8]) -> bool {
    let count = |test: fn(&u8) -> bool| value.iter().filter(|byte| test(byte)).count();
    let (upper, lower) = (count(u8::is_ascii_uppercase), count(u8::is_ascii_lowercase));
    let mixed = match count(u8::is_ascii_digit) {
        0 => (upper >= 2 && lower >= 2 && value.len() >= MIXED_LETTERS) || value.len() >= LETTERS,
        _ => upper + lower > 0,
    };
    let separator = |byte: &u8| !byte.is_ascii_alphanumeric() && !b"+=~%".contains(byte);
    mixed
        && wordiness(value) * 2.0 < 1.0
        && value.split(separator).any(|piece| piece.len() >= SOLID)
        && text::entropy(value) >= ENTROPY
        && !text::placeholder(value)
}

/// Whether a value looks like a password and not like a name, a word or a number.
fn password(value: &[u8], kind: Password) -> bool {
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    let letters = value.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
    let symbols = value.iter().any(|byte| b"!@#$%^&*?~+=|;{}()[]<>".contains(byte));
    if distinct(value) < 3 || (kind == Password::Symbols && !symbols) {
        return false;
    }
    if digits == value.len() {
        return kind == Password::Quoted && digits >= DIGITS;
    }
    let wordy = wordiness(value);
    match kind {
        Password::Quoted if letters > 0 && (digits > 0 || symbols) => true,
        Password::Quoted => {
            letters >= SOLID && wordy * 2.0 < 1.0 && !value.iter().any(|byte| b"-_./".contains(byte))
        }
        Password::Bare | Password::Symbols => {
            letters > 0 && (symbols || digits >= 2 || (digits > 0 && wordy * 3.0 < 2.0))
        }
    }
}

/// Whether the part before the first dot is the header of a JSON web token (RFC 7515, section 4): base64 of an object
/// that names its algorithm.
fn jwt(value: &[u8]) -> bool {
    let head = value.split(|byte| *byte == b'.').next().unwrap_or_default();
    let Some(header) = decode(head) else { return false };
    header.trim_ascii_start().starts_with(b"{") && memchr::memmem::find(&header, b"\"alg\"").is_some()
}

fn distinct(value: &[u8]) -> usize {
    let mut seen = [false; 256];
    value.iter().filter(|byte| !std::mem::replace(&mut seen[usize::from(**byte)], true)).count()
}

/// The share of letters and digits that stand in runs of letters that read like words. Hexadecimal digits have none.
fn wordiness(value: &[u8]) -> f32 {
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    let all = value.iter().filter(|byte| byte.is_ascii_alphanumeric()).count();
    if all == 0 || (digits >= 2 && value.iter().all(u8::is_ascii_hexdigit)) {
        return 0.0;
    }
    let wordy: usize = runs(value).filter(|run| reads_like_a_word(run)).map(<[u8]>::len).sum();
    wordy as f32 / all as f32
}

/// Runs of letters as names in code are divided: `fooBar` is two, and so is `HTTPServer`.
fn runs(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let letters = value.split(|byte| !byte.is_ascii_alphabetic()).filter(|run| !run.is_empty());
    letters.flat_map(|letters| {
        let mut rest = letters;
        std::iter::from_fn(move || {
            let upper = rest.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
            let lower = rest[upper..].iter().take_while(|byte| byte.is_ascii_lowercase()).count();
            let end = match (upper, lower) {
                (2.., 1..) => upper - 1,
                _ => upper + lower,
            };
            let (run, after) = rest.split_at(end);
            rest = after;
            (!run.is_empty()).then_some(run)
        })
    })
}

fn reads_like_a_word(run: &[u8]) -> bool {
    let letter = |byte: &u8| usize::from(byte.to_ascii_lowercase() - b'a');
    let rare = |pair: &&[u8]| COMMON_PAIRS[letter(&pair[0])] >> letter(&pair[1]) & 1 == 0;
    run.len() >= WORD && run.windows(2).filter(rare).count() * RARE < run.len()
}

/// Decodes base64 of either alphabet (RFC 4648), padded or not; `None` where it is none.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.trim_ascii_end();
    let mut bits = (0u32, 0u32);
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    for byte in text.iter().filter(|byte| **byte != b'=') {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = (bits.0 << 6 | u32::from(six), bits.1 + 6);
        if bits.1 >= 8 {
            bits.1 -= 8;
            out.push((bits.0 >> bits.1) as u8);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machine_made_values_are_told_from_names() {
        let cases = [
            ("ehw9yr4m7wsz3ky5rl11rt", true),
            ("9bc945e0-a392-046c-3672-71d34c7870e2", true),
            ("deadbeefcafe1234", true),
            ("hd9-Qu37RnMpwHrCCtQfeq", true),
            ("sXqopSPCNWtvVb", true),
            ("my-secret-name-2", false),
            ("cl100k_base", false),
            ("gpt-4o-2024-08-06", false),
            ("us-east-1-prod-cluster-01", false),
            ("getElementsByTagName", false),
            ("AuthenticationService2", false),
            ("1234567890123", false),
            ("a1111111111111111", false),
        ];
        for (value, expected) in cases {
            assert_eq!(random(value.as_bytes()), expected, "{value}");
        }
    }

    #[test]
    fn passwords_are_told_from_names() {
        let cases = [
            ("hunter2!x", [true, true, true]),
            ("step1", [true, false, false]),
            ("s3cr3t9x", [true, true, false]),
            ("my-password-1", [true, false, false]),
            ("123456", [true, false, false]),
            ("12345", [false, false, false]),
            ("password", [false, false, false]),
            ("open_sesame", [false, false, false]),
            ("xkqzvwjrpt", [true, false, false]),
            ("aaa1", [false, false, false]),
        ];
        for (value, expected) in cases {
            let kinds = [Password::Quoted, Password::Bare, Password::Symbols];
            assert_eq!(kinds.map(|kind| password(value.as_bytes(), kind)), expected, "{value}");
        }
    }

    #[test]
    fn token_headers_are_decoded() {
        let cases = [
            ("eyJhbGciOiJIUzI1NiJ9.eyJz", true),
            ("eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0", true),
            ("eyJ0aGlzIGlzIG5vdA.eyJz", false),
            ("eyJ!", false),
            ("", false),
        ];
        for (value, expected) in cases {
            assert_eq!(jwt(value.as_bytes()), expected, "{value}");
        }
    }
}
