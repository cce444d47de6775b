//! The catalog file as written.

use serde::Deserialize;

use crate::provider::Class;

/// A catalog file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) providers: Vec<Provider>,
}

/// One provider with its hosts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Provider {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) hosts: Vec<String>,
    #[serde(default)]
    pub(super) ask_usage: bool,
    #[serde(default)]
    pub(super) routes: Vec<Row>,
}

/// One route; the first row that fits decides.
#[derive(Debug, Deserialize)]
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
