//! Finds out how to start what a process runs on: its own interpreter, with the options that decide about trust.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::process::Process;
use super::roots::Root;
use super::runtime::Runtime;

/// How a process' runtime is started for a handshake.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Launch {
    pub runtime: Runtime,
    pub program: PathBuf,
    /// Options of the process that decide what it trusts.
    pub options: Vec<OsString>,
}

impl Launch {
    /// How to start what this process runs on; `None` where there is no way to.
    pub fn of(process: &Process, runtime: Runtime, root: &Root) -> Option<Launch> {
        let program = match runtime {
            Runtime::Python => python(process, root)?,
            Runtime::Java => java(process)?,
            Runtime::Node | Runtime::Deno | Runtime::Curl => process.program.clone(),
            // One compiled with Bun trusts what its own code says, which Bun alone does not run.
            Runtime::Bun if process.program_name().starts_with("bun") => process.program.clone(),
            Runtime::OpenSsl => root.on_path(&path(process), &["openssl"])?,
            _ => return None,
        };
        Some(Launch { runtime, program, options: options(runtime, &process.arguments) })
    }
}

/// The interpreter with the process' own packages: a virtual environment's is a link to the one that runs.
fn python(process: &Process, root: &Root) -> Option<PathBuf> {
    let path = path(process);
    let first = process.arguments.first().map(PathBuf::from);
    let called = first.as_ref().and_then(|first| match first.components().count() {
        _ if first.is_absolute() => Some(first.clone()),
        1 => root.on_path(&path, &[first.to_str()?]),
        _ => Some(process.working.join(first)),
    });
    let environment = |name: &str| process.variable(name).map(PathBuf::from);
    let candidates =
        [called, environment("VIRTUAL_ENV").map(|folder| folder.join("bin/python")), environment("_")];
    let same = |candidate: &PathBuf| root.identity(candidate) == Some(process.identity);
    let found = candidates.into_iter().flatten().find(same);
    if found.is_some() || Runtime::named(process.program_name()) == Some(Runtime::Python) {
        return Some(found.unwrap_or_else(|| process.program.clone()));
    }
    // Python as a library of another program: its environment's interpreter reads the same packages.
    let beside = environment("VIRTUAL_ENV").map(|folder| folder.join("bin/python"));
    beside
        .filter(|candidate| root.identity(candidate).is_some())
        .or_else(|| root.on_path(&path, &["python3", "python"]))
}

/// The launcher of the Java machine: the program itself, or the one beside its library.
fn java(process: &Process) -> Option<PathBuf> {
    if process.program_name() == "java" {
        return Some(process.program.clone());
    }
    let library = process.mapped.iter().find(|path| path.ends_with("libjvm.so"))?;
    Some(library.ancestors().find(|folder| folder.ends_with("lib"))?.parent()?.join("bin/java"))
}

fn path(process: &Process) -> OsString {
    process.variable("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into())
}

/// The options that decide what is trusted, as far as they stand before the program's own arguments.
fn options(runtime: Runtime, arguments: &[OsString]) -> Vec<OsString> {
    let starts =
        |word: &OsStr, heads: &[&str]| heads.iter().any(|head| word.as_bytes().starts_with(head.as_bytes()));
    let own = arguments.iter().skip(1);
    match runtime {
        Runtime::Java => own.filter(|word| starts(word, &["-Djavax.net.ssl."])).cloned().collect(),
        Runtime::Node | Runtime::Bun => own
            .take_while(|word| starts(word, &["-"]))
            .filter(|word| starts(word, &["--use-openssl-ca", "--use-system-ca", "--use-bundled-ca"]))
            .cloned()
            .collect(),
        Runtime::Curl => with_values(own, &["--cacert", "--capath"], &["-k", "--insecure"]),
        _ => Vec::new(),
    }
}

/// Those of `own` that are among `single`, and those among `paired` with the word that follows.
fn with_values<'a>(
    own: impl Iterator<Item = &'a OsString>,
    paired: &[&str],
    single: &[&str],
) -> Vec<OsString> {
    let mut kept = Vec::new();
    let mut own = own.peekable();
    while let Some(word) = own.next() {
        let is = |known: &&str| word == *known;
        if paired.iter().any(is) {
            kept.push(word.clone());
            kept.extend(own.next().cloned());
        } else if single.iter().any(is) {
            kept.push(word.clone());
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(list: &[&str]) -> Vec<OsString> {
        list.iter().map(OsString::from).collect()
    }

    #[test]
    fn options_that_decide_about_trust_are_kept() {
        let check = |runtime, given: &[&str], kept: &[&str]| {
            assert_eq!(options(runtime, &words(given)), words(kept), "{given:?}");
        };
        check(
            Runtime::Java,
            &["java", "-Xmx1g", "-Djavax.net.ssl.trustStore=/a", "-jar", "x.jar"],
            &["-Djavax.net.ssl.trustStore=/a"],
        );
        check(
            Runtime::Node,
            &["node", "--use-openssl-ca", "app.js", "--use-system-ca"],
            &["--use-openssl-ca"],
        );
        check(Runtime::Curl, &["curl", "--cacert", "/a", "-k", "https://x/"], &["--cacert", "/a", "-k"]);
        check(Runtime::Curl, &["curl", "--cacert"], &["--cacert"]);
        check(Runtime::Python, &["python", "-c", "x"], &[]);
    }
}
