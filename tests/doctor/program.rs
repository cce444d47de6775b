//! Programs that sleep in a cgroup of the test's own, each on a runtime of its own.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use gateway::capture::cgroup;

use crate::PATIENCE;

/// A cgroup, ended and removed with the test.
pub struct Cgroup(PathBuf);

impl Cgroup {
    pub fn new(name: &str) -> Cgroup {
        let name = format!("gateway-test-{}-{name}", std::process::id());
        Cgroup(cgroup::create(&name).expect("root can make a cgroup"))
    }

    pub fn path(&self) -> &str {
        self.0.to_str().expect("the test's own name is plain")
    }

    /// Starts a program inside, with these variables and the path only, and waits until it runs. Its standard input
    /// stays open and silent.
    pub fn start(&self, words: &[&str], variables: &[(String, String)]) -> Program {
        let mut command = Command::new("sh");
        let enter = format!("echo $$ > {}/cgroup.procs && exec \"$@\"", self.path());
        command.args(["-c", &enter, "sh"]).args(words).env_clear();
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", "/nonexistent");
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("sh can be run");
        let program = Program(child);
        let end = Instant::now() + PATIENCE;
        while !self.holds(program.pid()) || program.is_shell() {
            assert!(Instant::now() < end, "{words:?} did not start");
            std::thread::yield_now();
        }
        program
    }

    fn holds(&self, pid: u32) -> bool {
        cgroup::processes(&self.0).contains(&pid)
    }

    /// The process inside whose program has this name; waits for it.
    pub fn find(&self, name: &str) -> u32 {
        let end = Instant::now() + PATIENCE;
        loop {
            let named = |pid: &u32| {
                let program = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
                program.file_name().is_some_and(|found| found.to_string_lossy().starts_with(name))
            };
            if let Some(pid) = cgroup::processes(&self.0).into_iter().find(named) {
                return pid;
            }
            assert!(Instant::now() < end, "no {name} runs in {}", self.path());
            std::thread::yield_now();
        }
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = cgroup::kill(&self.0);
        let end = Instant::now() + PATIENCE;
        while cgroup::is_populated(&self.0) && Instant::now() < end {
            std::thread::yield_now();
        }
        let _ = cgroup::remove(&self.0);
    }
}

/// A running program, ended with the test.
pub struct Program(Child);

impl Program {
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Whether it is still the shell that put itself into the cgroup.
    fn is_shell(&self) -> bool {
        let program = std::fs::read_link(format!("/proc/{}/exe", self.pid())).unwrap_or_default();
        program == Path::new("/bin/sh").canonicalize().expect("there is a shell")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server that takes connections and never says a word: clients of it run for as long as it is there.
pub struct Silent(TcpListener);

impl Silent {
    pub fn new() -> Silent {
        Silent(TcpListener::bind("127.0.0.1:0").expect("a free port"))
    }

    pub fn at(&self) -> String {
        self.0.local_addr().expect("a bound listener").to_string()
    }
}

/// A copy of `sleep` that holds these bytes, as a compiler or a library would leave them.
pub fn sleeper_with(folder: &Path, name: &str, markers: &[&[u8]]) -> PathBuf {
    let mut program = std::fs::read("/bin/sleep").expect("there is a sleep");
    program.extend(markers.concat());
    let path = folder.join(name);
    std::fs::write(&path, program).expect("a temporary file");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&path, executable).expect("our own file");
    path
}

/// The Python of the installed SDKs.
pub fn python() -> PathBuf {
    installed("python/venv/bin", "python")
}

/// The program of this name in the first folder of the installed clients that fits; a `*` at the end of a part stands
/// for the name of an architecture.
///
/// # Panics
/// When it is not installed; the message says how to get it.
pub fn installed(folder: &str, name: &str) -> PathBuf {
    let clients = std::env::var_os("GATEWAY_CLIENTS").map(PathBuf::from).unwrap_or_else(|| {
        let test = std::env::current_exe().expect("a running test has a path");
        let target = test.ancestors().find(|folder| folder.join("clients").is_dir());
        target.map(|target| target.join("clients")).unwrap_or_default()
    });
    let below = |folders: Vec<PathBuf>, part: &str| match part.strip_suffix('*') {
        None => folders.iter().map(|folder| folder.join(part)).collect(),
        Some(head) => {
            let entries = folders.iter().filter_map(|folder| folder.read_dir().ok()).flatten().flatten();
            let entries = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(head));
            entries.map(|entry| entry.path()).collect()
        }
    };
    let folders: Vec<PathBuf> = folder.split('/').fold(vec![clients], below);
    let found = folders.iter().map(|folder| folder.join(name)).find(|program| program.exists());
    found.unwrap_or_else(|| {
        panic!(
            "{folder}/{name} is not installed: run `cargo xtask test --only doctor`, or set GATEWAY_CLIENTS"
        )
    })
}
