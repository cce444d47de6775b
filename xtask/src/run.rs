//! Starting another program and keeping what it prints.

use std::fs::{self, File};
use std::io::{IsTerminal, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

/// What a program did: whether it succeeded, and everything it printed.
pub struct Outcome {
    /// Exit status 0.
    pub success: bool,
    /// Standard output and standard error in the order they came.
    pub text: String,
}

/// Where cargo puts what it builds.
pub fn target(root: &Path) -> PathBuf {
    let chosen = std::env::var_os("CARGO_TARGET_DIR").and_then(|folder| std::path::absolute(folder).ok());
    chosen.unwrap_or_else(|| root.join("target"))
}

/// Runs `command`, adding its output to the file `log` and returning it.
///
/// A file and not a pipe: a process that a test left behind would hold a pipe open, and this command with it.
/// Without a terminal the program is ended after `limit`, so that a hang still leaves a report.
pub fn logged(command: &mut Command, log: &Path, limit: Duration) -> Result<Outcome> {
    if let Some(folder) = log.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let mut out = File::options()
        .create(true)
        .append(true)
        .open(log)
        .with_context(|| format!("cannot write {}", log.display()))?;
    let start = out.seek(SeekFrom::End(0))?;
    let mut limited = bounded(command, limit);
    limited.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
    let status = limited.status().with_context(|| {
        format!("cannot start {}: is it installed?", command.get_program().to_string_lossy())
    })?;
    let mut printed = Vec::new();
    let mut log = File::open(log)?;
    log.seek(SeekFrom::Start(start))?;
    log.read_to_end(&mut printed)?;
    let mut text = String::from_utf8_lossy(&printed).into_owned();
    if status.code() == Some(124) {
        text.push_str(&format!("\nended after {} s without a result\n", limit.as_secs()));
    }
    Ok(Outcome { success: status.success(), text })
}

/// The same command under `timeout`, which ends the whole process group.
///
/// At a terminal the command stays as it is: `timeout` would take it out of reach of Ctrl-C.
fn bounded(command: &Command, limit: Duration) -> Command {
    let terminal = std::io::stdout().is_terminal();
    let mut bounded = if terminal {
        Command::new(command.get_program())
    } else {
        let mut timeout = Command::new("timeout");
        timeout.arg("--kill-after=10").arg(limit.as_secs().to_string()).arg(command.get_program());
        timeout
    };
    bounded.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => bounded.env(name, value),
            None => bounded.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        bounded.current_dir(folder);
    }
    bounded
}
