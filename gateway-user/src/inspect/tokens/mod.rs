//! Reversible tokens: values in requests are replaced by tokens, and replies get the values back.
//!
//! A [`Vault`] knows which value each token stands for, a [`Tokens`] is its view for one exchange of one principal, a
//! [`Restorer`] finds tokens in a running text. The token of a value depends only on the installation's key, the
//! principal, the rule and the value, so that the same conversation gives the provider the same bytes in every turn.

mod form;
mod restorer;
mod vault;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use form::{Code, MAX_TOKEN};
pub use restorer::{Restored, Restorer};
pub use vault::{Bounds, Change, Kept, MAX_VALUE, MOST_BYTES, OnChange, Owner, Place, Vault};

use crate::wire::unescape::Unescape;

/// The tokens of one principal at one time.
#[derive(Clone, Debug)]
pub struct Tokens {
    vault: Arc<Vault>,
    owner: Owner,
    now: u64,
}

impl Tokens {
    /// Those of an app and a credential's digest. `now` is in seconds since 1970; what is good then stays good.
    pub fn new(vault: &Arc<Vault>, app: &str, credential: Option<&str>, now: u64) -> Tokens {
        Tokens { vault: Arc::clone(vault), owner: vault.owner(app, credential), now }
    }

    /// The token of a value, see [`Vault::token`]; `None` also for what is not UTF-8.
    pub fn token(&self, rule: &str, value: &[u8]) -> Option<String> {
        self.vault.token(self.owner, rule, std::str::from_utf8(value).ok()?, self.now)
    }

    /// The value of a token, see [`Vault::value`].
    pub fn value(&self, token: &[u8]) -> Option<Arc<str>> {
        self.vault.value(self.owner, token, self.now)
    }

    /// Appends the tokens in one whole text; places count in `text`. With `json` the text is JSON itself, and `inner` is
    /// scratch space for it. `plain` as in [`Restorer::new`].
    pub fn find(&self, text: &[u8], json: bool, plain: bool, inner: &mut Vec<u8>, found: &mut Vec<Restored>) {
        if memchr::memchr(b'[', text).is_none() {
            return;
        }
        let mut restorer = Restorer::new(self.clone(), plain);
        if !json || memchr::memchr(b'\\', text).is_none() {
            return restorer.push(text, found);
        }
        inner.clear();
        let mut unescape = Unescape::default();
        unescape.push(text, inner);
        unescape.finish(inner);
        let from = found.len();
        restorer.push(inner, found);
        for restored in &mut found[from..] {
            restored.start = unescape.source_start(restored.start);
            restored.end = unescape.source_end(restored.end);
        }
    }
}
