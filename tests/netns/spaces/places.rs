//! The ways to name a cgroup, with layouts as systemd and container runtimes make them under the real mount.

use std::time::Duration;

use gateway::capture::{Steer, cgroup};

use super::net::{Cgroup, status, within};

#[test]
fn by_process_unit_and_container() {
    within(|net| async move {
        let base = format!("gateway-test-{}-places.slice", std::process::id());
        let id = format!("{:064x}", 0xabcd_0000_0000_u64 + u64::from(std::process::id()));
        let unit = format!("gateway-test-{}", std::process::id());
        let below = |name: &str| {
            Cgroup(gateway::capture::cgroup::create(&format!("{base}/{name}")).expect("a cgroup"))
        };
        // Dropped in this order: the outermost last.
        let service = below(&format!("{unit}.service"));
        let scope = below(&format!("docker-{id}.scope"));
        let process = below("process");
        let _base = Cgroup(process.0.parent().expect("a parent").to_owned());

        let mut app = net.program(&process, None, "exec sleep infinity").spawn().expect("sh runs");
        let pid = app.id().expect("it sleeps").to_string();
        let attach = ["--pid", &pid, "--systemd", &unit, "--container", &id[..60]];
        let gateway = net.attach(&attach).await;
        for cgroup in [&service, &scope, &process] {
            assert_eq!(status(&net.ask(cgroup, None, "hello").await), "200");
        }
        let records = net.state.records_until(|records| records.len() == 3).await;
        let apps: Vec<&str> =
            records.iter().filter_map(|record| record["principal"]["app"].as_str()).collect();
        assert_eq!(apps, [service.name(), scope.name(), process.name()]);
        net.state.run(&["detach", "--container", &id, "--pid", &pid]).await;
        assert_eq!(gateway::capture::Steer::attached(), std::slice::from_ref(&service.0));
        app.kill().await.expect("killed");
        gateway.stop().await;
    });
}

#[test]
fn what_cannot_be_attached_to_is_said() {
    within(|net| async move {
        for (arguments, code, expected) in [
            (&["--pid", "1073741824"][..], 1, "there is no process 1073741824"),
            (&["--systemd", "gateway-test-none"], 1, "no cgroup called gateway-test-none.service"),
            (&["--container", "gateway-test-none"], 1, "/var/lib/docker/containers (Docker)"),
            (&["--container", "a b"], 1, "cannot be a container's id or name"),
            (&[], 2, "nothing to attach to"),
            (&["--pid", "0"], 2, "0 is not in"),
        ] {
            let mut command = net.state.command(&[&["attach"], arguments].concat());
            let failed = command.output().await.expect("it runs");
            let said = String::from_utf8_lossy(&failed.stderr);
            assert!(said.contains(expected), "{arguments:?}: {said}");
            assert_eq!(failed.status.code(), Some(code), "{arguments:?}: {said}");
        }
    });
}

#[test]
fn a_unit_that_is_started_anew_is_attached_to_again() {
    within(|net| async move {
        let unit = format!("gateway-test-{}-anew", std::process::id());
        let service = Cgroup::new("anew.service");
        let named = Cgroup::new("named");
        let gateway = net.attach(&["--systemd", &unit, "--cgroup", named.path(), "--budget", "3"]).await;
        assert_eq!(status(&net.ask(&service, None, "hello").await), "200");
        for again in [&service, &named] {
            cgroup::remove(&again.0).expect("it is empty");
        }
        let told = async |words: &str| {
            let told = async {
                while !gateway.said().contains(words) {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            let waited = tokio::time::timeout(gateway_tests::PATIENCE, told).await;
            waited.unwrap_or_else(|_| panic!("not told: {words}: {}", gateway.said()));
        };
        told("NOT protected").await;
        told("it is attached to again once there is a new one").await;
        let shown = net.state.run(&["status"]).await;
        assert_eq!(shown.matches("GONE").count(), 2, "{shown}");

        let service = Cgroup::new("anew.service");
        let begun = std::time::Instant::now();
        told("attached again").await;
        eprintln!("attached again after {:?}", begun.elapsed());
        assert_eq!(Steer::attached(), std::slice::from_ref(&service.0));
        assert_eq!(status(&net.ask(&service, None, "hello").await), "200");
        let records = net.state.records_until(|records| records.len() == 2).await;
        assert!(records.iter().all(|record| record["principal"]["app"] == service.name()), "{records:#?}");
        net.state.run(&["detach", "--systemd", &unit]).await;
        assert!(Steer::attached().is_empty());
        gateway.stop().await;
    });
}
