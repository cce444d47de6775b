//! The gateway as a process: started on a fresh state folder, waited for, stopped, and asked for its records.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use crate::PATIENCE;
use ::gateway::simulate::Provider;

/// The binary under test: `$GATEWAY_BIN`, else the one beside this test in the target folder.
///
/// # Panics
/// When there is none; the message says how to build it.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("GATEWAY_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().expect("a running test has a path");
    let beside = test.ancestors().skip(1).take(2).map(|folder| folder.join("gateway"));
    let found = beside.into_iter().find(|path| path.is_file());
    found.expect("no gateway binary beside the tests: run `cargo build -p gateway` first, or set GATEWAY_BIN")
}

/// A running gateway. When it is dropped it is killed; [`Gateway::stop`] ends it as an operator would.
pub struct Gateway {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its state folder.
    pub state: State,
    child: Child,
    said: Arc<Mutex<String>>,
    lines: watch::Receiver<usize>,
}

/// A state folder with the root certificate of the provider in it; shared by gateways that run one after another.
#[derive(Clone)]
pub struct State(Arc<TempDir>);

impl State {
    /// A fresh folder that trusts `provider` as upstream.
    pub fn new(provider: &Provider) -> State {
        let folder = TempDir::new().expect("a temporary folder");
        std::fs::write(folder.path().join("upstream.pem"), &provider.root_pem)
            .expect("writing a temporary file");
        State(Arc::new(folder))
    }

    /// The folder of the test's own files.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file beside the state and returns its path.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, text).expect("writing a temporary file");
        path
    }

    /// Writes a configuration whose catalog also knows `localhost`, and returns its path.
    pub fn local_catalog(&self) -> String {
        let providers = "providers:
  - id: local
    name: The simulated provider
    hosts: [localhost]
    ask_usage: true
    routes:
      - { method: POST, path: /v1/chat/completions, dialect: openai_chat, operation: chat }
      - { method: POST, path: /v1/messages, dialect: anthropic, operation: messages }
      - { path: /v1/telemetry, class: telemetry, operation: telemetry }
";
        let providers = self.file("providers.yaml", providers);
        let config = self.file("gateway.yaml", &format!("providers: [{}]\n", providers.display()));
        config.display().to_string()
    }

    /// A gateway command on this state, with nothing of the caller's environment but the path.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/bin:/bin")));
        command.env("HOME", self.path());
        command.arg("--state").arg(self.path().join("state"));
        command.arg("--upstream-ca").arg(self.path().join("upstream.pem"));
        command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Runs a gateway command to its end and returns what it printed.
    ///
    /// # Panics
    /// When it fails; with what it said.
    pub async fn run(&self, arguments: &[&str]) -> String {
        let done = tokio::time::timeout(PATIENCE, self.command(arguments).output()).await;
        let done = done.expect("the command ends in time").expect("the gateway can be run");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "gateway {arguments:?} failed with {}: {said}", done.status);
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    /// The records, oldest first, as `gateway list --json` prints them: one object per line, or one array.
    pub async fn records(&self) -> Vec<Value> {
        let text = self.run(&["list", "--json", "--limit", "100000"]).await;
        let values = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
        let values: Vec<Value> =
            values.map(|value| value.expect("gateway list --json prints JSON")).collect();
        match <[Value; 1]>::try_from(values) {
            Ok([Value::Array(records)]) => records,
            Ok([single]) => vec![single],
            Err(records) => records,
        }
    }

    /// Waits until `ready` holds for the records, which are written beside the path.
    ///
    /// # Panics
    /// When it does not within [`PATIENCE`]; with the records there are.
    pub async fn records_until(&self, ready: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let records = self.records().await;
            if ready(&records) {
                return records;
            }
            assert!(tokio::time::Instant::now() < deadline, "the records never came to that: {records:#?}");
        }
    }
}

impl Gateway {
    /// Starts `gateway proxy` on a free port of loopback, before `upstream`, with more arguments.
    pub async fn proxy(provider: &Provider, upstream: &str, arguments: &[&str]) -> Gateway {
        Gateway::proxy_on(State::new(provider), upstream, arguments).await
    }

