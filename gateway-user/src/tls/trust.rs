//! Makes clients trust our root: the union bundle, the variables that name it, and the system's store.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use pem::{EncodeConfig, LineEnding};
use rustls::pki_types::CertificateDer;
use serde::Serialize;

use super::ca::Tier;
use super::files::{self, FileError};
use super::system::{self, StoreError, SystemStore};
use super::{Authority, AuthorityError, pkcs12};

mod variables;

pub use variables::{JAVA_STORE, Names, VARIABLES, Variable, java_option};

/// What can go wrong with trust.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The authority cannot be made or opened.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// A bundle cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The system's store cannot be changed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The authority's folder below the state folder: 0700, it holds the key.
const AUTHORITY_FOLDER: &str = "authority";
/// The public folder below the state folder: 0755, clients under other users read it.
const TRUST_FOLDER: &str = "trust";
const BUNDLE_FILE: &str = "bundle.pem";
const ROOT_FILE: &str = "root.pem";
const JAVA_FILE: &str = "roots.p12";

/// The authority of a state folder together with what clients need to trust it.
pub struct Trust {
    authority: Arc<Authority>,
    state: PathBuf,
}

/// What `gateway trust show` tells.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// The root, which clients trust.
    pub root: ShownTier,
    /// The issuing CA, which signs.
    pub issuing: ShownTier,
    /// The DNS names, each with everything below it, that the issuing CA may sign for.
    pub permitted: Vec<String>,
    /// The union bundle.
    pub bundle: PathBuf,
    /// The anchor in the system's store, if the root is installed there.
    pub installed: Option<PathBuf>,
    /// The variables that make programs trust the root.
    pub environment: Vec<(&'static str, String)>,
}

/// One certificate, for people.
#[derive(Clone, Debug, Serialize)]
pub struct ShownTier {
    /// The distinguished name.
    pub subject: String,
    /// SHA-256, `AB:CD:…`.
    pub fingerprint: String,
    /// From when it is valid, RFC 3339 in UTC.
    pub not_before: String,
    /// Until when it is valid, RFC 3339 in UTC.
    pub not_after: String,
}

impl Trust {
    /// Opens the authority below this state folder, or makes one for these hosts, and publishes the bundle.
    ///
    /// # Errors
    /// As [`Authority::create`], and when the bundle cannot be written.
    pub fn init(state: &Path, permitted: &[String]) -> Result<Trust, TrustError> {
        Trust::published(state, Authority::create(&state.join(AUTHORITY_FOLDER), permitted)?)
    }

    /// Replaces the authority by a new one for these hosts and publishes its bundle.
    ///
    /// # Errors
    /// As [`Authority::renew`], and when the bundle cannot be written.
    pub fn renew(state: &Path, permitted: &[String]) -> Result<Trust, TrustError> {
        Trust::published(state, Authority::renew(&state.join(AUTHORITY_FOLDER), permitted)?)
    }

    /// Opens the authority below this state folder; writes nothing.
    ///
    /// # Errors
    /// As [`Authority::open`].
    pub fn open(state: &Path) -> Result<Trust, TrustError> {
        let authority = Arc::new(Authority::open(&state.join(AUTHORITY_FOLDER))?);
        Ok(Trust { authority, state: absolute(state) })
    }

    fn published(state: &Path, authority: Authority) -> Result<Trust, TrustError> {
        let trust = Trust { authority: Arc::new(authority), state: absolute(state) };
        trust.publish()?;
        Ok(trust)
    }

    /// The authority.
    pub fn authority(&self) -> &Arc<Authority> {
        &self.authority
    }

    /// Writes the root and the union bundle where clients can read them: the system's roots, ours, and those in
    /// files that this process's own environment names by a variable that [`Trust::environment`] will replace.
    /// Files that already hold the same are left alone.
    ///
    /// # Errors
    /// When the folder cannot be made or a file cannot be written.
    pub fn publish(&self) -> Result<(), TrustError> {
        self.publish_over(|name| std::env::var_os(name))
    }

    /// The same where there are no such files yet, or those of another root; files with our root are left alone, which
    /// another caller's environment may have added to.
    ///
    /// # Errors
    /// As [`Trust::publish`].
    pub fn publish_missing(&self) -> Result<(), TrustError> {
        let current = system::file(&self.bundle()).contains(&self.authority.root().der);
        if current && self.public(JAVA_FILE).exists() { Ok(()) } else { self.publish() }
    }

