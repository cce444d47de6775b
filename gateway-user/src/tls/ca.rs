//! Our own certificate authority: a root whose key is thrown away, and the issuing CA it signed for some hosts only.
//!
//! The issuing CA is name-constrained (RFC 5280 §4.2.1.10) to the hosts that are intercepted, so whoever steals
//! its key can impersonate nothing else. The constraint stands on the second tier because Java ignores it on roots.

mod create;
mod read;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rcgen::{Issuer, KeyPair};
use rustls::pki_types::CertificateDer;

use super::files::{self, FileError};

pub use create::VALIDITY_DAYS;

/// The root certificate, PEM: what clients are to trust.
pub const ROOT_FILE: &str = "root.pem";
/// The issuing certificate, PEM, signed by the root.
pub const ISSUING_FILE: &str = "issuing.pem";
/// The issuing CA's key, PKCS#8 PEM; the only secret.
pub const KEY_FILE: &str = "issuing.key";

/// What can go wrong with the authority.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A file of the authority cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// No authority stands in the folder yet.
    #[error("there is no certificate authority in {0}; run `gateway trust init`")]
    Missing(PathBuf),
    /// A file holds something else than it should.
    #[error("{path} is damaged ({wrong}); run `gateway trust init --renew` and install the new root")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        wrong: String,
    },
    /// A host to permit is not a DNS name or `*.` and a DNS name.
    #[error("`{host}` cannot be permitted: {wrong}")]
    Host {
        /// The host as given.
        host: String,
        /// What is wrong with it.
        wrong: &'static str,
    },
    /// No host was given to permit; a CA without constraints is never made.
    #[error("no host to permit was given; name at least one intercepted host")]
    NoHosts,
    /// The cryptographic library refused.
    #[error("cannot make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
}

/// An opened authority: the two certificates, the issuing key, and what it may sign for.
pub struct Authority {
    root: Tier,
    issuing: Tier,
    permitted: Vec<String>,
    issuer: Issuer<'static, KeyPair>,
}

/// One certificate of the authority.
#[derive(Clone, Debug)]
pub struct Tier {
    /// The certificate.
    pub der: CertificateDer<'static>,
    /// The same as PEM text.
    pub pem: String,
    /// The distinguished name it bears.
    pub subject: String,
    /// From when it is valid.
    pub not_before: SystemTime,
    /// Until when it is valid.
    pub not_after: SystemTime,
}

impl Tier {
    /// The certificate's SHA-256 fingerprint as browsers and `openssl x509 -fingerprint` show it, `AB:CD:…`.
    pub fn fingerprint(&self) -> String {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &self.der);
        let pairs: Vec<String> = digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
        pairs.join(":")
    }
}

impl Authority {
    /// Opens the authority in a folder, or makes one for these hosts when there is none.
    ///
    /// `permitted` are host names (`api.openai.com`) and wildcards (`*.openai.azure.com`); each permits itself and
    /// every name below it, which is how name constraints work. The folder becomes 0700, the key 0600. Two
    /// processes that create at once end up with the same authority.
    ///
    /// # Errors
    /// As [`AuthorityError`] says; an existing authority is never overwritten.
    pub fn create(folder: &Path, permitted: &[String]) -> Result<Authority, AuthorityError> {
        files::make_folder(folder, 0o700)?;
        let _lock = files::lock_folder(folder)?;
        match Authority::open(folder) {
            Err(AuthorityError::Missing(_)) => create::write(folder, permitted),
            opened => opened,
        }
    }

    /// Replaces the authority in a folder by a new one for these hosts. The new root must be installed again.
    ///
    /// # Errors
    /// As [`AuthorityError`] says.
    pub fn renew(folder: &Path, permitted: &[String]) -> Result<Authority, AuthorityError> {
        files::make_folder(folder, 0o700)?;
        let _lock = files::lock_folder(folder)?;
        create::write(folder, permitted)
    }

    /// Opens the authority in a folder.
    ///
    /// # Errors
    /// [`AuthorityError::Missing`] when the folder holds no key, [`AuthorityError::Damaged`] when the three files
    /// do not belong together. An expired authority opens; leaves say that it is expired.
    pub fn open(folder: &Path) -> Result<Authority, AuthorityError> {
        read::open(folder)
    }

    /// Whether the authority may sign for this host (lower case).
    pub fn permits(&self, host: &str) -> bool {
        self.permitted.iter().any(|subtree| within(host, subtree))
    }

    /// Those of `hosts` (names or `*.` wildcards) that the authority may not sign for: `trust init --renew` is due.
    pub fn not_permitted<'a>(&self, hosts: &'a [String]) -> Vec<&'a str> {
        let name = |host: &'a String| host.strip_prefix("*.").unwrap_or(host);
        hosts
            .iter()
            .filter(|host| !self.permits(&name(host).to_ascii_lowercase()))
            .map(String::as_str)
            .collect()
    }

    /// The DNS subtrees it may sign for, sorted.
    pub fn permitted(&self) -> &[String] {
        &self.permitted
    }

    /// The root: what clients trust.
    pub fn root(&self) -> &Tier {
        &self.root
    }

    /// The issuing CA: what is sent after each leaf.
    pub fn issuing(&self) -> &Tier {
        &self.issuing
    }

    /// Signs leaves.
    pub(super) fn issuer(&self) -> &Issuer<'static, KeyPair> {
        &self.issuer
    }
}

/// Shows what it is and never the key.
impl std::fmt::Debug for Authority {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Authority")
            .field("root", &self.root.subject)
            .field("permitted", &self.permitted)
            .finish()
    }
}

/// Whether a host is the subtree's name or below it (RFC 5280 §4.2.1.10, dNSName).
fn within(host: &str, subtree: &str) -> bool {
    host.strip_suffix(subtree).is_some_and(|below| below.is_empty() || below.ends_with('.'))
}

#[cfg(test)]
mod tests;
