//! One place in a text where a rule applies.

use crate::inspect::Action;

/// Which rule of an engine; look it up with [`Engine::rule`](crate::inspect::Engine::rule).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleIndex(pub(crate) u16);

impl RuleIndex {
    /// The rule's place in its engine, from 0.
    pub const fn get(self) -> usize {
        self.0 as usize
    }
}

/// Where a rule applies. It never carries the value itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule; of several that overlap, the one with the greatest action, then severity, then length.
    pub rule: RuleIndex,
    /// What is to be done about it.
    pub action: Action,
    /// First byte, counted in the channel's decoded text.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
    /// Keyed digest of the value (first 8 bytes of HMAC-SHA256): equal values are recognised, none can be guessed
    /// without the key.
    pub digest: [u8; 8],
}

impl Finding {
    /// The digest as 16 hexadecimal digits.
    pub fn digest_hex(&self) -> String {
        self.digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
