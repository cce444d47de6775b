//! Every runtime is judged by its own handshake, or by what it reads, and each fix is proven.

use crate::program::{Cgroup, Program, Silent, installed, python, sleeper_with};
use crate::{Finding, Scene, about};

const JAVA: &str =
    "class Sleeper { public static void main(String[] a) throws Exception { System.in.read(); } }";
const NODE: &str = "setTimeout(() => 0, 1e9)";

/// One sleeping program of each runtime that can shake hands, named as its finding names it.
fn runtimes(
    scene: &Scene,
    cgroup: &Cgroup,
    silent: &Silent,
    variables: &[(String, String)],
) -> Vec<(&'static str, Program)> {
    let source = scene.folder.path().join("Sleeper.java");
    std::fs::write(&source, JAVA).expect("a temporary file");
    let (python, source) = (python().display().to_string(), source.display().to_string());
    let url = format!("http://{}/", silent.at());
    let start = |words: &[&str]| cgroup.start(words, variables);
    vec![
        ("Python", start(&[&python, "-c", "input()"])),
        ("Node", start(&["node", "-e", NODE])),
        ("Java", start(&["java", &source])),
        ("curl", start(&["curl", "-s", &url])),
        ("OpenSSL", start(&["openssl", "s_client", "-connect", &silent.at()])),
    ]
}

/// Whether all of a process' clients have this verdict, found by handshake.
fn check(findings: &[Finding], runtime: &str, program: &Program, verdict: &str) {
    for finding in about(findings, program.pid()) {
        assert!(finding.runtime.starts_with(runtime), "{runtime}: {finding:?}");
        assert_eq!(
            (finding.verdict.as_str(), finding.evidence.as_str()),
            (verdict, "handshake"),
            "{finding:?}"
        );
        if verdict == "will_fail" {
            assert!(finding.proven && !finding.fix.is_empty(), "the fix does not work: {finding:?}");
        }
    }
}

#[test]
fn each_fails_by_itself_and_works_with_the_variables() {
    let (scene, cgroup, silent) = (Scene::new(), Cgroup::new("runtimes"), Silent::new());
    let bare = runtimes(&scene, &cgroup, &silent, &[]);
    let told = runtimes(&scene, &cgroup, &silent, &scene.variables());
    let (findings, code) = scene.examined(cgroup.path());
    for (runtime, program) in &bare {
        check(&findings, runtime, program, "will_fail");
    }
    for (runtime, program) in &told {
        check(&findings, runtime, program, "will_work");
    }
    assert_eq!(code, Some(1));
    let clients: Vec<&str> =
        about(&findings, bare[0].1.pid()).iter().map(|finding| finding.client.as_str()).collect();
    for client in ["ssl", "httpx", "requests", "aiohttp"] {
        assert!(clients.contains(&client), "{client} is not among {clients:?}");
    }
    drop(bare);
    let (findings, code) = scene.examined(cgroup.path());
    assert_eq!(code, Some(0), "{findings:#?}");
}

#[test]
fn what_the_user_named_is_kept_and_joined() {
    let (corporate, scene, cgroup) = (Scene::new(), Scene::new(), Cgroup::new("joined"));
    let other = corporate.state().join("trust/root.pem");
    let other = other.to_str().expect("a plain path");
    // As `gateway run` would: the caller's own variables are there when the bundles are written.
    let output = std::process::Command::new(gateway_tests::gateway::binary())
        .args(["trust", "init", "--state"])
        .arg(scene.state())
        .env_clear()
        .env("NODE_EXTRA_CA_CERTS", other)
        .env("REQUESTS_CA_BUNDLE", other)
        .output();
    assert!(output.expect("the gateway can be run").status.success());
    let python = python().display().to_string();
    let started = [
        cgroup.start(&[&python, "-c", "input()"], &scene.variables()),
        cgroup.start(&["node", "-e", NODE], &[("NODE_EXTRA_CA_CERTS".into(), bundle(&scene))]),
    ];
    for judge in [&scene, &corporate] {
        let (findings, _) = judge.examined(cgroup.path());
        for program in &started {
            for finding in about(&findings, program.pid()) {
                assert_eq!(finding.verdict, "will_work", "{finding:?}");
            }
        }
    }
}

fn bundle(scene: &Scene) -> String {
    scene.state().join("trust/bundle.pem").display().to_string()
}

