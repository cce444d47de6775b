//! Several apps under one gateway, each with its own policy and booked apart.

use gateway::capture::Steer;
use gateway::simulate::sample_key;
use serde_json::Value;

use super::net::{Cgroup, status, within};

#[test]
fn two_apps_have_their_own_modes_and_budgets() {
    within(|net| async move {
        let (strict, warn) = (Cgroup::new("strict"), Cgroup::new("warn"));
        let (space, key) = (net.container(), sample_key());
        let file = net.state.file(
            "apps.yaml",
            &format!(
                "apps:\n  - cgroup: {}\n    budget: 0.000001\n  - cgroup: {}\n    mode: warn\n    name: careless\n    fail: \
                 closed\n",
                strict.path(),
                warn.path()
            ),
        );
        let _lives = [net.lives(&strict, &space), net.lives(&warn, &space)];
        let gateway = net.attach(&["--config", file.to_str().expect("plain")]).await;
        let ready = gateway.said();
        assert!(ready.contains("mode strict; attached to") && ready.contains("mode warn"), "{ready}");

        // Both in one container, as two containers of a pod are.
        let said = net.ask(&warn, Some(&space), &format!("my key is {key}")).await;
        assert_eq!(status(&said), "200", "{said}");
        assert!(net.provider.saw(key.as_bytes()), "warn mode lets it pass");
        let said = net.ask(&strict, Some(&space), "hello").await;
        assert_eq!(status(&said), "400", "its budget does not cover a request: {said}");
        assert!(said.contains("budget"), "{said}");

        let records = net.state.records_until(|records| records.len() == 2).await;
        let app = |at: usize| records[at]["principal"]["app"].as_str().expect("an app").to_owned();
        assert_eq!((app(0), app(1)), ("careless".to_owned(), strict.name()));
        let all: Value = serde_json::from_str(&net.state.run(&["status", "--json"]).await).expect("JSON");
        let apps = all["apps"].as_array().expect("apps");
        assert_eq!((apps.len(), &apps[0]["mode"], &apps[1]["mode"]), (2, &"strict".into(), &"warn".into()));
        let shown = net.state.run(&["status"]).await;
        assert!(shown.contains("careless") && shown.contains(strict.path()), "{shown}");
        gateway.stop().await;
    });
}

#[test]
fn one_of_two_apps_is_let_go_and_the_gateway_ends_with_the_last() {
    within(|net| async move {
        let (first, second, space) = (Cgroup::new("first"), Cgroup::new("second"), net.container());
        let _lives = [net.lives(&first, &space), net.lives(&second, &space)];
        for fail in ["closed", "open"] {
            let attach = ["--cgroup", first.path(), "--cgroup", second.path(), "--fail", fail];
            let gateway = net.attach(&attach).await;
            for cgroup in [&first, &second] {
                assert_eq!(status(&net.ask(cgroup, Some(&space), "hello").await), "200", "{fail}");
            }
            net.state.run(&["detach", "--cgroup", first.path()]).await;
            assert_eq!(Steer::attached(), std::slice::from_ref(&second.0), "{fail}");
            let direct = net.provider.connections();
            assert_eq!(
                net.run(&first, Some(&space), "curl -s https://api.openai.com/").await.status.code(),
                Some(60)
            );
            assert_eq!(
                net.provider.connections(),
                direct + 1,
                "{fail}: free again, and untrusted without the gateway"
            );
            assert_eq!(
                status(&net.ask(&second, Some(&space), "hello").await),
                "200",
                "{fail}: the other is served"
            );
            net.state.run(&["detach", "--cgroup", second.path()]).await;
            gateway.ended().await;
            assert!(Steer::attached().is_empty(), "{fail}");
        }
    });
}

#[test]
fn the_innermost_of_nested_apps_applies() {
    within(|net| async move {
        let outer = Cgroup::new("outer");
        let inner =
            Cgroup(gateway::capture::cgroup::create(&format!("{}/inner", outer.path())).expect("a cgroup"));
        let gateway = net.attach(&["--cgroup", outer.path(), "--cgroup", inner.path()]).await;
        assert_eq!(status(&net.ask(&inner, None, "hello").await), "200");
        assert_eq!(status(&net.ask(&outer, None, "hello").await), "200");
        let records = net.state.records_until(|records| records.len() == 2).await;
        let app = |at: usize| records[at]["principal"]["app"].as_str().expect("an app").to_owned();
        assert_eq!((app(0), app(1)), (inner.name(), outer.name()));
        gateway.stop().await;
        drop(inner);
    });
}

#[test]
fn a_second_app_that_cannot_be_attached_leaves_the_first_as_it_was() {
    within(|net| async move {
        let (free, taken) = (Cgroup::new("free"), Cgroup::new("taken"));
        let holder = net.attach(&["--cgroup", taken.path()]).await;
        let other = net.state.path().join("other");
        let other = other.to_str().expect("plain");
        let both = ["--state", other, "attach", "--cgroup", free.path(), "--cgroup", taken.path()];
        let mut command = tokio::process::Command::new(gateway_tests::gateway::binary());
        let failed = command.args(both).output().await.expect("it runs");
        let said = String::from_utf8_lossy(&failed.stderr);
        assert!(!failed.status.success() && said.contains("served by another gateway"), "{said}");
        assert_eq!(Steer::attached(), std::slice::from_ref(&taken.0));
        holder.stop().await;
    });
}
