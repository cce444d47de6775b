//! Which programs will trust our CA, found out by letting their own runtimes try, and what upstreams answer us.
//!
//! A program that does not trust the CA fails at its first request, often with a message that says nothing. So each
//! runtime found in a cgroup makes a real handshake with a leaf of our CA, as the user, with the variables and in the
//! namespaces of its process. What cannot be made to shake hands is judged by the files it reads, and what reads none
//! is called what it is: not to be inspected. Invariant: nothing that is looked at is changed.

mod enter;
mod examine;
mod fix;
mod launch;
mod listener;
mod machine;
mod markers;
mod probe;
mod process;
mod roots;
mod runtime;
pub mod upstream;

use std::path::PathBuf;

use serde::Serialize;

pub use examine::{Examined, Examiner};
pub use fix::quoted;
pub use machine::{Check, State, machine};
pub use process::Unreadable;

use crate::tls::{AuthorityError, LeafError, TrustError};

/// Why nothing could be examined at all.
#[derive(Debug, thiserror::Error)]
pub enum DoctorError {
    /// The CA cannot be opened.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The CA cannot be opened.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// There is no leaf to shake hands with.
    #[error(transparent)]
    Leaf(#[from] LeafError),
    /// The process is not there.
    #[error("there is no process {0}: it has ended, or lives in a pid namespace that is not below this one")]
    NoProcess(u32),
    /// A cgroup without processes.
    #[error("no process is in {0}: start the service first, or name another cgroup")]
    Empty(PathBuf),
}

/// What became of a runtime's trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It will refuse our certificates.
    WillFail,
    /// It reads no store that could be changed: relay or refuse its hosts.
    CannotBeInspected,
    /// Nobody knows; the reason says why.
    NotTried,
    /// It will accept our certificates.
    WillWork,
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.pad(match self {
            Verdict::WillFail => "will fail",
            Verdict::CannotBeInspected => "cannot be inspected",
            Verdict::NotTried => "not tried",
            Verdict::WillWork => "will work",
        })
    }
}

/// How a verdict was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// The runtime itself shook hands, or refused to.
    Handshake,
    /// The files it reads were read.
    Files,
    /// What is known of its kind.
    Known,
}

/// One client library of one runtime, with the processes that share everything that matters to it.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// The processes, smallest number first.
    pub pids: Vec<u32>,
    /// Their program, with the script it runs, such as `python3.11 app.py`.
    pub process: String,
    /// The runtime with its version where it told one, such as `Python 3.11.2`.
    pub runtime: String,
    /// The client library within it, such as `requests`; empty where the runtime is the client.
    pub client: String,
    /// The outcome.
    pub verdict: Verdict,
    /// How it was reached.
    pub evidence: Evidence,
    /// Why, in one line: the client's own words where it had some.
    pub reason: String,
    /// One line to paste that mends it; `None` where nothing needs mending or nothing can.
    pub fix: Option<String>,
    /// Whether a second handshake with the mended environment succeeded.
    pub proven: bool,
}
