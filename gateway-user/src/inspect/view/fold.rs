//! Stretches of text that a reader takes for something else: where the next one stands, and what it stands for.

use memchr::memrchr;

use super::characters::{self, Fold};

/// Columns in which the `=` of a soft line break stands: quoted-printable lines are as long as they may be, 76
/// characters with it (RFC 2045, section 6.7). In others a `=` before a line's end is padding, or a value left out.
const SOFT: std::ops::RangeInclusive<usize> = 70..=76;

/// Longest stretch, bytes.
pub const LONGEST: usize = 4;

/// A stretch that stands for something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disguise {
    /// Its length in bytes.
    pub length: usize,
    /// What it stands for; not [`Fold::Keep`].
    pub fold: Fold,
}

/// The first disguise at `from` or later. `column` is how many bytes of the line stand before `text`.
pub fn next(text: &[u8], mut from: usize, column: usize) -> Option<(usize, Disguise)> {
    loop {
        from += suspect(&text[from..])?;
        if let Some(found) = disguise(text, from, column) {
            return Some((from, found));
        }
        from += 1;
    }
}

/// How many bytes at the end of `text` may be the beginning of a disguise.
pub fn undecided(text: &[u8], column: usize) -> usize {
    let from = text.len().saturating_sub(LONGEST - 1);
    let begins = |at: &usize| match (text[*at], &text[at + 1..]) {
        (b'%', []) => true,
        (b'%', [high]) => high.is_ascii_hexdigit(),
        (b'\\', [] | [b'\r']) => true,
        (b'=', [] | [b'\r']) => SOFT.contains(&column_of(text, *at, column)),
        (byte, rest) => {
            suspicious(byte) && byte >= 0xC2 && rest.len() + 1 < width(byte) && rest.iter().all(is_inside)
        }
    };
    (from..text.len()).find(begins).map_or(0, |at| text.len() - at)
}

/// How many bytes of the last line stand before the end of `text`.
pub fn column_after(text: &[u8], column: usize) -> usize {
    match memrchr(b'\n', text) {
        Some(newline) => text.len() - newline - 1,
        None => column.saturating_add(text.len()),
    }
}

/// Which byte of its line the one at `at` is, from 1.
fn column_of(text: &[u8], at: usize, column: usize) -> usize {
    let near = at.saturating_sub(*SOFT.end());
    match memrchr(b'\n', &text[near..at]) {
        Some(newline) => at - near - newline,
        None if near == 0 => column.saturating_add(at + 1),
        None => usize::MAX,
    }
}

fn disguise(text: &[u8], at: usize, column: usize) -> Option<Disguise> {
    let rest = &text[at..];
    match rest[0] {
        b'%' => {
            let digit = |place: usize| char::from(*rest.get(place)?).to_digit(16);
            let byte = (digit(1)? * 16 + digit(2)?) as u8;
            matches!(byte, b' '..=b'~').then_some(Disguise { length: 3, fold: Fold::To(byte) })
        }
        b'\\' => line_end(&rest[1..]).map(|length| Disguise { length: length + 1, fold: Fold::Drop }),
        b'=' => {
            let length = line_end(&rest[1..])? + 1;
            SOFT.contains(&column_of(text, at, column)).then_some(Disguise { length, fold: Fold::Drop })
        }
        lead => {
            let length = width(lead);
            let character = std::str::from_utf8(rest.get(..length)?).ok()?.chars().next()?;
            let fold = characters::fold(character);
            (fold != Fold::Keep).then_some(Disguise { length, fold })
        }
    }
}

/// Length of the line ending that `text` begins with.
fn line_end(text: &[u8]) -> Option<usize> {
    match text {
        [b'\n', ..] => Some(1),
        [b'\r', b'\n', ..] => Some(2),
        _ => None,
    }
}

/// Length of a character in UTF-8 by its first byte.
fn width(lead: u8) -> usize {
    match lead {
        0..0xE0 => 2,
        0xE0..0xF0 => 3,
        _ => 4,
    }
}

