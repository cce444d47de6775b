//! The headers of a binary frame.

use crate::wire::frames::{PRELUDE, number};

/// The type of values that are strings.
const STRING: u8 = 7;

/// The value of the string header `name` of a whole frame.
pub fn header<'a>(frame: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut rest = frame.get(PRELUDE..PRELUDE + number(frame, 4) as usize)?;
    loop {
        let (found, after) = counted::<1>(rest)?;
        let (&kind, after) = after.split_first()?;
        let (value, after) = match kind {
            0 | 1 => after.split_at_checked(0)?,
            2 => after.split_at_checked(1)?,
            3 => after.split_at_checked(2)?,
            4 => after.split_at_checked(4)?,
            5 | 8 => after.split_at_checked(8)?,
            6 | STRING => counted::<2>(after)?,
            9 => after.split_at_checked(16)?,
            _ => return None,
        };
        if kind == STRING && found == name {
            return Some(value);
        }
        rest = after;
    }
}

/// Appends a string header.
pub(super) fn write(name: &str, value: &str, out: &mut Vec<u8>) {
    out.push(name.len() as u8);
    out.extend_from_slice(name.as_bytes());
    out.push(STRING);
    out.extend_from_slice(&(value.len() as u16).to_be_bytes());
    out.extend_from_slice(value.as_bytes());
}

/// Bytes behind their count of `N` bytes, and what follows them.
fn counted<const N: usize>(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (count, rest) = bytes.split_at_checked(N)?;
    rest.split_at_checked(count.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte)))
}
