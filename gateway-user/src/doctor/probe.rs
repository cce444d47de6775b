//! The handshake each runtime is asked to make: the command, and what its output says.

use std::ffi::{OsStr, OsString};

use serde::Deserialize;

use super::enter::{Entry, Errand, Said};
use super::launch::Launch;
use super::runtime::Runtime;
use crate::tls::trust::JAVA_STORE;

const PYTHON: &str = include_str!("probes/probe.py");
const JAVASCRIPT: &str = include_str!("probes/probe.js");
const JAVA: &str = include_str!("probes/Probe.java");
/// Begins each line that a probe prints for us; a program may print others.
const MARK: &str = "gateway-doctor ";
/// Oldest Java that runs a source file.
const JAVA_SOURCE: &str = "11";
/// The option with the password of Java's trust store.
const JAVA_STORE_PASSWORD: &str = "-Djavax.net.ssl.trustStorePassword=";
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

impl Launch {
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

impl Launch {
    /// Java without a compiler cannot run our source, but its key tool can list the store it reads: whether that holds the root with this SHA-256 fingerprint (`AB:CD:…`), and which store it is.
    ///
    /// # Errors
    /// Why that cannot be told, for people.
    pub async fn java_store(
        &self,
        entry: &Entry,
        fingerprint: &str,
        environment: &[(OsString, OsString)],
    ) -> Result<(bool, String), String> {
        let tool_options = environment.iter().find(|(name, _)| name == "JAVA_TOOL_OPTIONS");
        let tool_options =
            tool_options.map(|(_, value)| value.to_string_lossy().into_owned()).unwrap_or_default();
        let options = self.options.iter().map(|word| word.to_string_lossy().into_owned());
        // What stands on the command line comes after the variable, and wins.
        let all: Vec<String> = tool_options.split(' ').map(str::to_owned).chain(options).collect();
        let option = |head: &str| all.iter().rev().find_map(|word| word.strip_prefix(head));
        let store = option(JAVA_STORE).map(|path| path.trim_matches('"'));
        let password = option(JAVA_STORE_PASSWORD).unwrap_or("changeit");
        let mut words = vec!["-list", "-storepass", password];
        match store {
            Some(store) => words.extend(["-keystore", store]),
            None => words.push("-cacerts"),
        }
        let tool = self.program.with_file_name("keytool");
        let said = entry.run(&Errand::new(tool, &words, &[])).await.map_err(|error| error.to_string())?;
        match said.success {
            true => Ok((said.out.contains(fingerprint), store.unwrap_or("its cacerts").to_owned())),
            false => Err(format!("its keytool failed: {}", last_line(&said.out))),
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
    shortened(about.or_else(|| lines().next_back()).unwrap_or("it said nothing"))
}

fn shortened(text: &str) -> String {
    let line: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    match line.char_indices().nth(LONGEST_REASON) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

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
