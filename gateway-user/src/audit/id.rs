//! Names of flows: short, unique, and in the order of time.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Crockford's base 32 in lower case: no i, l, o, u.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Characters of an id: ten of time, six of number.
pub(super) const LENGTH: usize = 16;

/// The id of a flow: milliseconds since 1970 and a number, together 16 characters that sort by time.
///
/// The number begins at random in each process and counts up, so ids of one process differ as long as it starts less
/// than a billion flows in one millisecond, and those of two processes all but surely.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FlowId([u8; LENGTH]);

/// A text that is no flow id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a flow id: 16 characters of 0-9 and a-z without i, l, o, u")]
pub struct NotAnId;

impl FlowId {
    /// A new id for a flow that starts at `now`.
    pub fn mint(now: Timestamp) -> FlowId {
        let time = u128::from(u64::try_from(now.as_millisecond()).unwrap_or(0));
        let number = u128::from(counter().fetch_add(1, Relaxed) & 0x3fff_ffff);
        let mut left = time << 30 | number;
        let mut id = [b'0'; LENGTH];
        for digit in id.iter_mut().rev() {
            *digit = DIGITS[(left & 31) as usize];
            left >>= 5;
        }
        FlowId(id)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("ids hold ASCII digits only")
    }
}

impl fmt::Display for FlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for FlowId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<FlowId, NotAnId> {
        let bytes: [u8; LENGTH] = text.as_bytes().try_into().map_err(|_| NotAnId)?;
        if bytes.iter().all(|byte| DIGITS.contains(byte)) { Ok(FlowId(bytes)) } else { Err(NotAnId) }
    }
}

impl TryFrom<String> for FlowId {
    type Error = NotAnId;

    fn try_from(text: String) -> Result<FlowId, NotAnId> {
        text.parse()
    }
}

impl From<FlowId> for String {
    fn from(id: FlowId) -> String {
        id.to_string()
    }
}

fn counter() -> &'static AtomicU32 {
    static COUNTER: OnceLock<AtomicU32> = OnceLock::new();
    COUNTER.get_or_init(|| {
        let mut seed = [0; 4];
        // Without randomness ids stay unique within the process, which is what the store needs.
        let _ = aws_lc_rs::rand::fill(&mut seed);
        AtomicU32::new(u32::from_ne_bytes(seed))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_read_back() {
        let at = |ms| Timestamp::from_millisecond(ms).unwrap();
        let ids: Vec<FlowId> =
            [0, 1, 1_700_000_000_000, 1_700_000_000_001].map(|ms| FlowId::mint(at(ms))).into();
        assert!(ids.is_sorted(), "{ids:?}");
        for id in &ids {
            assert_eq!(&id.to_string().parse::<FlowId>().unwrap(), id);
        }
        assert_ne!(FlowId::mint(at(5)), FlowId::mint(at(5)));
    }

    #[test]
    fn other_texts_are_no_ids() {
        for text in ["", "0", "0000000000000000l", "000000000000000l", "000000000000000U", "00000000000000é"]
        {
            assert!(text.parse::<FlowId>().is_err(), "{text}");
        }
    }
}
