//! Reversible tokens: values in requests are replaced by tokens, and replies get the values back.
//!
//! A [`Vault`] knows which value each token stands for, a [`Tokens`] is its view for one exchange of one principal, a
//! [`Restorer`] finds tokens in a running text. The token of a value depends only on the installation's key, the
//! principal, the rule and the value, so that the same conversation gives the provider the same bytes in every turn.

mod apart;
mod form;
mod held;
mod kept;
mod known;
mod restorer;
mod vault;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use apart::{Apart, sift};
pub use form::{Code, MAX_TOKEN};
pub use kept::{Kept, Owner, Place, Standing};
pub use known::Known;
pub use restorer::{Restored, Restorer};
pub use vault::{Bounds, Change, MAX_VALUE, MOST_BYTES, OnChange, Vault};

use crate::inspect::request::scan_string;
use crate::inspect::{Action, Engine, Finding, RuleIndex};
use crate::wire::event::Direction;
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

    /// The token of a value that a rule of `engine` found, see [`Vault::token`]; `None` also for what is not UTF-8.
    pub fn token(&self, engine: &Engine, rule: RuleIndex, value: &[u8]) -> Option<String> {
        let text = std::str::from_utf8(value).ok()?;
        let alone = || {
            let mut found = Vec::new();
            scan_string(engine, Direction::Request, value, false, &mut Vec::new(), &mut found);
            found.iter().any(|one| {
                (one.rule, one.action, one.start, one.end) == (rule, Action::Tokenize, 0, value.len() as u64)
            })
        };
        self.vault.token(self.owner, &engine.rule(rule).id, text, self.now, alone)
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
        let from = found.len();
        let (text, undone) = plain_text(text, json, inner);
        restorer.push(text, found);
        for restored in &mut found[from..] {
            restored.start = undone.source_start(restored.start);
            restored.end = undone.source_end(restored.end);
        }
    }

    /// Appends the values in one whole text of a request that the app got back before, and that the rules did not find;
    /// otherwise as [`Tokens::find`].
    pub fn recognise(
        &self,
        engine: &Engine,
        known: &Known,
        text: &[u8],
        json: bool,
        inner: &mut Vec<u8>,
        found: &mut Vec<Finding>,
    ) {
        let from = found.len();
        let (text, undone) = plain_text(text, json, inner);
        known.find(engine, text, found);
        for finding in &mut found[from..] {
            finding.start = undone.source_start(finding.start);
            finding.end = undone.source_end(finding.end);
        }
    }

    /// What [`Tokens::recognise`] looks for, see [`Vault::known`].
    pub fn known(&self) -> Option<Arc<Known>> {
        self.vault.known(self.owner)
    }
}

/// A text without the escapes of JSON, if it is JSON and has any; and the way back to its own places.
fn plain_text<'t>(text: &'t [u8], json: bool, inner: &'t mut Vec<u8>) -> (&'t [u8], Unescape) {
    let mut undone = Unescape::default();
    if !json || memchr::memchr(b'\\', text).is_none() {
        return (text, undone);
    }
    inner.clear();
    undone.push(text, inner);
    undone.finish(inner);
    (inner, undone)
}
