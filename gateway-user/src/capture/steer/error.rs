//! Why steering could not be set up or changed.

use crate::capture::cgroup::CgroupError;
use crate::capture::preflight::Missing;
use std::io;
use std::path::PathBuf;

/// Why steering could not be set up or changed.
#[derive(Debug, thiserror::Error)]
pub enum SteerError {
    /// The system lacks something steering needs.
    #[error("steering cannot work here: {}", list(.0))]
    NotReady(Vec<Missing>),
    /// The cgroup is not usable.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// Another gateway serves this cgroup.
    #[error("cgroup {} is served by another gateway: stop it, or run `gateway detach` first", .0.display())]
    InUse(PathBuf),
    /// There is nothing to look at or to change.
    #[error("nothing is attached to {}: run `gateway attach` first", .0.display())]
    NotAttached(PathBuf),
    /// Too many destinations or hosts for the kernel's tables.
    #[error("{count} {what} are too many to steer: at most {limit} fit")]
    TooMany {
        /// Endpoints or known hosts.
        what: &'static str,
        /// How many were asked for.
        count: usize,
        /// The bound.
        limit: u32,
    },
    /// A host pattern that is neither a name nor `*.` and a name.
    #[error("`{0}` is not a host: write `api.example.com` or `*.example.com`")]
    BadHost(String),
    /// The kernel refused the object as a whole.
    #[error("the kernel does not take the steering object: {0}; please report it with `uname -r`")]
    Load(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The kernel refused one program.
    #[error("cannot attach kernel program `{program}` to {}: {source}", cgroup.display())]
    Attach {
        /// Its name.
        program: &'static str,
        /// The cgroup.
        cgroup: PathBuf,
        /// What the kernel said; the verifier's log where it was the verifier.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A kernel table cannot be read or written.
    #[error("cannot use kernel table `{table}`: {source}")]
    Table {
        /// Its name.
        table: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The bpf file system refused.
    #[error("cannot {what} {}: {source}", path.display())]
    Pin {
        /// What was tried.
        what: &'static str,
        /// Under `/sys/fs/bpf/gateway`.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// nftables cannot steer.
    #[error(transparent)]
    Redirect(#[from] crate::capture::RedirectError),
    /// The kernel does not tell which network namespace this is.
    #[error("cannot read the network namespace's cookie: {0}; Linux 5.14 or newer is needed")]
    Namespace(#[source] io::Error),
}

fn list(missing: &[Missing]) -> String {
    missing.iter().map(Missing::to_string).collect::<Vec<_>>().join("; ")
}