    fn publish_over(&self, caller: impl Fn(&str) -> Option<OsString>) -> Result<(), TrustError> {
        files::make_folder(&self.state.join(TRUST_FOLDER), 0o755)?;
        // The app may run as another user than the gateway; what is secret has folders and files of its own.
        files::let_through(&self.state)?;
        let union = self.union(caller);
        let lines = EncodeConfig::new().set_line_ending(LineEnding::LF);
        let pem = |root: &CertificateDer<'_>| {
            pem::encode_config(&pem::Pem::new("CERTIFICATE", root.as_ref()), lines)
        };
        let bundle: String = union.iter().map(pem).collect();
        write_changed(&self.public(ROOT_FILE), self.export().as_bytes())?;
        write_changed(&self.public(BUNDLE_FILE), bundle.as_bytes())?;
        write_changed(&self.public(JAVA_FILE), &pkcs12::trust_store(&union))?;
        Ok(())
    }

    /// The variables that make programs trust the root, and what each is to be set to for a program that has this
    /// process's own environment. Call [`Trust::publish`] first.
    ///
    /// Where that environment adds roots already (`NODE_EXTRA_CA_CERTS`), the union is named, which holds those too.
    pub fn environment(&self) -> Vec<(&'static str, OsString)> {
        self.environment_over(|name| std::env::var_os(name))
    }

    /// The same for a program that has these variables, of which [`VARIABLES`] matter.
    pub fn environment_over(
        &self,
        caller: impl Fn(&str) -> Option<OsString>,
    ) -> Vec<(&'static str, OsString)> {
        let files = variables::Files {
            union: self.public(BUNDLE_FILE),
            ours: self.public(ROOT_FILE),
            java: self.public(JAVA_FILE),
        };
        variables::environment(&files, caller)
    }

    /// The union bundle's path.
    pub fn bundle(&self) -> PathBuf {
        self.public(BUNDLE_FILE)
    }

    /// The root's path: a file for programs that add to their roots.
    pub fn root_file(&self) -> PathBuf {
        self.public(ROOT_FILE)
    }

    /// The root as PEM text.
    pub fn export(&self) -> &str {
        &self.authority.root().pem
    }

    /// Puts the root into the system's store. False when it was there already.
    ///
    /// A root of the same state folder from before a renewal is replaced.
    ///
    /// # Errors
    /// As [`SystemStore::install`].
    pub fn install(&self, store: &SystemStore) -> Result<bool, TrustError> {
        let name = anchor_name(&self.state);
        if store.path(&name).exists() && !store.holds(&name, self.export()) {
            // The system's tools notice anchors that come and go, not ones whose content changes.
            store.uninstall(&name)?;
        }
        Ok(store.install(&name, self.export())?)
    }

    /// Tells what there is and where the root is installed.
    pub fn show(&self, store: Option<&SystemStore>) -> Shown {
        let name = anchor_name(&self.state);
        let installed =
            store.filter(|store| store.holds(&name, self.export())).map(|store| store.path(&name));
        Shown {
            root: shown_tier(self.authority.root()),
            issuing: shown_tier(self.authority.issuing()),
            permitted: self.authority.permitted().to_vec(),
            bundle: self.bundle(),
            installed,
            environment: self
                .environment()
                .into_iter()
                .map(|(name, value)| (name, value.to_string_lossy().into_owned()))
                .collect(),
        }
    }

    fn public(&self, file: &str) -> PathBuf {
        self.state.join(TRUST_FOLDER).join(file)
    }

    /// Our root, the system's roots, and what the caller's own variables name: replacing must take nothing away.
    fn union(&self, caller: impl Fn(&str) -> Option<OsString>) -> Vec<CertificateDer<'static>> {
        let ours = self.state.join(TRUST_FOLDER);
        // Our own bundle, seen from inside `gateway run`, may hold a root from before a renewal.
        let named: HashSet<PathBuf> =
            variables::named(caller).filter(|path| !path.starts_with(&ours)).collect();
        let mut seen = HashSet::new();
        [self.authority.root().der.clone()]
            .into_iter()
            .chain(system::certificates_beside(Some(&ours)))
            .chain(named.iter().flat_map(|path| system::file(path)))
            .filter(|certificate| seen.insert(certificate.clone()))
            .collect()
    }
}

/// Takes the root of a state folder out of the system's store; works when the authority itself is gone.
/// False when it was not there.
///
/// # Errors
/// As [`SystemStore::uninstall`].
pub fn uninstall(state: &Path, store: &SystemStore) -> Result<bool, TrustError> {
    Ok(store.uninstall(&anchor_name(state))?)
}

/// The anchor's name: the same for a state folder whatever its root, so that renewals replace each other.
fn anchor_name(state: &Path) -> String {
    let state = state.canonicalize().unwrap_or_else(|_| state.to_owned());
    let digest = digest(&SHA256, state.as_os_str().as_encoded_bytes());
    let short: String = digest.as_ref().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("gateway-{short}")
}

/// The path as programs need it that run in other folders.
fn absolute(state: &Path) -> PathBuf {
    std::path::absolute(state).unwrap_or_else(|_| state.to_owned())
}

fn write_changed(path: &Path, content: &[u8]) -> Result<(), FileError> {
    match std::fs::read(path) {
        Ok(written) if written == content => Ok(()),
        _ => files::write_whole(path, content, 0o644),
    }
}

fn shown_tier(tier: &Tier) -> ShownTier {
    let moment = |time| Timestamp::try_from(time).unwrap_or(Timestamp::MAX).to_string();
    ShownTier {
        subject: tier.subject.clone(),
        fingerprint: tier.fingerprint(),
        not_before: moment(tier.not_before),
        not_after: moment(tier.not_after),
    }
}

#[cfg(test)]
mod tests;
