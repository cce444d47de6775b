//! Tells which runtime a process is, and so which store of roots its TLS reads.

use std::path::Path;

use super::markers::Markers;
use super::process::Process;

/// What does TLS in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Runtime {
    Python,
    Node,
    /// Bun, or a program compiled with it, such as Claude Code.
    Bun,
    Deno,
    Java,
    Curl,
    Go,
    /// Rust with rustls that reads the system's store.
    RustNative,
    /// Rust with rustls that holds public roots of its own and reads nothing.
    RustBuiltin,
    /// Rust with rustls that can do both: which it does is not to be seen from outside.
    RustEither,
    /// OpenSSL as a library, or linked in.
    OpenSsl,
    GnuTls,
    Nss,
    /// No library for TLS was found.
    Nothing,
}

impl Runtime {
    /// What a process runs on; `markers` reads its program, and is asked only where nothing else tells.
    pub fn of(process: &Process, markers: impl FnOnce(&Path) -> Markers) -> Runtime {
        if let Some(known) = by_program(process.program_name()).or_else(|| by_runtime_library(process)) {
            return known;
        }
        let found = markers(&process.folder.join("exe"));
        let both = (found.native_roots, found.builtin_roots);
        match found {
            Markers { go: true, .. } => Runtime::Go,
            Markers { bun: true, .. } => Runtime::Bun,
            Markers { rustls: true, .. } => match both {
                (true, true) => Runtime::RustEither,
                (false, true) => Runtime::RustBuiltin,
                (_, false) => Runtime::RustNative,
            },
            _ if process.maps("libssl.so") => Runtime::OpenSsl,
            _ if process.maps("libgnutls.so") => Runtime::GnuTls,
            _ if process.maps("libnss3.so") => Runtime::Nss,
            Markers { openssl: true, .. } => Runtime::OpenSsl,
            _ => Runtime::Nothing,
        }
    }

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Runtime::Python => "Python",
            Runtime::Node => "Node",
            Runtime::Bun => "Bun",
            Runtime::Deno => "Deno",
            Runtime::Java => "Java",
            Runtime::Curl => "curl",
            Runtime::Go => "Go",
            Runtime::RustNative => "Rust, native roots",
            Runtime::RustBuiltin => "Rust, built-in roots",
            Runtime::RustEither => "Rust, native and built-in roots",
            Runtime::OpenSsl => "OpenSSL",
            Runtime::GnuTls => "GnuTLS",
            Runtime::Nss => "NSS",
            Runtime::Nothing => "no TLS",
        }
    }

    /// The runtime that a program of this name is on the path of a machine, if it is one that can be asked.
    pub fn named(program: &str) -> Option<Runtime> {
        by_program(program)
    }
}

fn by_program(name: &str) -> Option<Runtime> {
    let version = |rest: &str| rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    match name {
        "node" | "nodejs" => Some(Runtime::Node),
        "bun" | "bunx" => Some(Runtime::Bun),
        "deno" => Some(Runtime::Deno),
        "java" => Some(Runtime::Java),
        "curl" => Some(Runtime::Curl),
        // It holds public roots as well; tried: it reads the system's.
        "codex" => Some(Runtime::RustNative),
        _ if name.strip_prefix("python").is_some_and(version) => Some(Runtime::Python),
        _ => None,
    }
}

fn by_runtime_library(process: &Process) -> Option<Runtime> {
    if process.maps("libpython") {
        return Some(Runtime::Python);
    }
    process.maps("libjvm.so").then_some(Runtime::Java)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn each_runtime_is_known_by_its_name_its_libraries_or_its_markers() {
        let own = Process::read(std::process::id()).unwrap().unwrap();
        let check = |program: &str, library: &str, markers: Markers, expected: Runtime| {
            let mapped = [PathBuf::from(library)].into();
            let process = Process { program: program.into(), mapped, ..own.clone() };
            assert_eq!(Runtime::of(&process, |_| markers), expected, "{program} {library} {markers:?}");
        };
        let none = Markers::default();
        check("/usr/bin/python3.11", "", none, Runtime::Python);
        check("/opt/venv/bin/python", "", none, Runtime::Python);
        check("/usr/bin/pythonize", "", none, Runtime::Nothing);
        check("/usr/bin/uwsgi", "/usr/lib/libpython3.11.so.1.0", none, Runtime::Python);
        check("/usr/lib/jvm/bin/java", "", none, Runtime::Java);
        check("/opt/app/launcher", "/opt/jre/lib/server/libjvm.so", none, Runtime::Java);
        check("/usr/bin/node", "/usr/lib/libssl.so.3", none, Runtime::Node);
        check("/usr/local/bin/deno", "", none, Runtime::Deno);
        check("/usr/bin/git", "/usr/lib/libgnutls.so.30", none, Runtime::GnuTls);
        check("/usr/bin/ruby3.1", "/usr/lib/libssl.so.3", none, Runtime::OpenSsl);
        check("/usr/lib/firefox", "/usr/lib/libnss3.so", none, Runtime::Nss);
        check("/usr/bin/sleep", "/usr/lib/libc.so.6", none, Runtime::Nothing);
        check("/opt/server", "/usr/lib/libssl.so.3", Markers { go: true, ..none }, Runtime::Go);
        check("/opt/claude", "", Markers { bun: true, openssl: true, ..none }, Runtime::Bun);
        check("/opt/static", "", Markers { openssl: true, ..none }, Runtime::OpenSsl);
        let rust =
            |native_roots, builtin_roots| Markers { rustls: true, native_roots, builtin_roots, ..none };
        check("/opt/reader", "", rust(true, false), Runtime::RustNative);
        check("/opt/codex", "", rust(true, true), Runtime::RustNative);
        check("/opt/other", "", rust(false, false), Runtime::RustNative);
        check("/opt/pinned", "", rust(false, true), Runtime::RustBuiltin);
        check("/opt/both", "", rust(true, true), Runtime::RustEither);
    }
}
