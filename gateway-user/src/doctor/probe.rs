//! The handshake each runtime is asked to make: the command, and what its output says.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::enter::{Entry, Errand, Said};
use super::process::Process;
use super::roots::Root;
use super::runtime::Runtime;

const PYTHON: &str = include_str!("probes/probe.py");
const JAVASCRIPT: &str = include_str!("probes/probe.js");
const JAVA: &str = include_str!("probes/Probe.java");
/// Begins each line that a probe prints for us; a program may print others.
const MARK: &str = "gateway-doctor ";
/// Oldest Java that runs a source file.
const JAVA_SOURCE: &str = "11";
/// Longest reason that is told, in characters.
const LONGEST_REASON: usize = 300;

/// What one client library made of it.
#[derive(Debug, Deserialize, PartialEq, Eq)]
pub(super) struct Outcome {
    pub client: String,
    pub runtime: String,
    pub ok: bool,
    pub error: String,
}

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

    /// The command that shakes hands with `host` at this port of loopback.
    pub fn errand(&self, host: &str, port: u16, environment: &[(OsString, OsString)]) -> Errand {
        let port = port.to_string();
        let url = format!("https://{host}/");
        let there = format!("::127.0.0.1:{port}");
        let connect = format!("127.0.0.1:{port}");
        let (arguments, input): (Vec<&str>, &'static str) = match self.runtime {
            Runtime::Python => (vec!["-c", PYTHON, host, &port], ""),
            Runtime::Deno => (vec!["eval", JAVASCRIPT, host, &port], ""),
            Runtime::Java => (vec!["--source", JAVA_SOURCE, "/dev/stdin", host, &port], JAVA),
            Runtime::Curl => (
                vec!["-sS", "-o", "/dev/null", "-m", "10", "--noproxy", "*", "--connect-to", &there, &url],
                "",
            ),
            Runtime::OpenSsl => (
                vec![
                    "s_client",
                    "-connect",
                    &connect,
                    "-servername",
                    host,
                    "-verify_hostname",
                    host,
                    "-verify_return_error",
                    "-brief",
                ],
                "",
            ),
            _ => (vec!["-e", JAVASCRIPT, host, &port], ""),
        };
        let mut errand = Errand::new(&self.program, &[], environment);
        errand.arguments = self.options.iter().cloned().chain(arguments.iter().map(OsString::from)).collect();
        errand.input = input;
        errand
    }

    /// Runs it.
    ///
    /// # Errors
    /// Why it could not be tried, for people.
    pub async fn shake(
        &self,
        entry: &Entry,
        host: &str,
        port: u16,
        environment: &[(OsString, OsString)],
    ) -> Result<Vec<Outcome>, String> {
        let said =
            entry.run(&self.errand(host, port, environment)).await.map_err(|error| error.to_string())?;
        match self.runtime {
            Runtime::Curl | Runtime::OpenSsl => Ok(vec![by_status(self.runtime, &said)]),
            _ => by_lines(&said),
        }
    }
}

/// What probes print.
fn by_lines(said: &Said) -> Result<Vec<Outcome>, String> {
    let lines = said.out.lines().filter_map(|line| line.strip_prefix(MARK));
    let found: Vec<Outcome> = lines
        .filter_map(|line| serde_json::from_str(line).ok())
        .map(|outcome: Outcome| Outcome { error: shortened(&outcome.error), ..outcome })
        .collect();
    match found.is_empty() {
        false => Ok(found),
        true => Err(format!("its runtime could not run the test: {}", last_line(&said.error))),
    }
}

/// What curl and openssl say by their exit code.
fn by_status(runtime: Runtime, said: &Said) -> Outcome {
    let error = if said.success { String::new() } else { last_line(&said.error) };
    Outcome { client: String::new(), runtime: runtime.name().to_owned(), ok: said.success, error }
}

/// The last line that says something; of openssl's, the one about the certificate.
fn last_line(text: &str) -> String {
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    let about = lines().find(|line| line.contains("verify error") || line.contains("certificate problem"));
    shortened(about.or_else(|| lines().last()).unwrap_or("it said nothing"))
}

