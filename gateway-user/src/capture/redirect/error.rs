//! Why nftables cannot steer.

use std::io;
use std::path::PathBuf;

/// Why nftables cannot steer.
#[derive(Debug, thiserror::Error)]
pub enum RedirectError {
    /// There is no `nft`.
    #[error("the program `nft` is not installed: install the package nftables")]
    NoProgram,
    /// `nft` cannot be started or spoken to.
    #[error("cannot run `nft`: {0}")]
    Run(#[source] io::Error),
    /// `nft`, or the kernel behind it, refused.
    #[error("nftables refuses to {what}: {said}")]
    Refused {
        /// What was tried.
        what: &'static str,
        /// Its own words, on one line.
        said: String,
    },
    /// `nft` resolves cgroups below `/sys/fs/cgroup` only.
    #[error("nft does not find cgroup {}: it looks below /sys/fs/cgroup only; mount cgroup v2 there", .0.display())]
    Elsewhere(PathBuf),
    /// The whole system.
    #[error("{} is the root cgroup, which nftables cannot match: name a cgroup below it", .0.display())]
    Root(PathBuf),
    /// The path cannot be written into a rule.
    #[error("nft cannot name cgroup {}: its path has a quotation mark or is not UTF-8", .0.display())]
    Unnameable(PathBuf),
    /// Learning addresses needs the kernel programs.
    #[error(
        "`steer: known` needs eBPF, as only kernel programs see DNS answers: use `steer: tls` with nftables"
    )]
    Scope,
    /// The cgroup cannot be locked.
    #[error("cannot lock cgroup {}: {source}", path.display())]
    Lock {
        /// The cgroup.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}
