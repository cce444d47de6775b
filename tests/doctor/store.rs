//! The system's store, with the system's own tools, on copies that only this test sees.

use std::path::Path;
use std::process::{Command, Stdio};

use gateway_tests::world;
use nix::mount::{MsFlags, mount};

use crate::program::{Cgroup, Silent, python};
use crate::{Scene, about};

/// What the tools write to.
const COVERED: [&str; 2] = ["/etc/ssl", "/usr/local/share/ca-certificates"];

/// Mounts copies over the store, in this thread's own mount namespace.
fn cover(folder: &Path) {
    for (number, path) in COVERED.iter().enumerate() {
        let copy = folder.join(number.to_string());
        run("cp", &["-a", path, copy.to_str().expect("a plain path")]);
        mount(Some(&copy), *path, None::<&str>, MsFlags::MS_BIND, None::<&str>).expect("root can mount");
    }
}

fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).stdout(Stdio::null()).status();
    assert!(status.expect("it can be started").success(), "{program} {arguments:?}");
}

/// What differs from the first copy, as diff tells; Java's store is a file whose order changes.
fn changes(before: &Path) -> String {
    let output = Command::new("diff")
        .args(["--recursive", "--brief", "--no-dereference", "--exclude=cacerts"])
        .arg(before)
        .arg("/etc/ssl")
        .output()
        .expect("diff can be started");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Whether Java's own store bears a root of ours; `None` without Java, or without the hook that fills its store.
fn java_trusts() -> Option<bool> {
    if !Path::new("/etc/ca-certificates/update.d/jks-keystore").exists() {
        return None;
    }
    let listed =
        Command::new("keytool").args(["-list", "-cacerts", "-storepass", "changeit"]).output().ok()?;
    Some(String::from_utf8_lossy(&listed.stdout).contains("gateway-"))
}

#[test]
fn installed_it_is_trusted_without_a_variable_and_uninstalled_nothing_is_left() {
    world::inside(|folder| {
        let folder = folder.to_owned();
        async move {
            cover(&folder);
            // One run brings the copy into the state that this version of the tool leaves behind.
            run("update-ca-certificates", &[]);
            let before = folder.join("before");
            run("cp", &["-a", "/etc/ssl", before.to_str().expect("a plain path")]);
            let (scene, cgroup, silent) = (Scene::new(), Cgroup::new("store"), Silent::new());
            let python = python().display().to_string();
            let url = format!("http://{}/", silent.at());
            let programs = [
                cgroup.start(&[&python, "-c", "input()"], &[]),
                cgroup.start(&["curl", "-s", &url], &[]),
                cgroup.start(&["openssl", "s_client", "-connect", &silent.at()], &[]),
                cgroup.start(&["node", "-e", "setTimeout(() => 0, 1e9)"], &[]),
            ];
            let trusting = || {
                let (findings, _) = scene.examined(cgroup.path());
                let works = |client: &str, number: usize| {
                    let of = about(&findings, programs[number].pid());
                    of.iter().any(|finding| finding.client == client && finding.verdict == "will_work")
                };
                [
                    works("ssl", 0),
                    works("httpx", 0),
                    works("requests", 0),
                    works("", 1),
                    works("", 2),
                    works("", 3),
                ]
            };
            assert_eq!(trusting(), [false; 6]);
            scene.done(&["trust", "install"]);
            // Python's ssl, curl and OpenSSL read the system's store; certifi and Node do not.
            assert_eq!(trusting(), [true, false, false, true, true, false]);
            assert_ne!(java_trusts(), Some(false));
            let again = scene.done(&["trust", "install"]);
            assert!(again.contains("already"), "{again}");
            scene.done(&["trust", "init", "--renew"]);
            scene.done(&["trust", "install"]);
            assert!(trusting()[0]);
            scene.done(&["trust", "uninstall"]);
            assert_eq!(trusting(), [false; 6]);
            assert_ne!(java_trusts(), Some(true));
            assert_eq!(changes(&before), "", "something was left behind");
            let gone = scene.done(&["trust", "uninstall"]);
            assert!(gone.contains("was not there"), "{gone}");
        }
    });
}

#[test]
fn printed_variables_are_read_by_the_shell_they_are_for() {
    let scene = Scene::new();
    for (name, value) in scene.variables() {
        let sh = format!("{}\nprintf %s \"${name}\"", scene.done(&["trust", "env"]));
        let output = Command::new("sh").args(["-c", &sh]).env_clear().output().expect("there is a shell");
        assert_eq!(String::from_utf8_lossy(&output.stdout), value, "{name}");
        let line = format!("{name}={value}\n");
        assert!(scene.done(&["trust", "env", "--shell", "docker"]).contains(&line));
        let unit = scene.done(&["trust", "env", "--shell", "systemd"]);
        assert!(
            unit.starts_with("[Service]\n") && unit.contains(&format!("Environment=\"{name}=")),
            "{unit}"
        );
    }
}
