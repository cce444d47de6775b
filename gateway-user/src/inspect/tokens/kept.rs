//! What a vault keeps of one value.

use std::fmt;
use std::sync::Arc;

use super::form::Code;

/// Whose values: a keyed digest of app and credential. Tokens of one owner mean nothing to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner(pub [u8; 16]);

/// Where a value is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Whose it is.
    pub owner: Owner,
    /// The code of its token.
    pub code: Code,
}

/// What is kept at a place.
#[derive(Clone, PartialEq, Eq)]
pub struct Kept {
    /// Id of the rule that found it.
    pub rule: Box<str>,
    /// The value.
    pub value: Arc<str>,
    /// When it was last seen, in seconds since 1970.
    pub seen: u64,
    /// How it will be found when it comes again.
    pub standing: Standing,
}

/// How a value will be found when it comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its rule finds it by itself, wherever it stands.
    Alone,
    /// Its rule found it by what stood around it. The app has not got it back yet, so that it comes no other way.
    Around,
    /// Likewise, and the app got it back: it may come in any place.
    Known,
}

impl fmt::Debug for Kept {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Kept").field("rule", &self.rule).field("seen", &self.seen).finish_non_exhaustive()
    }
}