#[test]
fn what_cannot_shake_hands_is_judged_by_what_it_reads() {
    let (scene, cgroup) = (Scene::new(), Cgroup::new("files"));
    let folder = scene.folder.path();
    let (go, rustls): (&[u8], &[u8]) = (b"\xff Go buildinf:", b"invalid peer certificate");
    let told = [("SSL_CERT_FILE".to_owned(), bundle(&scene))];
    /// Name, markers, whether `SSL_CERT_FILE` is set, verdict, evidence.
    type Row<'a> = (&'a str, &'a [&'a [u8]], bool, &'a str, &'a str);
    let rows: [Row<'_>; 7] = [
        ("go", &[go], false, "will_fail", "files"),
        ("go", &[go], true, "will_work", "files"),
        ("native", &[rustls, b"SSL_CERT_FILE"], false, "will_fail", "files"),
        ("native", &[rustls, b"SSL_CERT_FILE"], true, "will_work", "files"),
        ("builtin", &[rustls, b"ISRG Root X1"], true, "cannot_be_inspected", "known"),
        ("either", &[rustls, b"ISRG Root X1", b"SSL_CERT_FILE"], true, "not_tried", "files"),
        ("nothing", &[], false, "not_tried", "known"),
    ];
    let started: Vec<Program> = rows
        .iter()
        .map(|(name, markers, told_so, ..)| {
            let path = sleeper_with(folder, &format!("{name}-{told_so}"), markers);
            let variables: &[_] = if *told_so { &told } else { &[] };
            cgroup.start(&[path.to_str().expect("a plain path"), "1000"], variables)
        })
        .collect();
    let (findings, code) = scene.examined(cgroup.path());
    for ((name, _, told_so, verdict, evidence), program) in rows.iter().zip(&started) {
        let [finding] = about(&findings, program.pid())[..] else { panic!("one finding for {name}") };
        let found = (finding.verdict.as_str(), finding.evidence.as_str());
        assert_eq!(found, (*verdict, *evidence), "{name} {told_so}: {finding:?}");
        let mends = finding.fix.contains("SSL_CERT_FILE=");
        assert_eq!(mends, *verdict == "will_fail", "{finding:?}");
    }
    assert_eq!(code, Some(1));
}

#[test]
fn coding_agents_are_judged_by_what_their_builds_read() {
    let (scene, cgroup) = (Scene::new(), Cgroup::new("agents"));
    let claude = installed("agents/node_modules/@anthropic-ai/claude-code-linux-*", "claude");
    let codex = installed("agents/node_modules/@openai/codex-linux-*/vendor/*/bin", "codex");
    let (claude, codex) = (claude.display().to_string(), codex.display().to_string());
    // Each waits for its prompt, with no network to tell anybody about it.
    let start = |words: &[&str], variables: &[(String, String)]| {
        let own = format!("HOME={}", scene.folder.path().display());
        let words = [&["unshare", "--net", "env", &own], words].concat();
        cgroup.start(&words, variables)
    };
    let agents =
        [("claude", "Bun", vec![claude.as_str(), "-p"]), ("codex", "Rust", vec![&codex, "exec", "-"])];
    for (name, runtime, words) in agents {
        for (variables, verdict) in [(vec![], "will_fail"), (scene.variables(), "will_work")] {
            let _agent = start(&words, &variables);
            let pid = cgroup.find(name);
            let (findings, _) = scene.examined(cgroup.path());
            let [finding] = about(&findings, pid)[..] else { panic!("one finding: {findings:?}") };
            assert!(
                finding.runtime.starts_with(runtime) && finding.verdict == verdict,
                "{name}: {finding:?}"
            );
        }
    }
}

#[test]
fn java_without_a_compiler_is_judged_by_its_store() {
    let (scene, cgroup) = (Scene::new(), Cgroup::new("jre"));
    let folder = scene.folder.path().display().to_string();
    let run = |program: &str, arguments: &[&str]| {
        let status =
            std::process::Command::new(program).args(arguments).status().expect("a JDK is installed");
        assert!(status.success(), "{program} {arguments:?}");
    };
    std::fs::write(scene.folder.path().join("Sleeper.java"), JAVA).expect("a temporary file");
    run("javac", &[&format!("{folder}/Sleeper.java")]);
    run("jlink", &["--add-modules", "java.base", "--output", &format!("{folder}/jre")]);
    let java = format!("{folder}/jre/bin/java");
    let words = [java.as_str(), "-cp", &folder, "Sleeper"];
    let (bare, told) = (cgroup.start(&words, &[]), cgroup.start(&words, &scene.variables()));
    let (findings, _) = scene.examined(cgroup.path());
    for (program, verdict) in [(bare, "will_fail"), (told, "will_work")] {
        let [finding] = about(&findings, program.pid())[..] else { panic!("one finding: {findings:?}") };
        assert_eq!((finding.verdict.as_str(), finding.evidence.as_str()), (verdict, "files"), "{finding:?}");
    }
}

