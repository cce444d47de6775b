//! Reads the files of trusted roots that a process sees, below its own root folder.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::Mode;
use rustls::pki_types::{CertificateDer, pem::PemObject};

/// Largest bundle that is read; the public roots take a quarter of a megabyte.
const MOST_READ: u64 = 16 << 20;
/// Most files of a folder of roots that are read; distributions have some 300.
const MOST_FILES: usize = 4096;

/// Bundles of distributions, in the order in which Go and others look for them.
const BUNDLES: [&str; 7] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/usr/lib/ssl/cert.pem",
];
/// Folders of roots, likewise.
const FOLDERS: [&str; 2] = ["/etc/ssl/certs", "/etc/pki/tls/certs"];

/// The files below a root folder. Links inside it lead nowhere else, as they do for whoever lives there.
pub(super) struct Root(OwnedFd);

/// Where a program looks for roots, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Habit {
    /// `SSL_CERT_FILE`, else the bundle; and `SSL_CERT_DIR`, else the folder. As Go and OpenSSL do.
    FileAndFolder,
    /// `SSL_CERT_FILE` and `SSL_CERT_DIR`; only where neither is set the bundle. As Rust's native roots do.
    VariablesElseBundle,
    /// The bundle, whatever the variables say. As GnuTLS does.
    Bundle,
}

impl Root {
    /// The root of a process, by its folder in `/proc`.
    pub fn of(process: &Path) -> io::Result<Root> {
        Ok(Root(File::open(process.join("root"))?.into()))
    }

    /// Opens a file below; `path` is absolute, as the process writes it.
    fn open(&self, path: &Path, flags: OFlag) -> io::Result<File> {
        let how = OpenHow::new()
            .flags(flags | OFlag::O_CLOEXEC)
            .mode(Mode::empty())
            .resolve(ResolveFlag::RESOLVE_IN_ROOT);
        Ok(File::from(openat2(self.0.as_fd(), path, how)?))
    }

    /// Device and inode of the file that a path leads to.
    pub fn identity(&self, path: &Path) -> Option<(u64, u64)> {
        let found = self.open(path, OFlag::O_PATH).ok()?.metadata().ok()?;
        Some((found.dev(), found.ino()))
    }

