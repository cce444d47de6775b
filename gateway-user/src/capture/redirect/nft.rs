//! Runs nft(8), now and at the gateway's end.

use super::RedirectError;
use serde_json::Value;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Output, Stdio};

/// Where it lies on the systems that keep it out of a user's `PATH`, after the caller's own.
const PATHS: &str = "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin";

/// Applies commands as one transaction.
pub(super) fn apply(what: &'static str, commands: &str) -> Result<(), RedirectError> {
    let mut standby = Standby::start()?;
    standby.write(commands)?;
    standby.finish(what)
}

/// What `nft -j list …` prints.
pub(super) fn list(what: &[&str]) -> Result<Value, RedirectError> {
    let output = command().args(["-j", "list"]).args(what).output().map_err(failed)?;
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
    pub(super) fn start() -> Result<Standby, RedirectError> {
        let mut command = command();
        command.args(["-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        // A group of its own: the interrupt that ends the gateway at a terminal must not end this one before it.
        let mut child = command.process_group(0).spawn().map_err(failed)?;
        let input = child.stdin.take().expect("its input is piped");
        Ok(Standby { child, input })
    }

    /// Gives it commands, to be run at the end.
    pub(super) fn write(&mut self, commands: &str) -> Result<(), RedirectError> {
        self.input.write_all(commands.as_bytes()).map_err(RedirectError::Run)
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
