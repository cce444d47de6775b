//! Processes that live in another network namespace than the gateway.

use std::time::Duration;

use gateway::simulate::sample_key;

use super::net::{Cgroup, curl, status, within};

#[test]
fn a_container_is_protected_and_goes_out_from_its_own_address() {
    within(|net| async move {
        let (cgroup, space) = (Cgroup::new("container"), net.container());
        // It lives before the gateway comes.
        let mut app = net.lives(&cgroup, &space);
        let gateway = net.attach(&["--cgroup", cgroup.path()]).await;

        let key = sample_key();
        let said = net.ask(&cgroup, Some(&space), &format!("my key is {key}")).await;
        assert_eq!(status(&said), "200", "{said} {}", gateway.said());
        assert_eq!(net.provider.received().len(), 1);
        assert!(!net.provider.saw(key.as_bytes()), "the key left the container");
        assert_eq!(net.provider.sources(), [space.address], "inspected, from the container's address");

        let relayed =
            net.run(&cgroup, Some(&space), "curl -sk -m 20 -o /dev/null https://plain.example/x").await;
        assert!(relayed.status.success(), "{relayed:?}");
        assert_eq!(net.provider.sources(), [space.address; 2], "relayed, from the container's address");

        let records = net.state.records_until(|records| records.len() == 2).await;
        assert_eq!(records[0]["verdict"], "redacted", "{records:#?}");
        assert_eq!(records[1]["verdict"], "relayed", "{records:#?}");
        assert!(records.iter().all(|record| record["principal"]["app"] == cgroup.name()), "{records:#?}");
        app.kill().await.expect("killed");
        gateway.stop().await;
    });
}

#[test]
fn both_namespaces_of_one_cgroup_are_served_apart() {
    within(|net| async move {
        let (cgroup, first, second) = (Cgroup::new("both"), net.container(), net.container());
        let _lives = [net.lives(&cgroup, &first), net.lives(&cgroup, &second)];
        let gateway = net.attach(&["--cgroup", cgroup.path()]).await;
        // Kept connections must not be shared between them: each goes out over its own wire.
        for space in [&first, &second, &first] {
            assert_eq!(status(&net.ask(&cgroup, Some(space), "hello").await), "200");
        }
        assert_eq!(status(&net.ask(&cgroup, None, "hello").await), "200", "nor with the gateway's own");
        let sources = net.provider.sources();
        assert_eq!(sources.len(), 3, "the third request went over the first one's connection: {sources:?}");
        assert_eq!(sources[..2], [first.address, second.address]);
        assert!(![first.address, second.address].contains(&sources[2]), "{sources:?}");
        gateway.stop().await;
    });
}

#[test]
fn a_namespace_that_appears_later_is_served_and_nothing_passes_before() {
    within(|net| async move {
        let cgroup = Cgroup::new("later");
        let gateway = net.attach(&["--cgroup", cgroup.path()]).await;
        let space = net.container();
        // Asks as soon as it lives, until it gets an answer; says how often it was refused before.
        let script = format!(
            "n=0; until {} > /tmp/none 2>&1; do code=$?; [ $code = 60 ] && echo passed; n=$((n+1)); [ $n -gt 200 ] && exit 1; \
             sleep 0.02; done; echo refused $n",
            curl("hello").replace("curl -s", "curl -s -o /dev/null")
        );
        let output = net.run(&cgroup, Some(&space), &script.replace("/tmp/none", "/dev/null")).await;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}");
        assert!(!said.contains("passed"), "a connection went beside the gateway: {said}");
        eprintln!("before the listener stood: {}", said.trim());
        assert!(net.provider.sources().iter().all(|source| *source == space.address));
        assert_eq!(net.provider.received().len(), 1);
        gateway.stop().await;
    });
}

#[test]
fn a_namespace_that_has_ended_is_forgotten() {
    within(|net| async move {
        let (cgroup, space) = (Cgroup::new("ended"), net.container());
        let gateway = net.attach(&["--cgroup", cgroup.path()]).await;
        let listening = async || {
            let status = net.state.run(&["status", "--json"]).await;
            let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
            status["apps"][0]["namespaces"].as_u64().expect("a number")
        };
        assert_eq!(listening().await, 1, "its own");
        let mut app = net.lives(&cgroup, &space);
        until(async || listening().await == 2).await;
        assert_eq!(status(&net.ask(&cgroup, Some(&space), "hello").await), "200");
        let inode = std::fs::metadata(format!("/proc/{}/ns/net", space.pid())).expect("it lives");
        app.kill().await.expect("killed");
        space.release().await;
        until(async || listening().await == 1).await;
        // Nothing of the gateway keeps it alive: neither a listener nor a kept connection.
        let inode = std::os::unix::fs::MetadataExt::ino(&inode);
        until(async || !is_held(gateway.pid(), inode)).await;
        gateway.stop().await;
    });
}

#[test]
fn a_restarted_gateway_listens_again_where_the_kernel_steers_to() {
    within(|net| async move {
        let (cgroup, space) = (Cgroup::new("restart"), net.container());
        let mut app = net.lives(&cgroup, &space);
        let gateway = net.attach(&["--cgroup", cgroup.path()]).await;
        assert_eq!(status(&net.ask(&cgroup, Some(&space), "hello").await), "200");
        let before = gateway::capture::Steer::pinned_listeners(&cgroup.0);
        assert_eq!(before.len(), 2, "{before:?}");
        gateway.kill().await;
        let direct = net.provider.connections();
        for _ in 0..3 {
            assert_eq!(status(&net.ask(&cgroup, Some(&space), "hello").await), "000", "closed meanwhile");
        }
        assert_eq!(net.provider.connections(), direct);
        let gateway = net.attach(&["--cgroup", cgroup.path()]).await;
        let mut after = gateway::capture::Steer::pinned_listeners(&cgroup.0);
        after.sort();
        let mut before = before;
        before.sort();
        assert_eq!(after, before, "the same ports in the same namespaces");
        assert_eq!(status(&net.ask(&cgroup, Some(&space), "hello").await), "200");
        app.kill().await.expect("killed");
        gateway.stop().await;
    });
}

#[test]
fn a_namespace_without_loopback_is_reported_and_served_once_it_is_up() {
    within(|net| async move {
        let cgroup = Cgroup::new("loopback");
        let gateway = net.attach(&["--cgroup", cgroup.path()]).await;
        let script = "unshare --net sh -c 'sleep 0.5; read line; ip link set lo up; exec sleep infinity'";
        let mut app = net.program(&cgroup, None, script);
        let mut app = app.stdin(std::process::Stdio::piped()).spawn().expect("sh runs");
        until(async || gateway.said().contains("its loopback interface is down")).await;
        assert_eq!(gateway.said().matches("loopback interface is down").count(), 1, "told once");
        drop(app.stdin.take());
        until(async || gateway::capture::Steer::pinned_listeners(&cgroup.0).len() == 2).await;
        app.kill().await.expect("killed");
        gateway.stop().await;
    });
}

/// Whether a process has a descriptor of the network namespace with this inode, which keeps it alive.
fn is_held(pid: u32, inode: u64) -> bool {
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs").flatten();
    let name = format!("net:[{inode}]");
    files
        .filter_map(|file| std::fs::read_link(file.path()).ok())
        .any(|link| link.as_os_str() == name.as_str())
}

async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(gateway_tests::PATIENCE, wait).await.expect("it comes to that in time");
}
