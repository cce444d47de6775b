//! The demo's app: an unmodified streaming client, python or curl where there is one, else our own.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::{Child, Command};

/// The Python client.
const SCRIPT: &str = include_str!("client.py");
/// Puts the shell into the cgroup whose `cgroup.procs` is `$0`, then becomes the client.
const ENTER: &str = r#"echo $$ > "$0" && exec "$@""#;

/// Which client is at hand.
#[derive(Clone, Debug)]
pub(super) enum Client {
    /// `python3` with `urllib`.
    Python,
    /// `curl`.
    Curl,
    /// `demo-client` of this program.
    BuiltIn(PathBuf),
}

impl Client {
    /// The first that works; `own` is this program.
    pub(super) async fn find(own: &Path) -> Client {
        if works("python3", &["-c", "import ssl, urllib.request"]).await {
            Client::Python
        } else if works("curl", &["--version"]).await {
            Client::Curl
        } else {
            Client::BuiltIn(own.to_owned())
        }
    }

    /// What it is, for people.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Client::Python => "python3 with urllib",
            Client::Curl => "curl",
            Client::BuiltIn(_) => "a child process with the system's resolver and trust",
        }
    }

    /// Starts it with the arguments of a call, in the cgroup if one is given, with `trust` in its environment.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub(super) fn start(
        &self,
        arguments: &[String],
        cgroup: Option<&Path>,
        trust: &[(&str, OsString)],
    ) -> std::io::Result<Child> {
        let mut line = self.command(arguments);
        if let Some(cgroup) = cgroup {
            let enter: [OsString; 4] =
                ["sh".into(), "-c".into(), ENTER.into(), cgroup.join("cgroup.procs").into()];
            line.splice(0..0, enter);
        }
        let mut command = Command::new(&line[0]);
        command.args(&line[1..]).envs(trust.iter().map(|(name, value)| (name, value)));
        // The demo uses no network: a proxy of the caller's would lead out of it.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().to_ascii_lowercase().ends_with("_proxy") {
                command.env_remove(name);
            }
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true).spawn()
    }

    fn command(&self, arguments: &[String]) -> Vec<OsString> {
        let mut line: Vec<OsString> = match self {
            Client::Python => vec!["python3".into(), "-c".into(), SCRIPT.into()],
            Client::Curl => return curl(arguments),
            Client::BuiltIn(own) => vec![own.into(), "demo-client".into()],
        };
        line.extend(arguments.iter().map(OsString::from));
        line
    }
}

fn curl(arguments: &[String]) -> Vec<OsString> {
    let mut line: Vec<OsString> = ["curl", "-sS", "-N", "--max-time", "30"].map(OsString::from).into();
    if let [url, body, headers @ ..] = arguments {
        line.extend([url, "-d", body].map(OsString::from));
        line.extend(headers.iter().flat_map(|header| ["-H".into(), header.into()]));
    }
    line
}

async fn works(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().await.is_ok_and(|status| status.success())
}