fn shortened(text: &str) -> String {
    let line: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    match line.char_indices().nth(LONGEST_REASON) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

/// The interpreter with the process' own packages: a virtual environment's is a link to the one that runs.
fn python(process: &Process, root: &Root) -> Option<PathBuf> {
    let path = path(process);
    let first = process.arguments.first().map(PathBuf::from);
    let called = first.as_ref().and_then(|first| match first.components().count() {
        _ if first.is_absolute() => Some(first.clone()),
        1 => root.on_path(&path, &[first.to_str()?]),
        _ => Some(process.folder.join("cwd").read_link().ok()?.join(first)),
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
        Runtime::Java => {
            own.filter(|word| starts(word, &["-Djavax.net.ssl.", "-Djavax.net.ssl="])).cloned().collect()
        }
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
        if paired.iter().any(|known| is(&known)) {
            kept.push(word.clone());
            kept.extend(own.next().cloned());
        } else if single.iter().any(|known| is(&known)) {
            kept.push(word.clone());
        }
    }
    kept
}

/// The variables a handshake is made with: the process' own, without what would lead it elsewhere or stop it.
pub(super) fn environment(own: &[(OsString, OsString)]) -> Vec<(OsString, OsString)> {
    let kept = |name: &OsStr| {
        let name = name.to_string_lossy().to_ascii_lowercase();
        // A proxy would be asked for 127.0.0.1; the others open ports, write files or print.
        !name.ends_with("_proxy")
            && !["sslkeylogfile", "node_debug", "pythoninspect"].contains(&name.as_str())
    };
    let tame = |(name, value): &(OsString, OsString)| {
        let options = ["NODE_OPTIONS", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS"];
        if !options.iter().any(|known| name == *known) {
            return (name.clone(), value.clone());
        }
        // A debugger's port is taken by the process itself, and waiting for a debugger would take for ever.
        let debugs = |word: &&str| word.starts_with("--inspect") || word.contains("jdwp");
        let value = value.to_string_lossy();
        let words: Vec<&str> = value.split(' ').filter(|word| !debugs(word)).collect();
        (name.clone(), words.join(" ").into())
    };
    own.iter().filter(|(name, _)| kept(name)).map(tame).collect()
}

/// Whether a path can be given to a program that is looked at from outside.
pub(super) fn is_there(root: &Root, program: &Path) -> bool {
    root.identity(program).is_some()
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

    #[test]
    fn the_environment_is_the_process_s_but_for_what_leads_elsewhere() {
        let own = [
            ("SSL_CERT_FILE", "/a"),
            ("HTTPS_PROXY", "http://127.0.0.1:1"),
            ("no_proxy", "x"),
            ("NODE_OPTIONS", "--inspect=9229 --use-openssl-ca"),
            ("JAVA_TOOL_OPTIONS", "-agentlib:jdwp=transport=dt_socket,server=y -Da=b"),
        ]
        .map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let kept = environment(&own);
        let kept: Vec<_> =
            kept.iter().map(|(name, value)| (name.to_str().unwrap(), value.to_str().unwrap())).collect();
        let expected =
            [("SSL_CERT_FILE", "/a"), ("NODE_OPTIONS", "--use-openssl-ca"), ("JAVA_TOOL_OPTIONS", "-Da=b")];
        assert_eq!(kept, expected);
    }

    #[test]
    fn outcomes_are_read_among_other_output() {
        let said = |out: &str, error: &str| Said { success: false, out: out.into(), error: error.into() };
        let found = by_lines(&said(
            "noise\ngateway-doctor {\"client\":\"ssl\",\"runtime\":\"Python 3.11\",\"ok\":true,\"error\":\"\"}\n",
            "",
        ));
        assert!(matches!(found.as_deref(), Ok([Outcome { ok: true, .. }])), "{found:?}");
        let found = by_lines(&said("noise", "Traceback\n  no module\n\n")).unwrap_err();
        assert!(found.contains("no module"), "{found}");
        let openssl = by_status(Runtime::OpenSsl, &said("", "verify error:num=20:unable to get\nerrno=0\n"));
        assert_eq!((openssl.ok, openssl.error.as_str()), (false, "verify error:num=20:unable to get"));
        assert_eq!(shortened(&"x\n".repeat(1000)).chars().count(), LONGEST_REASON + 1);
    }
}
