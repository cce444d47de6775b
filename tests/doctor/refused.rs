//! What cannot be examined is said, with what to do.

use std::process::Command;

use gateway_tests::gateway::binary;

use crate::Scene;
use crate::program::Cgroup;

/// A command that must fail with this code and say all of `said`.
fn check(scene: &Scene, arguments: &[&str], code: i32, said: &[&str]) {
    let output = scene.run(arguments);
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    let text = String::from_utf8_lossy(&text);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    for part in said {
        assert!(text.contains(part), "{arguments:?} does not say {part:?}: {text}");
    }
}

#[test]
fn what_is_not_there_is_named() {
    let scene = Scene::new();
    check(
        &scene,
        &["doctor", "--cgroup", "no-such-cgroup-here"],
        1,
        &["no-such-cgroup-here", "check the name"],
    );
    check(&scene, &["doctor", "--pid", "4194303"], 1, &["no process 4194303"]);
    check(&scene, &["doctor", "--cgroup", "a", "--pid", "1"], 2, &["cannot be used with"]);
    check(&scene, &["doctor", "--pid", "one"], 2, &["invalid value"]);
    let empty = Cgroup::new("empty");
    check(&scene, &["doctor", "--cgroup", empty.path()], 1, &["no process is in", "start the service first"]);
}

#[test]
fn without_rights_it_says_which_processes_nobody_looked_at() {
    let (scene, cgroup) = (Scene::new(), Cgroup::new("rights"));
    let program = cgroup.start(&["sleep", "1000"], &[]);
    let home = scene.folder.path().join("nobody");
    std::fs::create_dir(&home).expect("a temporary folder");
    std::os::unix::fs::chown(&home, Some(65_534), Some(65_534)).expect("root can give it away");
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(copied(&scene));
    let output = command
        .args(["doctor", "--cgroup", cgroup.path(), "--state"])
        .arg(home.join("state"))
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .output()
        .expect("setpriv can be run");
    let text = String::from_utf8_lossy(&output.stdout);
    let expected = format!("process {} (sleep) may not be looked at", program.pid());
    assert!(text.contains(&expected), "{text} {}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1));
}

/// The program where another user can get at it.
fn copied(scene: &Scene) -> std::path::PathBuf {
    let path = scene.folder.path().join("gateway");
    std::fs::copy(binary(), &path).expect("a temporary file");
    path
}