    /// As [`Gateway::proxy`], on the given state.
    pub async fn proxy_on(state: State, upstream: &str, arguments: &[&str]) -> Gateway {
        let proxy = ["proxy", "--listen", "127.0.0.1:0", "--upstream", upstream];
        Gateway::start(state, &[&proxy[..], arguments].concat()).await
    }

    /// Starts a gateway command that keeps running, and waits for its line `ready: …`.
    ///
    /// # Panics
    /// When it ends first; with what it said.
    pub async fn start(state: State, arguments: &[&str]) -> Gateway {
        let mut child =
            state.command(arguments).stderr(Stdio::piped()).spawn().expect("the gateway can be run");
        let stderr = child.stderr.take().expect("stderr is piped");
        let said = Arc::new(Mutex::new(String::new()));
        let (count, mut lines) = watch::channel(0);
        let heard = said.clone();
        // Ends with the process, whose stderr it reads; a panic in it shows as a line that never comes.
        tokio::spawn(async move {
            let mut reader = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = reader.next_line().await {
                let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
                heard.push_str(&line);
                heard.push('\n');
                count.send_modify(|count| *count += 1);
            }
        });
        let ready = |text: &str| text.lines().find(|line| line.starts_with("ready:")).map(address);
        let text = || said.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let address = tokio::time::timeout(PATIENCE, async {
            loop {
                if let Some(address) = ready(&text()) {
                    return address;
                }
                if lines.changed().await.is_err() {
                    panic!("gateway {arguments:?} ended before it was ready: {}", text());
                }
            }
        });
        let address =
            address.await.unwrap_or_else(|_| panic!("gateway {arguments:?} was not ready: {}", text()));
        Gateway { address, state, child, said, lines }
    }

    /// What it wrote to stderr so far.
    pub fn said(&self) -> String {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Its process id.
    ///
    /// # Panics
    /// When it ended.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("the gateway still runs")
    }

    /// Its resident memory and the most it ever was, in KiB (proc_pid_status(5)).
    pub fn memory(&self) -> (u64, u64) {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the gateway still runs");
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
        };
        (field("VmRSS:"), field("VmHWM:"))
    }

    /// Stops it with SIGTERM, waits, and checks that nothing in it panicked and that it ended well.
    ///
    /// # Panics
    /// When it did not end in time, failed, or a panic is in what it said.
    pub async fn stop(self) -> State {
        let (state, status, said) = self.end(Signal::SIGTERM).await;
        assert!(!said.contains("panicked"), "the gateway panicked: {said}");
        assert!(status.success(), "the gateway ended with {status}: {said}");
        state
    }

    /// Kills it with SIGKILL, as a crash would.
    pub async fn kill(self) -> State {
        self.end(Signal::SIGKILL).await.0
    }

    /// Waits until it ends by itself, as after `gateway detach`.
    ///
    /// # Panics
    /// When it does not in time, or fails.
    pub async fn ended(mut self) -> State {
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let status =
            ended.unwrap_or_else(|_| panic!("the gateway did not end: {}", self.said())).expect("it ran");
        assert!(status.success(), "the gateway ended with {status}: {}", self.said());
        self.state.clone()
    }

    async fn end(mut self, signal: Signal) -> (State, ExitStatus, String) {
        kill(Pid::from_raw(self.pid().cast_signed()), signal).expect("the gateway can be signalled");
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let status =
            ended.unwrap_or_else(|_| panic!("the gateway did not end: {}", self.said())).expect("it ran");
        while self.lines.changed().await.is_ok() {}
        (self.state.clone(), status, self.said())
    }
}

/// The first socket address in a line; unspecified where it names none.
fn address(line: &str) -> SocketAddr {
    let trimmed = |word: &str| word.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '[').to_owned();
    let words = line.split_whitespace().map(|word| trimmed(word.rsplit("//").next().unwrap_or(word)));
    let found = words.filter_map(|word| word.parse().ok()).next();
    found.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)))
}
