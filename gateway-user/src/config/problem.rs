//! Where a value came from, and what is wrong with one.

use std::fmt;
use std::path::PathBuf;

/// The layer a value came from; later ones win: built-in, file, environment, arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The gateway's own default.
    BuiltIn,
    /// A configuration file, with line and column, both from 1; 0 when unknown.
    File {
        /// The file.
        path: PathBuf,
        /// The line.
        line: u64,
        /// The column.
        column: u64,
    },
    /// An environment variable.
    Variable(String),
    /// An argument of the command line, such as `--mode`.
    Argument(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::BuiltIn => out.write_str("built-in"),
            Origin::File { path, line: 0, .. } => write!(out, "{}", path.display()),
            Origin::File { path, line, column } => write!(out, "{}:{line}:{column}", path.display()),
            Origin::Variable(name) => out.write_str(name),
            Origin::Argument(flag) => out.write_str(flag),
        }
    }
}

/// One thing that is wrong with the configuration: where, what, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: {message}{}", .hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default())]
pub struct Problem {
    /// Where.
    pub origin: Origin,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem without a hint.
    pub(super) fn new(origin: &Origin, message: impl Into<String>) -> Problem {
        Problem { origin: origin.clone(), message: message.into(), hint: None }
    }

    /// The same with a hint, if there is one.
    pub(super) fn hint(self, hint: Option<String>) -> Problem {
        Problem { hint, ..self }
    }
}
