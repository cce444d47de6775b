//! The catalog file as written.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::Deserialize;

use crate::provider::Class;

/// A catalog file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// Routes that many providers have in common, by name.
    #[serde(default)]
    pub(super) apis: BTreeMap<String, Vec<Row>>,
    /// Lists of regions, by name.
    #[serde(default)]
    pub(super) regions: BTreeMap<String, Vec<String>>,
    pub(super) providers: Vec<Provider>,
}

/// One provider with its hosts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Provider {
    pub(super) id: String,
    pub(super) name: String,
    #[serde(default = "other")]
    pub(super) family: String,
    /// Names; `{region}` in one stands for every region of [`Provider::regions`].
    #[serde(default)]
    pub(super) hosts: Vec<String>,
    /// Name of a list of regions.
    pub(super) regions: Option<String>,
    /// Where its hosts without `{region}` in their names stand.
    pub(super) region: Option<String>,
    /// Addresses at which a local engine serves plain HTTP.
    #[serde(default)]
    pub(super) endpoints: Vec<SocketAddr>,
    /// Headers that carry the credential, each with its scheme.
    #[serde(default = "bearer")]
    pub(super) auth: Vec<String>,
    #[serde(default)]
    pub(super) ask_usage: bool,
    /// By name of an API, the paths below which it stands.
    #[serde(default)]
    pub(super) apis: BTreeMap<String, Vec<String>>,
    /// Looked at before those of `apis`.
    #[serde(default)]
    pub(super) routes: Vec<Row>,
}

/// One route; the first row that fits decides.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    /// Without one, every method.
    pub(super) method: Option<String>,
    pub(super) path: String,
    #[serde(default = "inference")]
    pub(super) class: Class,
    #[serde(default = "opaque")]
    pub(super) dialect: String,
    pub(super) operation: String,
    #[serde(default = "charged")]
    pub(super) charged: bool,
    /// Its replies stream, whatever the request's body says.
    #[serde(default)]
    pub(super) streams: bool,
}

fn other() -> String {
    "other".to_owned()
}

fn bearer() -> Vec<String> {
    vec!["authorization: Bearer".to_owned()]
}

fn inference() -> Class {
    Class::Inference
}

fn opaque() -> String {
    "opaque".to_owned()
}

fn charged() -> bool {
    true
}
