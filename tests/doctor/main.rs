//! `gateway doctor` and `gateway trust` against real runtimes: processes with scrubbed environments, their own
//! handshakes, the system's store, other namespaces, and upstreams of every sort.
//!
//! They need root, and the SDKs that `cargo xtask test` installs into `target/clients` (or `$GATEWAY_CLIENTS`).

mod attached;
mod program;
mod refused;
mod runtimes;
mod store;
mod upstream;

use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;

use gateway_tests::gateway::binary;
use serde_json::Value;
use tempfile::TempDir;

/// Longest run of a command: it may try a dozen runtimes, and machines are shared.
const PATIENCE: Duration = Duration::from_secs(240);

/// A state folder with a CA, reachable for every user.
struct Scene {
    folder: TempDir,
}

impl Scene {
    fn new() -> Scene {
        let folder = TempDir::new().expect("a temporary folder");
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).expect("the folder is ours");
        let scene = Scene { folder };
        scene.done(&["trust", "init"]);
        scene
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Runs the gateway with nothing of this environment but the path.
    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = std::process::Command::new("timeout");
        command.arg(PATIENCE.as_secs().to_string()).arg(binary()).args(arguments);
        command.arg("--state").arg(self.state()).env_clear().env("HOME", self.folder.path());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.output().expect("the gateway can be run")
    }

    /// Runs a command that must succeed; its output.
    fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "gateway {arguments:?}: {}: {said}", output.status);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The variables `trust env` prints.
    fn variables(&self) -> Vec<(String, String)> {
        let printed: Value =
            serde_json::from_str(&self.done(&["trust", "env", "--shell", "json"])).expect("JSON");
        let object = printed.as_object().expect("an object");
        object.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap_or("").to_owned())).collect()
    }

    /// What the doctor finds in a cgroup, and its exit code.
    fn examined(&self, cgroup: &str) -> (Vec<Finding>, Option<i32>) {
        let output = self.run(&["doctor", "--cgroup", cgroup, "--json"]);
        let said = String::from_utf8_lossy(&output.stderr);
        let value: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
        let findings = value["findings"].as_array().expect("findings").iter().map(Finding::read).collect();
        (findings, output.status.code())
    }
}

/// One finding, as the JSON has it.
#[derive(Debug)]
struct Finding {
    pids: Vec<u64>,
    runtime: String,
    client: String,
    verdict: String,
    evidence: String,
    reason: String,
    fix: String,
    proven: bool,
}

impl Finding {
    fn read(value: &Value) -> Finding {
        let text = |field: &str| value[field].as_str().unwrap_or_default().to_owned();
        Finding {
            pids: value["pids"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect(),
            runtime: text("runtime"),
            client: text("client"),
            verdict: text("verdict"),
            evidence: text("evidence"),
            reason: text("reason"),
            fix: text("fix"),
            proven: value["proven"] == true,
        }
    }
}

/// The findings about a process.
fn about(findings: &[Finding], pid: u32) -> Vec<&Finding> {
    let found: Vec<&Finding> =
        findings.iter().filter(|finding| finding.pids.contains(&u64::from(pid))).collect();
    assert!(!found.is_empty(), "nothing is said about {pid}: {findings:#?}");
    found
}