fn is_inside(byte: &u8) -> bool {
    matches!(byte, 0x80..0xC0)
}

/// Bytes looked at together.
const BLOCK: usize = 32;

/// Where the first byte stands with which a disguise may begin.
fn suspect(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(block) = text.get(at..at + BLOCK + 1) {
        // Without branches, so that it compiles to vector instructions.
        let any = block[..BLOCK]
            .iter()
            .zip(&block[1..])
            .fold(false, |any, (byte, next)| any | suspicious(*byte) | ((*byte == b'=') & (*next <= b'\r')));
        if any {
            break;
        }
        at += BLOCK;
    }
    let is = |(place, byte): (usize, &u8)| {
        suspicious(*byte) || (*byte == b'=' && text.get(at + place + 1).is_some_and(|next| *next <= b'\r'))
    };
    // Beyond the block there may be more of the text, not looked at yet: the scalar search is short all the same.
    text[at..].iter().enumerate().position(is).map(|place| at + place)
}

/// Whether a disguise other than a soft line break may begin with `byte`: a sign of escapes, or the first byte of a
/// character in whose neighbourhood there are disguises. Those of Chinese, Japanese and Korean, and of accented Latin
/// letters, are left out.
#[inline(always)]
fn suspicious(byte: u8) -> bool {
    (byte == b'%')
        | (byte == b'\\')
        | (byte == 0xC2)
        | (byte.wrapping_sub(0xC4) <= 0xE2 - 0xC4)
        | (byte >= 0xEF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disguises_are_found() {
        let soft = format!("{}=\nx", "a".repeat(75));
        type Case<'t> = (&'t str, Option<(usize, usize, Fold)>);
        let cases: [Case<'_>; 14] = [
            ("plain text, 100 % sure", None),
            ("a%41", Some((1, 3, Fold::To(b'A')))),
            ("a%2541", Some((1, 3, Fold::To(b'%')))),
            ("a%00%7f%c3", None),
            ("cut here \\\nnow", Some((9, 2, Fold::Drop))),
            ("cut here \\\r\nnow", Some((9, 3, Fold::Drop))),
            ("KEY=\nOTHER=\r\n", None),
            (&soft, Some((75, 2, Fold::Drop))),
            ("你好，世界。こんにちは", None),
            ("naïve café", None),
            ("a\u{200b}b", Some((1, 3, Fold::Drop))),
            ("sоk", Some((1, 2, Fold::Letter(b'o')))),
            ("中文７", Some((6, 3, Fold::To(b'7')))),
            ("𝐬", Some((0, 4, Fold::To(b's')))),
        ];
        for (text, expected) in cases {
            let found = next(text.as_bytes(), 0, 0).map(|(at, found)| (at, found.length, found.fold));
            assert_eq!(found, expected, "{text}");
            let long = format!("{} {text}", "x".repeat(99));
            let moved = expected.filter(|_| text != soft).map(|(at, length, fold)| (at + 100, length, fold));
            if text != soft {
                let found = next(long.as_bytes(), 0, 0).map(|(at, found)| (at, found.length, found.fold));
                assert_eq!(found, moved, "{long}");
            }
        }
    }

    #[test]
    fn what_may_become_a_disguise_is_undecided() {
        let soft = "a".repeat(74);
        let cases = [
            ("plain", 0),
            ("50%", 1),
            ("50%4", 2),
            ("50%g", 0),
            ("50%41", 0),
            ("a\\", 1),
            ("a\\\r", 2),
            ("a=", 0),
            (&*format!("{soft}="), 1),
            (&*format!("{soft}=\r"), 2),
        ];
        for (text, expected) in cases {
            assert_eq!(undecided(text.as_bytes(), 0), expected, "{text}");
        }
        assert_eq!(undecided("a\u{200b}".as_bytes(), 0), 0);
        assert_eq!(undecided(&"a\u{200b}".as_bytes()[..3], 0), 2);
        assert_eq!(undecided(&"中".as_bytes()[..2], 0), 0);
    }
}
