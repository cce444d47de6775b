//! The rights of a running gateway: none where data flows, few elsewhere, and no more than documented to begin with.

use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Stdio;

use gateway_tests::PATIENCE;
use gateway_tests::gateway::{Gateway, State, binary};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use super::spaces::net::{Cgroup, Net, status, within};
use super::world::holds;

/// What a thread of a process may do (proc_pid_status(5)).
struct Thread {
    name: String,
    effective: u64,
    bounding: u64,
    others: u64,
    no_new_privileges: bool,
}

fn threads(pid: u32) -> Vec<Thread> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("the gateway runs").flatten();
    let read = |task: std::fs::DirEntry| {
        let status = std::fs::read_to_string(task.path().join("status")).ok()?;
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let mask = |name| u64::from_str_radix(field(name).expect("every thread has it"), 16).expect("hex");
        Some(Thread {
            name: field("Name:")?.to_owned(),
            effective: mask("CapEff:"),
            bounding: mask("CapBnd:"),
            others: mask("CapInh:") | mask("CapAmb:") | (mask("CapPrm:") & !mask("CapEff:")),
            no_new_privileges: field("NoNewPrivs:") == Some("1"),
        })
    };
    tasks.filter_map(read).collect()
}

const NET_ADMIN: u64 = 1 << 12;
const DAC_READ_SEARCH: u64 = 1 << 2;
const SYS_PTRACE: u64 = 1 << 19;
const SYS_ADMIN: u64 = 1 << 21;

fn check_threads(gateway: &Gateway, kept: u64) {
    let expected = |name: &str| match name {
        "rights" => kept,
        name if name.starts_with("netns-") => SYS_ADMIN | SYS_PTRACE,
        _ => 0,
    };
    // A thread that did something with rights and has ended may still be listed for a moment.
    let mut found = Vec::new();
    holds(|| {
        found = threads(gateway.pid());
        found.iter().all(|thread| thread.effective == expected(&thread.name))
    });
    assert!(found.len() > 4, "a runtime, a store and a control socket");
    for thread in found {
        let name = &thread.name;
        assert_eq!(thread.effective, expected(name), "{name} has {:#x}", thread.effective);
        assert_eq!((thread.bounding, thread.others), (0, 0), "{name}");
        assert!(thread.no_new_privileges, "{name}");
    }
}

#[test]
fn after_start_every_thread_has_what_it_needs_and_all_goes_on_working() {
    within(|net| async move {
        for (via, kept) in [("ebpf", 0), ("nftables", NET_ADMIN | SYS_PTRACE | DAC_READ_SEARCH)] {
            let cgroup = Cgroup::new("rights");
            let gateway = net.attach(&["--cgroup", cgroup.path(), "--via", via]).await;
            check_threads(&gateway, kept);
            assert_eq!(status(&net.ask(&cgroup, None, "hello").await), "200", "{via}");
            if via == "ebpf" {
                // A namespace that comes later is entered all the same.
                let space = net.container();
                let _lives = net.lives(&cgroup, &space);
                // What connects before the gateway listens there is refused.
                let served =
                    async { while status(&net.ask(&cgroup, Some(&space), "hello").await) != "200" {} };
                tokio::time::timeout(PATIENCE, served).await.expect("the namespace is served");
            }
            let records = gateway.state.records_until(|records| !records.is_empty()).await;
            assert!(!records.is_empty(), "the store is still written");
            check_threads(&gateway, kept);
            let status = gateway.state.run(&["status", "--json"]).await;
            assert!(
                status.contains("\"thread\": \"rights\"") || status.contains("\"thread\":\"rights\""),
                "{status}"
            );
            gateway.state.run(&["detach", "--cgroup", cgroup.path()]).await;
            gateway.ended().await;
        }
    });
}

#[test]
fn the_proxy_doors_keep_no_right_at_all() {
    within(|net| async move {
        let gateway = Gateway::proxy_on(net.state.clone(), "https://api.openai.com/v1", &[]).await;
        check_threads(&gateway, 0);
        assert!(threads(gateway.pid()).iter().all(|thread| thread.name != "rights"));
        gateway.stop().await;
    });
}

