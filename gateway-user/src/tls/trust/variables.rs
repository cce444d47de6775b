//! The variables by which programs are told to trust our root, and what each is to be set to.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// A variable.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it is set to.
    pub names: Names,
    /// Who reads it; each was tried alone, in an otherwise empty environment.
    pub read_by: &'static str,
}

/// What a variable is set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// It *replaces* the program's roots, so it names the union of the system's roots and ours.
    Union,
    /// It *adds* to the program's roots, so it names ours alone, which loads faster.
    Ours,
    /// Options for every Java machine, which name the PKCS#12 store.
    JavaOptions,
}

/// Every variable; a new one is one row.
pub const VARIABLES: [Variable; 9] = [
    Variable {
        name: "SSL_CERT_FILE",
        names: Names::Union,
        read_by: "OpenSSL, Python's ssl, httpx (openai, litellm, LangChain), aiohttp, Go, Rust's native roots, Claude Code",
    },
    Variable { name: "REQUESTS_CA_BUNDLE", names: Names::Union, read_by: "Python's requests" },
    Variable { name: "CURL_CA_BUNDLE", names: Names::Union, read_by: "curl, whatever it was built with" },
    Variable { name: "CODEX_CA_CERTIFICATE", names: Names::Union, read_by: "Codex" },
    Variable { name: "AWS_CA_BUNDLE", names: Names::Union, read_by: "the AWS SDKs and their command line" },
    Variable { name: "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", names: Names::Union, read_by: "gRPC's C core" },
    Variable { name: "NODE_EXTRA_CA_CERTS", names: Names::Ours, read_by: "Node, Bun, Gemini CLI" },
    Variable { name: "DENO_CERT", names: Names::Ours, read_by: "Deno" },
    Variable { name: "JAVA_TOOL_OPTIONS", names: Names::JavaOptions, read_by: "every Java machine" },
];

/// The option that names Java's trust store.
pub const JAVA_STORE: &str = "-Djavax.net.ssl.trustStore=";

/// Where the files are that the variables name.
pub(super) struct Files {
    pub union: PathBuf,
    pub ours: PathBuf,
    pub java: PathBuf,
}

/// The variables and their values for a program that has the variables `caller` gives, which lose nothing by it.
///
/// Where the caller's own variable adds roots already, the union is named, which holds those too. Options for Java
/// that are there stay; where they name a trust store, ours is not put in its place: it could not hold theirs.
pub(super) fn environment(
    files: &Files,
    caller: impl Fn(&str) -> Option<OsString>,
) -> Vec<(&'static str, OsString)> {
    let value = |variable: &Variable| match variable.names {
        Names::Union => Some(files.union.clone().into_os_string()),
        Names::Ours if caller(variable.name).is_some() => Some(files.union.clone().into_os_string()),
        Names::Ours => Some(files.ours.clone().into_os_string()),
        Names::JavaOptions => java_options(caller(variable.name), &files.java),
    };
    VARIABLES.iter().filter_map(|variable| Some((variable.name, value(variable)?))).collect()
}

/// The files of roots that the caller's own variables name.
pub(super) fn named(caller: impl Fn(&str) -> Option<OsString>) -> impl Iterator<Item = PathBuf> {
    let files = VARIABLES.iter().filter(|variable| variable.names != Names::JavaOptions);
    files.filter_map(move |variable| caller(variable.name)).map(PathBuf::from)
}

fn java_options(given: Option<OsString>, store: &Path) -> Option<OsString> {
    let ours = java_option(store);
    match given.filter(|given| !given.is_empty()) {
        None => Some(ours),
        Some(given) if contains(&given, JAVA_STORE) && !contains(&given, &ours.to_string_lossy()) => None,
        Some(given) if contains(&given, JAVA_STORE) => Some(given),
        Some(mut given) => {
            given.push(" ");
            given.push(ours);
            Some(given)
        }
    }
}

/// The options that make Java trust what a PKCS#12 store holds. Java splits at white space, but not within quotes.
pub fn java_option(store: &Path) -> OsString {
    let text = store.as_os_str();
    let quote = if contains(text, " ") || contains(text, "\t") { "\"" } else { "" };
    let mut option = OsString::from(JAVA_STORE);
    for part in [OsStr::new(quote), text, OsStr::new(quote)] {
        option.push(part);
    }
    option.push(" -Djavax.net.ssl.trustStoreType=PKCS12");
    option
}

fn contains(text: &OsStr, part: &str) -> bool {
    memchr::memmem::find(text.as_encoded_bytes(), part.as_bytes()).is_some()
}
