//! Prints each effective value with where it came from.

use serde::Serialize;

use super::Config;
use super::keys::KEYS;
use super::problem::Origin;

/// One key of the effective configuration, for people and machines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// The key, with dots between the blocks.
    pub key: &'static str,
    /// The value, in the form it is written in.
    pub value: String,
    /// Where it came from: `built-in`, `file:line:column`, a variable or an argument.
    pub origin: String,
    /// What it means, with bounds and unit.
    pub about: &'static str,
    /// The variable that would set it.
    pub variable: String,
}

impl Config {
    /// Every key with its effective value and where it came from, in the order of the table of keys.
    pub fn explain(&self) -> Vec<Explained> {
        let one = |(key, origin): (&super::keys::Key, &Origin)| Explained {
            key: key.name,
            value: (key.show)(self),
            origin: origin.to_string(),
            about: key.about,
            variable: key.variable(),
        };
        KEYS.iter().zip(&self.origins).map(one).collect()
    }

    /// What is different for this app from the gateway's top level, in the order of the table of keys.
    pub fn explain_over(&self, top: &Config) -> Vec<Explained> {
        let all = self.explain().into_iter().zip(top.explain());
        let differs = |(own, top): &(Explained, Explained)| {
            own.key != "apps" && (&own.value, &own.origin) != (&top.value, &top.origin)
        };
        all.filter(differs).map(|(own, _)| own).collect()
    }

    /// Where a key's value came from; built-in for a key that is not known.
    pub fn origin(&self, key: &str) -> &Origin {
        let at = KEYS.iter().position(|known| known.name == key);
        at.map_or(&Origin::BuiltIn, |at| &self.origins[at])
    }
}
