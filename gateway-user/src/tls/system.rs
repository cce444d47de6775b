//! The system's store of trusted roots: where it is, what it holds, and how a root is put in and taken out.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustls::pki_types::CertificateDer;

use super::files::{self, FileError};

/// What can go wrong with the system's store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// None of the known layouts is there.
    #[error(
        "no known system trust store here; set the variables that `gateway trust show` lists, or copy the root by hand"
    )]
    Unknown,
    /// The anchor file cannot be written or removed; most often the caller is not root.
    #[error("{0}; the system trust store needs root")]
    File(#[from] FileError),
    /// The system's own tool failed.
    #[error("`{tool}` failed: {reason}; is the package ca-certificates installed?")]
    Tool {
        /// The command.
        tool: String,
        /// Its error output, or why it did not start.
        reason: String,
    },
}

/// A system trust store: a folder of local anchors, and the tool that takes them into the bundle programs read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemStore {
    /// Where local anchors lie, one PEM file each.
    pub anchors: PathBuf,
    /// The tool and its arguments.
    pub refresh: Vec<String>,
    /// Debian's list of chosen certificates, where there is one.
    pub chosen: Option<PathBuf>,
}

/// The layouts known: Debian, Ubuntu and Alpine; Fedora and RHEL; SUSE, newer and older; Arch. Each: anchors, tool, chosen.
const LAYOUTS: [(&str, &[&str], Option<&str>); 5] = [
    ("usr/local/share/ca-certificates", &["update-ca-certificates"], Some("etc/ca-certificates.conf")),
    ("etc/pki/ca-trust/source/anchors", &["update-ca-trust", "extract"], None),
    ("etc/pki/trust/anchors", &["update-ca-certificates"], None),
    ("usr/share/pki/trust/anchors", &["update-ca-certificates"], None),
    ("etc/ca-certificates/trust-source/anchors", &["update-ca-trust"], None),
];

impl SystemStore {
    /// The store of the system under `root` (`/`, or an image's root in tests).
    ///
    /// # Errors
    /// [`StoreError::Unknown`] when no known layout is there.
    pub fn find(root: &Path) -> Result<SystemStore, StoreError> {
        let found =
            LAYOUTS.iter().find(|(anchors, ..)| root.join(anchors).is_dir()).ok_or(StoreError::Unknown)?;
        let (anchors, tool, chosen) = found;
        Ok(SystemStore {
            anchors: root.join(anchors),
            refresh: tool.iter().map(|part| (*part).to_owned()).collect(),
            chosen: chosen.map(|path| root.join(path)).filter(|path| path.is_file()),
        })
    }

    /// Puts an anchor in and refreshes. False when the very same anchor was already there: nothing is done then.
    ///
    /// # Errors
    /// When the file cannot be written or the tool fails; the anchor is then taken out again.
    pub fn install(&self, name: &str, pem: &str) -> Result<bool, StoreError> {
        if self.holds(name, pem) {
            return Ok(false);
        }
        let path = self.path(name);
        let before = std::fs::read(&path).ok();
        files::write_whole(&path, pem.as_bytes(), 0o644)?;
        let refreshed = self.run(&[]);
        if refreshed.is_err() {
            match before {
                Some(content) => files::write_whole(&path, &content, 0o644)?,
                None => files::remove(&path)?,
            }
        }
        refreshed.map(|()| true)
    }

    /// Takes an anchor out and refreshes. False when it was not there.
    ///
    /// # Errors
    /// When the file cannot be removed or the tool fails.
    pub fn uninstall(&self, name: &str) -> Result<bool, StoreError> {
        let path = self.path(name);
        if !path.exists() {
            return Ok(false);
        }
        files::remove(&path)?;
        self.withdraw(name).map(|()| true)
    }

    /// Has the tool forget an anchor whose file is gone.
    fn withdraw(&self, name: &str) -> Result<(), StoreError> {
        let Some(chosen) = &self.chosen else { return self.run(&[]) };
        // Debian's tool leaves dangling links, and the anchor in Java's store, unless it is told by a `!` line.
        let list = self.anchors.join(format!("{name}.withdrawn"));
        let text = std::fs::read(chosen).unwrap_or_default();
        files::write_whole(&list, &[&text[..], format!("\n!{name}.crt\n").as_bytes()].concat(), 0o644)?;
        let done = self.run(&["--certsconf".as_ref(), list.as_os_str()]);
        files::remove(&list)?;
        // Alpine's tool of the same name has no such option, and needs none: it forgets by itself.
        done.or_else(|_| self.run(&[]))
    }

    /// Whether exactly this anchor is in the store.
    pub fn holds(&self, name: &str, pem: &str) -> bool {
        std::fs::read(self.path(name)).is_ok_and(|content| content == pem.as_bytes())
    }

    /// Where an anchor of this name lies. `.crt` is the one ending all layouts take.
    pub fn path(&self, name: &str) -> PathBuf {
        self.anchors.join(format!("{name}.crt"))
    }

    fn run(&self, more: &[&OsStr]) -> Result<(), StoreError> {
        let failed = |reason: String| StoreError::Tool { tool: self.refresh.join(" "), reason };
        let (tool, arguments) =
            self.refresh.split_first().ok_or_else(|| failed("no tool is named".to_owned()))?;
        let output = Command::new(tool).args(arguments).args(more).stdin(Stdio::null()).output();
        let output = output.map_err(|error| failed(error.to_string()))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(failed(format!("{}, {}", output.status, said.trim())))
    }
}

/// Bundles that distributions keep their public roots in, the most common first.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The certificates of the system's store: what `SSL_CERT_FILE` and `SSL_CERT_DIR` name, or the distribution's
/// bundle. Empty when there is none.
pub fn certificates() -> Vec<CertificateDer<'static>> {
    certificates_beside(None)
}

/// The same, but what the variables name below the folder `ours` is not the system's.
pub fn certificates_beside(ours: Option<&Path>) -> Vec<CertificateDer<'static>> {
    let names = |variable| {
        let value = std::env::var_os(variable).map(PathBuf::from);
        value.is_some_and(|path| ours.is_none_or(|ours| !path.starts_with(ours)))
    };
    let named = names("SSL_CERT_FILE") || names("SSL_CERT_DIR");
    let bundle = BUNDLES.iter().map(Path::new).find(|path| path.is_file());
    // One file instead of the hundreds in the folder beside it, which hold the same.
    match bundle.filter(|_| !named) {
        Some(bundle) => file(bundle),
        None => rustls_native_certs::load_native_certs().certs,
    }
}

/// The certificates of one PEM file; none when it cannot be read, as programs that are given such a file do.
pub fn file(path: &Path) -> Vec<CertificateDer<'static>> {
    rustls_native_certs::load_certs_from_paths(Some(path), None).certs
}