    /// A plain file's content, up to a bound.
    pub fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        // Whatever stands there must not keep us: opening a pipe would wait for its other end.
        let file = self.open(path, OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a plain file"));
        }
        let mut content = Vec::new();
        file.take(MOST_READ).read_to_end(&mut content)?;
        Ok(content)
    }

    /// The first of `names` on a path such as `/usr/bin:/bin`.
    pub fn on_path(&self, path: &OsString, names: &[&str]) -> Option<PathBuf> {
        let folders: Vec<PathBuf> =
            std::env::split_paths(path).filter(|folder| folder.is_absolute()).collect();
        let candidates = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
        candidates.into_iter().find(|candidate| self.identity(candidate).is_some())
    }

    /// Where among the files that a program of this habit reads `root` stands; else what it reads.
    ///
    /// # Errors
    /// What was read in vain, for people.
    pub fn trusts(
        &self,
        habit: Habit,
        variable: impl Fn(&str) -> Option<OsString>,
        root: &CertificateDer<'_>,
    ) -> Result<PathBuf, String> {
        let (files, folders) = self.sources(habit, variable);
        if let Some(file) = files.iter().find(|file| self.holds(file, root)) {
            return Ok(file.clone());
        }
        if let Some(folder) = folders.iter().find(|folder| self.folder_holds(folder, root)) {
            return Ok(folder.clone());
        }
        let read: Vec<String> = files.iter().chain(&folders).map(|path| path.display().to_string()).collect();
        match read.is_empty() {
            true => Err("it finds no file of roots at all".to_owned()),
            false => Err(format!("our root is not in {}", read.join(", "))),
        }
    }

    fn sources(
        &self,
        habit: Habit,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let bundle = || BUNDLES.iter().map(PathBuf::from).find(|path| self.identity(path).is_some());
        let file = variable("SSL_CERT_FILE").filter(|value| !value.is_empty()).map(PathBuf::from);
        let named = variable("SSL_CERT_DIR").filter(|value| !value.is_empty());
        let named: Option<Vec<PathBuf>> = named.map(|list| std::env::split_paths(&list).collect());
        let standard = || FOLDERS.iter().map(PathBuf::from).filter(|path| self.identity(path).is_some());
        match habit {
            Habit::Bundle => (bundle().into_iter().collect(), Vec::new()),
            Habit::VariablesElseBundle if file.is_some() || named.is_some() => {
                (file.into_iter().collect(), named.unwrap_or_default())
            }
            Habit::VariablesElseBundle => (bundle().into_iter().collect(), Vec::new()),
            Habit::FileAndFolder => {
                let folders = named.unwrap_or_else(|| standard().collect());
                (file.or_else(bundle).into_iter().collect(), folders)
            }
        }
    }

    /// Whether a bundle holds a certificate.
    pub fn holds(&self, bundle: &Path, root: &CertificateDer<'_>) -> bool {
        let Ok(content) = self.read(bundle) else { return false };
        CertificateDer::pem_slice_iter(&content).flatten().any(|certificate| certificate == *root)
    }

    fn folder_holds(&self, folder: &Path, root: &CertificateDer<'_>) -> bool {
        let Ok(open) = self.open(folder, OFlag::O_RDONLY | OFlag::O_DIRECTORY) else { return false };
        let Ok(entries) = std::fs::read_dir(format!("/proc/self/fd/{}", open.as_raw_fd())) else {
            return false;
        };
        let names = entries.flatten().map(|entry| folder.join(entry.file_name())).take(MOST_FILES);
        names.into_iter().any(|file| self.holds(&file, root))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn root(folder: &Path) -> Root {
        Root(File::open(folder).unwrap().into())
    }

    #[test]
    fn each_habit_reads_what_it_reads() {
        let folder = tempfile::TempDir::new().unwrap();
        let state = folder.path().join("state");
        let trust = crate::tls::Trust::init(&state, &["api.openai.com".to_owned()]).unwrap();
        let ours = trust.authority().root().der.clone();
        let inside = folder.path().join("inside");
        std::fs::create_dir_all(inside.join("etc/ssl/certs")).unwrap();
        std::fs::create_dir_all(inside.join("opt")).unwrap();
        std::fs::write(inside.join("etc/ssl/certs/ca-certificates.crt"), "").unwrap();
        std::fs::write(inside.join("opt/bundle.pem"), trust.export()).unwrap();
        std::fs::write(inside.join("opt/empty.pem"), "").unwrap();
        let seen = root(&inside);
        let check = |habit, file: Option<&str>, folder: Option<&str>, expected: Option<&str>| {
            let variable =
                |name: &str| if name == "SSL_CERT_FILE" { file } else { folder }.map(OsString::from);
            let found = seen.trusts(habit, variable, &ours);
            assert_eq!(
                found.as_ref().ok(),
                expected.map(PathBuf::from).as_ref(),
                "{habit:?} {file:?}: {found:?}"
            );
        };
        let habits = [Habit::FileAndFolder, Habit::VariablesElseBundle, Habit::Bundle];
        for habit in habits {
            check(habit, None, None, None);
        }
        check(Habit::FileAndFolder, Some("/opt/bundle.pem"), None, Some("/opt/bundle.pem"));
        check(Habit::VariablesElseBundle, Some("/opt/bundle.pem"), None, Some("/opt/bundle.pem"));
        check(Habit::VariablesElseBundle, None, Some("/opt"), Some("/opt"));
        check(Habit::Bundle, Some("/opt/bundle.pem"), None, None);
        std::fs::write(inside.join("etc/ssl/certs/ours.pem"), trust.export()).unwrap();
        check(Habit::FileAndFolder, Some("/opt/empty.pem"), None, Some("/etc/ssl/certs"));
        std::fs::write(inside.join("etc/ssl/certs/ca-certificates.crt"), trust.export()).unwrap();
        check(Habit::VariablesElseBundle, Some("/opt/empty.pem"), None, None);
        for habit in habits {
            check(habit, None, None, Some("/etc/ssl/certs/ca-certificates.crt"));
        }
    }

    #[test]
    fn links_stay_inside_and_pipes_do_not_block() {
        let folder = tempfile::TempDir::new().unwrap();
        symlink("/target", folder.path().join("link")).unwrap();
        symlink("../../../../etc/passwd", folder.path().join("out")).unwrap();
        std::fs::write(folder.path().join("target"), "inside").unwrap();
        nix::unistd::mkfifo(&folder.path().join("pipe"), Mode::S_IRWXU).unwrap();
        let seen = root(folder.path());
        assert_eq!(seen.read(Path::new("/link")).unwrap(), b"inside");
        assert!(seen.read(Path::new("/out")).is_err());
        assert!(seen.read(Path::new("/pipe")).is_err());
        let path = OsString::from("/bin:/:relative");
        assert_eq!(seen.on_path(&path, &["absent", "target"]), Some(PathBuf::from("/target")));
    }
}