/// The gateway as user 65534 with these capabilities only, as systemd's `AmbientCapabilities=` gives them.
fn unprivileged(net: &Net, capabilities: &[&str], arguments: &[&str]) -> Command {
    let list =
        |sign: &str| capabilities.iter().map(|name| format!("{sign}{name}")).collect::<Vec<_>>().join(",");
    let given = net.state.command(arguments).into_std();
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    if !capabilities.is_empty() {
        command.arg(format!("--inh-caps={}", list("+"))).arg(format!("--ambient-caps={}", list("+")));
    }
    command.arg("--bounding-set").arg(format!("-all,{}", list("+")).trim_end_matches(','));
    command.arg(binary()).args(given.get_args()).env_clear();
    command.envs(given.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    own(net.state.path());
    command
}

/// Gives the folder and all in it to that user.
fn own(folder: &Path) {
    chown(folder, Some(65_534), Some(65_534)).expect("root can");
    for entry in std::fs::read_dir(folder).expect("readable").flatten() {
        chown(entry.path(), Some(65_534), Some(65_534)).expect("root can");
    }
}

/// The lists of README.md and of what `gateway attach` prints, without those for other network namespaces.
const EBPF: [&str; 4] = ["bpf", "net_admin", "perfmon", "dac_override"];
const NFTABLES: [&str; 2] = ["net_admin", "dac_read_search"];

#[test]
fn the_documented_rights_are_enough_without_root() {
    within(|net| async move {
        for (via, capabilities) in [("ebpf", &EBPF[..]), ("nftables", &NFTABLES[..])] {
            let cgroup = Cgroup::new("few");
            let attach = ["attach", "--cgroup", cgroup.path(), "--via", via];
            let mut gateway =
                unprivileged(&net, capabilities, &attach).spawn().expect("setpriv is installed");
            let mut stderr = BufReader::new(gateway.stderr.take().expect("piped")).lines();
            let mut said = String::new();
            while let Some(line) = stderr.next_line().await.expect("readable") {
                said += &format!("{line}\n");
                if line.starts_with("ready:") {
                    break;
                }
            }
            assert!(said.contains("ready:"), "{via}: {said}");
            assert_eq!(status(&net.ask(&cgroup, None, "hello").await), "200", "{via}");
            net.state.run(&["detach", "--cgroup", cgroup.path()]).await;
            let ended = tokio::time::timeout(PATIENCE, gateway.wait()).await.expect("it ends in time");
            assert!(ended.expect("it ran").success(), "{via}");
            assert!(!gateway::capture::Steering::attached().contains(&cgroup.0));
        }
    });
}

#[test]
fn without_ebpf_nftables_is_used_and_said() {
    within(|net| async move {
        let cgroup = Cgroup::new("auto");
        let attach = ["attach", "--cgroup", cgroup.path()];
        let gateway = unprivileged(&net, &NFTABLES, &attach).spawn().expect("setpriv is installed");
        assert!(holds(|| gateway::capture::Redirect::attached().contains(&cgroup.0)), "attached");
        assert_eq!(status(&net.ask(&cgroup, None, "hello").await), "200");
        net.state.run(&["detach", "--cgroup", cgroup.path()]).await;
        let output =
            tokio::time::timeout(PATIENCE, gateway.wait_with_output()).await.expect("it ends in time");
        let said = String::from_utf8_lossy(&output.expect("it ran").stderr).into_owned();
        assert!(said.contains("steering with nftables, as eBPF does not work here"), "{said}");
        assert!(said.contains("no right to load kernel programs"), "{said}");
    });
}

#[test]
fn without_any_right_the_way_to_get_them_is_told() {
    within(|net| async move {
        let cgroup = Cgroup::new("none");
        let mut attach = unprivileged(&net, &[], &["attach", "--cgroup", cgroup.path()]);
        let output = tokio::time::timeout(PATIENCE, attach.output()).await.expect("it ends in time");
        let output = output.expect("setpriv is installed");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(69), "{said}");
        for part in [
            "ebpf: no right to load kernel programs",
            "nftables: no right to change the firewall",
            "setcap cap_bpf,cap_net_admin,cap_perfmon",
            "AmbientCapabilities=CAP_BPF CAP_NET_ADMIN CAP_PERFMON",
            "securityContext",
            "gateway proxy",
            "HTTPS_PROXY",
        ] {
            assert!(said.contains(part), "{part} in {said}");
        }
    });
}

async fn ran(state: &State, variables: &[(&str, &str)], arguments: &[&str], script: &str) -> String {
    let mut command = state.command(&[&["run"], arguments, &["--", "sh", "-c", script]].concat());
    command.envs(variables.iter().copied());
    let output = tokio::time::timeout(PATIENCE, command.output()).await.expect("it ends in time");
    let output = output.expect("the gateway can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn a_command_runs_as_the_caller_of_sudo_with_a_readable_bundle() {
    within(|net| async move {
        // Only what lies in the state folder is the gateway's to open for others.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o711);
        std::fs::set_permissions(net.state.path(), open).expect("root can");
        let sudo = [("SUDO_UID", "65534"), ("SUDO_GID", "65534")];
        let script =
            "id -un; echo $USER $LOGNAME; grep -c BEGIN $SSL_CERT_FILE; grep CapEff /proc/self/status";
        let said = ran(&net.state, &sudo, &[], script).await;
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines[..2], ["nobody", "nobody nobody"], "{said}");
        assert_ne!(lines[2], "0", "the bundle is readable");
        assert!(lines[3].ends_with("0000000000000000"), "{said}");
        let keys =
            "find \"$(dirname $(dirname $SSL_CERT_FILE))\" -readable -name '*key*' 2>/dev/null | wc -l";
        assert_eq!(ran(&net.state, &sudo, &[], keys).await, "0", "a key is readable");
        assert_eq!(ran(&net.state, &sudo, &["--user", "root"], "id -u").await, "0");
        assert_eq!(ran(&net.state, &[], &["--user", "nobody"], "id -un").await, "nobody");
        assert_eq!(
            ran(&net.state, &[], &[], "id -u; grep NoNewPrivs /proc/self/status").await,
            "0\nNoNewPrivs:\t0"
        );
    });
}
