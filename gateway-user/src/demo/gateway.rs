//! The real gateway as a child process of the demo: started, waited for, asked, stopped.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long the gateway may take until it is ready.
const START: Duration = Duration::from_secs(20);
/// How long it may take to end after SIGTERM; then it is killed.
const STOP: Duration = Duration::from_secs(5);
/// Lines of its log that are kept for a failure's message.
const KEPT: usize = 20;
/// What the line begins with that says it is ready.
const READY: &str = "ready:";

/// The program and the state folder all its commands share.
#[derive(Clone, Debug)]
pub(super) struct Program {
    /// The executable.
    pub path: PathBuf,
    /// What `--state` is given.
    pub state: PathBuf,
}

impl Program {
    /// A command of the gateway, free of the caller's own gateway settings.
    fn command(&self, arguments: &[OsString]) -> Command {
        let mut command = Command::new(&self.path);
        command.args(arguments).arg("--state").arg(&self.state).stdin(Stdio::null());
        for (name, _) in std::env::vars_os().filter(|(name, _)| of_gateway(name)) {
            command.env_remove(name);
        }
        command
    }

    /// Runs a short command and returns what it printed.
    ///
    /// # Errors
    /// When it cannot be started or fails; the message holds what it said.
    pub(super) async fn ask(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        let asked = timeout(START, self.command(&arguments).kill_on_drop(true).output());
        let name = || format!("gateway {}", arguments[0].display());
        let output = asked.await.with_context(|| format!("{} did not end", name()))?.with_context(name)?;
        if !output.status.success() {
            bail!(
                "{} ended with {}: {}",
                name(),
                output.status,
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

fn of_gateway(name: &OsStr) -> bool {
    name.to_string_lossy().starts_with("GATEWAY_")
}

/// A running gateway. It is sent SIGTERM when the demo dies.
pub(super) struct Gateway {
    child: Child,
    log: Arc<Mutex<VecDeque<String>>>,
    ready: String,
}

impl Gateway {
    /// Starts the gateway and waits until it is ready.
    ///
    /// # Errors
    /// When it cannot be started, ends, or is not ready in time; the message holds the end of its log.
    pub(super) async fn start(program: &Program, arguments: &[OsString]) -> anyhow::Result<Gateway> {
        let mut command = program.command(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
        // SAFETY: between fork and exec only prctl is called, which is safe there.
        unsafe {
            command.pre_exec(|| nix::sys::prctl::set_pdeathsig(Signal::SIGTERM).map_err(Into::into));
        }
        let mut child =
            command.spawn().with_context(|| format!("cannot start {}", program.path.display()))?;
        let log = Arc::new(Mutex::new(VecDeque::new()));
        let (tell, told) = oneshot::channel();
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(read(stderr, log.clone(), tell));
        }
        match timeout(START, told).await {
            Ok(Ok(ready)) => Ok(Gateway { child, log, ready }),
            outcome => {
                let what =
                    if outcome.is_err() { "was not ready in time" } else { "ended before it was ready" };
                bail!("the gateway {what}; it said:\n{}", said(&log))
            }
        }
    }

    /// The address in the line that said it is ready.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn address(&self) -> anyhow::Result<SocketAddr> {
        let words = self.ready.split(|letter: char| letter.is_whitespace() || letter == '/' || letter == ',');
        let found = words.filter_map(|word| word.trim_end_matches('.').parse().ok()).next();
        found.with_context(|| format!("no address in the gateway's line `{}`", self.ready))
    }

    /// The end of its log.
    pub(super) fn said(&self) -> String {
        said(&self.log)
    }

    /// Asks it to end and waits for that; kills it when it does not.
    ///
    /// # Errors
    /// When it had to be killed or ended with an error.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        let pid = self.child.id().context("the gateway has already ended")?;
        let pid = Pid::from_raw(i32::try_from(pid).context("a pid beyond its range")?);
        kill(pid, Signal::SIGTERM).context("cannot signal the gateway")?;
        let Ok(ended) = timeout(STOP, self.child.wait()).await else {
            self.child.kill().await?;
            bail!("the gateway did not end within {STOP:?} and was killed; it said:\n{}", self.said());
        };
        let status = ended?;
        if !status.success() {
            bail!("the gateway ended with {status}; it said:\n{}", self.said());
        }
        Ok(())
    }
}

/// Keeps the end of the log, and passes on the line that says the gateway is ready.
async fn read(stderr: ChildStderr, log: Arc<Mutex<VecDeque<String>>>, tell: oneshot::Sender<String>) {
    let mut tell = Some(tell);
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if line.starts_with(READY)
            && let Some(tell) = tell.take()
        {
            // Nobody waits any more when the start timed out.
            let _ = tell.send(line.clone());
        }
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.len() == KEPT {
            log.pop_front();
        }
        log.push_back(line);
    }
}

fn said(log: &Mutex<VecDeque<String>>) -> String {
    let log = log.lock().unwrap_or_else(PoisonError::into_inner);
    log.iter().map(|line| format!("  {line}\n")).collect()
}
