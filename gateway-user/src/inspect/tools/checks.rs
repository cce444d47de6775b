//! The built-in checks of arguments: which of them are paths, addresses and shell commands.

use std::sync::Arc;

use crate::config::Tools;
use crate::inspect::tools::arguments::Argument;
use crate::inspect::tools::{Because, Disk};

/// The checks that are on.
#[derive(Debug)]
pub struct Checks {
    _tools: Tools,
    _disk: Arc<dyn Disk>,
}

impl Checks {
    pub fn new(tools: &Tools, disk: Arc<dyn Disk>) -> Checks {
        Checks { _tools: tools.clone(), _disk: disk }
    }

    pub fn any(&self) -> bool {
        false
    }

    pub fn judge(&self, _name: &str, _values: &[Argument]) -> Option<Because> {
        None
    }
}
