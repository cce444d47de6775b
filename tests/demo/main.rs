//! Tests of `gateway demo`: what it shows, as root and as a normal user, and that nothing of it stays behind.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use gateway_tests::gateway::binary;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use tempfile::TempDir;

/// The pieces in which the simulated provider sends its key.
const PIECES: [&str; 5] = ["AKIA", "Z7QH", "PLXW", "4TNR", "M2VC"];
/// A user that owns nothing.
const NOBODY: u32 = 65534;

/// A demo in a temporary folder of its own.
struct Demo {
    folder: TempDir,
    command: Command,
}

impl Demo {
    fn new() -> Demo {
        let folder = TempDir::new().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let mut command = Command::new(binary());
        command.arg("demo").env("TMPDIR", folder.path()).env("COLUMNS", "80").stdin(Stdio::null());
        Demo { folder, command }
    }

    /// The same by a user without rights, from a place that user can read.
    fn as_nobody() -> Demo {
        let mut demo = Demo::new();
        if geteuid().is_root() {
            let copy = demo.folder.path().join("gateway");
            fs::copy(binary(), &copy).unwrap();
            let mut command = Command::new(copy);
            command.arg("demo").env("TMPDIR", demo.folder.path()).env("COLUMNS", "80").stdin(Stdio::null());
            command.env("HOME", demo.folder.path()).current_dir("/").uid(NOBODY).gid(NOBODY);
            demo.command = command;
        }
        demo
    }

    /// Runs it and checks what every demo must show.
    fn check(mut self, expected: &[&str]) {
        let output = self.command.output().unwrap();
        let shown = shown(&output);
        assert!(output.status.success(), "{}: {shown}", output.status);
        let app = app_column(&shown);
        let unwrapped = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            PIECES.iter().all(|piece| !app.contains(piece)),
            "a piece of the key reached the app: {shown}"
        );
        for part in ["_REDACTED]", "budget"] {
            assert!(app.contains(part), "the app's column lacks {part}: {shown}");
        }
        for part in expected.iter().chain(&["$ gateway list", "$ gateway show", "$ gateway usage"]) {
            assert!(unwrapped.contains(part), "{part} is missing: {shown}");
        }
        self.leaves_nothing();
    }

    fn leaves_nothing(&self) {
        let left = fs::read_dir(self.folder.path()).unwrap().flatten().map(|entry| entry.file_name());
        let left: Vec<_> = left.filter(|name| name != "gateway" && name != "path").collect();
        assert!(left.is_empty(), "left in the temporary folder: {left:?}");
    }
}

fn shown(output: &Output) -> String {
    [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat()
}

/// What stands to the right of the bar in every row.
fn app_column(shown: &str) -> String {
    let cells = shown.lines().filter_map(|line| line.split_once('│'));
    cells.map(|(_, app)| app.trim().to_owned() + " ").collect()
}

fn needs_root() {
    assert!(geteuid().is_root(), "this test makes namespaces and cgroups: run it as root");
}

fn cgroup_of(child: &Child) -> bool {
    let mount = gateway::capture::cgroup::mount().unwrap();
    Path::new(&mount).join(format!("gateway-demo-{}", child.id())).exists()
}

#[test]
fn as_root_the_transparent_door_is_shown() {
    needs_root();
    Demo::new().check(&["gateway attach --cgroup gateway-demo-", "in a network namespace of its own"]);
}

#[test]
fn as_a_normal_user_the_reverse_door_is_shown() {
    Demo::as_nobody().check(&["gateway proxy --listen", "As root (sudo)"]);
}

#[test]
fn without_python_and_curl_it_brings_its_own_client() {
    needs_root();
    let mut demo = Demo::new();
    let path = demo.folder.path().join("path");
    fs::create_dir(&path).unwrap();
    symlink("/bin/sh", path.join("sh")).unwrap();
    demo.command.env("PATH", &path);
    demo.check(&["a child process with the system's resolver and trust"]);
}

#[test]
fn an_interrupted_demo_leaves_nothing() {
    needs_root();
    let mut demo = Demo::new();
    let mut child = demo.command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let row = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("Sure")));
    assert!(row.is_some(), "no row was shown: {}", {
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        said
    });
    assert!(cgroup_of(&child));
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!cgroup_of(&child));
    demo.leaves_nothing();
}