#[test]
fn a_process_is_followed_into_its_namespaces_and_becomes_no_more_than_it_is() {
    let (scene, cgroup) = (Scene::new(), Cgroup::new("elsewhere"));
    let sleep = format!("exec setpriv --reuid 12345 --regid 12345 --clear-groups node -e '{NODE}'");
    // Another network, other mounts (the trust folder covered), another numbering of processes, another user.
    let cover =
        format!("ip link set lo up; mount -t tmpfs tmpfs {}; {sleep}", scene.state().join("trust").display());
    let unshare = ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-c"];
    let _outer = cgroup.start(&[&unshare[..], &[&cover]].concat(), &[]);
    let pid = cgroup.find("node");
    let (findings, _) = scene.examined(cgroup.path());
    let [finding] = about(&findings, pid)[..] else { panic!("one finding: {findings:?}") };
    assert_eq!(
        (finding.verdict.as_str(), finding.evidence.as_str()),
        ("will_fail", "handshake"),
        "{finding:?}"
    );
    assert!(
        !finding.proven && finding.fix.contains("--volume"),
        "the bundle is not to be seen there: {finding:?}"
    );

    // The same without a cover: the variable mends it, as that user, in that network.
    let cgroup = Cgroup::new("elsewhere-seen");
    let seen = format!("ip link set lo up; {sleep}");
    let _outer = cgroup.start(&[&unshare[..], &[&seen]].concat(), &[]);
    let pid = cgroup.find("node");
    let (findings, _) = scene.examined(cgroup.path());
    let [finding] = about(&findings, pid)[..] else { panic!("one finding: {findings:?}") };
    assert!(finding.proven && finding.fix.contains("NODE_EXTRA_CA_CERTS="), "{finding:?}");

    // Its loopback interface is down: nobody can tell.
    let cgroup = Cgroup::new("elsewhere-down");
    let _outer = cgroup.start(&["unshare", "--net", "node", "-e", NODE], &[]);
    let pid = cgroup.find("node");
    let (findings, code) = scene.examined(cgroup.path());
    let [finding] = about(&findings, pid)[..] else { panic!("one finding: {findings:?}") };
    assert!(finding.verdict == "not_tried" && finding.reason.contains("did not reach"), "{finding:?}");
    assert_eq!(code, Some(0));
}

#[test]
fn relative_paths_begin_where_the_process_works() {
    let (scene, cgroup) = (Scene::new(), Cgroup::new("relative"));
    let trust = scene.state().join("trust").display().to_string();
    let start = |words: &str, variable: &str, value: &str| {
        let words = format!("cd {trust} && exec {words}");
        cgroup.start(&["sh", "-c", &words], &[(variable.to_owned(), value.to_owned())])
    };
    let go = sleeper_with(scene.folder.path(), "go", &[b"\xff Go buildinf:"]);
    let _node = start(&format!("node -e '{NODE}'"), "NODE_EXTRA_CA_CERTS", "root.pem");
    let _go = start(&format!("{} 1000", go.display()), "SSL_CERT_FILE", "bundle.pem");
    for name in ["node", "go"] {
        let pid = cgroup.find(name);
        let (findings, _) = scene.examined(cgroup.path());
        let [finding] = about(&findings, pid)[..] else { panic!("one finding: {findings:?}") };
        assert_eq!(finding.verdict, "will_work", "{finding:?}");
    }
}

#[test]
fn one_process_can_be_asked_about() {
    let (scene, cgroup) = (Scene::new(), Cgroup::new("one"));
    let first = cgroup.start(&["node", "-e", NODE], &scene.variables());
    let _second = cgroup.start(&["node", "-e", NODE], &[]);
    let output = scene.run(&["doctor", "--pid", &first.pid().to_string()]);
    let shown = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{shown}");
    assert!(shown.contains("will work") && !shown.contains("will fail"), "{shown}");
}

#[test]
fn every_runtime_of_this_machine_works_as_run_starts_it() {
    let scene = Scene::new();
    let output = scene.run(&["doctor", "--json"]);
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let runtimes: Vec<Finding> =
        found["runtimes"].as_array().expect("a list").iter().map(Finding::read).collect();
    for runtime in ["curl", "Python", "Node", "Java", "OpenSSL"] {
        let of: Vec<&Finding> =
            runtimes.iter().filter(|finding| finding.runtime.starts_with(runtime)).collect();
        assert!(
            !of.is_empty() && of.iter().all(|finding| finding.verdict == "will_work"),
            "{runtime}: {found:#}"
        );
    }
    assert_eq!(output.status.code(), Some(0), "{found:#}");
}
