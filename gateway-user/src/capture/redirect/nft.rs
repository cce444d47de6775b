//! Runs nft(8), now and at the gateway's end.

use super::RedirectError;
use crate::capture::rights::{self, Capability};
use serde_json::Value;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Output, Stdio};

/// Where it lies on the systems that keep it out of a user's `PATH`, after the caller's own.
const PATHS: &str = "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin";

/// Applies commands as one transaction.
pub(super) fn apply(what: &'static str, commands: &str) -> Result<(), RedirectError> {
    Standby::with(commands)?.finish(what)
}

/// Has nft and the kernel check commands without applying them.
pub(super) fn check(commands: &str) -> Result<(), RedirectError> {
    Standby::of(&["-c", "-f", "-"], commands)?.finish("check rules that redirect")
}

/// What `nft -j list …` prints.
pub(super) fn list(what: &[&str]) -> Result<Value, RedirectError> {
    let mut command = command();
    command
        .args(["-j", "list"])
        .args(what)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let output = start(command)?.wait_with_output().map_err(RedirectError::Run)?;
    said("list tables", &output)?;
    serde_json::from_slice(&output.stdout).map_err(|error| RedirectError::Run(error.into()))
}

/// An `nft` that waits for its commands, which it runs once its input ends: at the gateway's word, or with the gateway
/// itself, however that ends. It was started while the gateway had the rights, and keeps them.
pub(super) struct Standby {
    child: Child,
    input: ChildStdin,
}

impl Standby {
    /// Starts one that will run these commands as one transaction.
    pub(super) fn with(commands: &str) -> Result<Standby, RedirectError> {
        Standby::of(&["-f", "-"], commands)
    }

    fn of(arguments: &[&str], commands: &str) -> Result<Standby, RedirectError> {
        let mut command = command();
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        // A group of its own: the interrupt that ends the gateway at a terminal must not end this one before it.
        command.process_group(0);
        let mut child = start(command)?;
        let mut input = child.stdin.take().expect("its input is piped");
        input.write_all(commands.as_bytes()).map_err(RedirectError::Run)?;
        Ok(Standby { child, input })
    }

    /// Ends its input and waits for the outcome.
    pub(super) fn finish(mut self, what: &'static str) -> Result<(), RedirectError> {
        drop(self.input);
        let mut stderr = Vec::new();
        if let Some(mut errors) = self.child.stderr.take() {
            errors.read_to_end(&mut stderr).map_err(RedirectError::Run)?;
        }
        let status = self.child.wait().map_err(RedirectError::Run)?;
        said(what, &Output { status, stdout: Vec::new(), stderr })
    }
}

fn command() -> Command {
    let mut command = Command::new("nft");
    command.env_clear().env("PATH", PATHS).env("LC_ALL", "C");
    command
}

/// A program inherits rights from a user other than root only in the ambient set (capabilities(7)). The thread that has
/// them there ends at once, so that no other program gets them.
fn start(mut command: Command) -> Result<Child, RedirectError> {
    let spawn = || {
        rights::pass_on(Capability::CAP_NET_ADMIN);
        command.spawn()
    };
    let spawned = std::thread::scope(|scope| scope.spawn(spawn).join());
    spawned.unwrap_or_else(|panic| std::panic::resume_unwind(panic)).map_err(failed)
}

fn said(what: &'static str, output: &Output) -> Result<(), RedirectError> {
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let first = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("it failed without a word");
    Err(RedirectError::Refused { what, said: first.trim().to_owned() })
}

fn failed(error: io::Error) -> RedirectError {
    if error.kind() == io::ErrorKind::NotFound { RedirectError::NoProgram } else { RedirectError::Run(error) }
}
