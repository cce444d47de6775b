//! Starts, pins and stops the processes of the bench, each proxy in a process group of its own.

use std::fs::File;
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// How long a process may take until it is ready, and until it has ended.
const PATIENCE: Duration = Duration::from_secs(15);

/// A process and its children. Dropped, it is stopped.
pub struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts a command on processor `cpu`, or on any; what it says goes to `log`.
    pub fn start(mut command: Command, cpu: Option<usize>, log: &Path) -> anyhow::Result<Running> {
        let file = File::create(log)?;
        command.stdout(file.try_clone()?).stderr(file).process_group(0);
        let program = command.get_program().to_owned();
        let child = command.spawn().with_context(|| format!("cannot run {}", program.display()))?;
        let running = Running { child, log: log.to_owned() };
        cpu.map(|cpu| running.pin(cpu)).transpose()?;
        Ok(running)
    }

    /// Its process group.
    pub fn group(&self) -> u32 {
        self.child.id()
    }

    /// What it said so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until it accepts connections at `address`.
    pub fn listens(&mut self, address: SocketAddr) -> anyhow::Result<()> {
        self.wait("accepts no connections", |_| TcpStream::connect(address).is_ok())
    }

    /// Waits until it said a line that starts with `ready:`.
    pub fn ready(&mut self) -> anyhow::Result<()> {
        self.wait("is not ready", |said| said.lines().any(|line| line.starts_with("ready:")))
    }

    /// Puts every thread of its process group on processor `cpu`.
    pub fn pin(&self, cpu: usize) -> anyhow::Result<()> {
        for process in members(self.group()) {
            // A process that ended in between needs no pinning.
            let mut pin = Command::new("taskset");
            pin.args(["-acp", &cpu.to_string(), &process.to_string()])
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            pin.status().context("cannot run taskset; apt-get install util-linux")?;
        }
        Ok(())
    }

    fn wait(&mut self, what: &str, done: impl Fn(&str) -> bool) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if done(&self.said()) {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended with {status}: {}", self.said());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("after {PATIENCE:?} it {what}: {}", self.said())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let group = Pid::from_raw(self.group().cast_signed());
        let deadline = Instant::now() + PATIENCE;
        // The group may be gone already, which is as good.
        let _ = killpg(group, Signal::SIGTERM);
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = killpg(group, Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

/// Runs a command to its end and returns what it printed.
pub fn output(command: &mut Command) -> anyhow::Result<String> {
    let program = command.get_program().to_owned();
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child =
        child.as_mut().map_err(|error| anyhow::anyhow!("cannot run {}: {error}", program.display()))?;
    let (mut text, mut said) = (String::new(), String::new());
    child.stdout.take().context("stdout is piped")?.read_to_string(&mut text)?;
    child.stderr.take().context("stderr is piped")?.read_to_string(&mut said)?;
    let status = child.wait()?;
    anyhow::ensure!(status.success(), "{} failed: {}", program.display(), said.trim());
    Ok(text)
}

/// The processes of a group.
fn members(group: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let field = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(2)?.parse().ok());
        field == Some(group)
    })
    .collect()
}
