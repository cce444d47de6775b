//! The gateway attached to a cgroup while programs run in it: killed, restarted, detached.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use gateway::capture::{Steer, cgroup};
use gateway_tests::gateway::{Gateway, State};
use gateway_tests::{PATIENCE, chat, world};
use tokio::process::Command;

use super::client::Scene;

/// A cgroup of the test's own, removed with it.
struct Cgroup(PathBuf);

impl Cgroup {
    fn new(name: &str) -> Cgroup {
        let name = format!("gateway-test-{}-{name}", std::process::id());
        Cgroup(cgroup::create(&name).expect("root can make a cgroup"))
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("the test's own name is plain")
    }

    /// Runs a shell script inside, trusting the gateway's CA.
    fn script(&self, state: &State, script: &str) -> Command {
        let mut command = Command::new("sh");
        let enter = format!("echo $$ > {}/cgroup.procs && {script}", self.path());
        command.arg("-c").arg(enter).env_clear().kill_on_drop(true);
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("CURL_CA_BUNDLE", state.path().join("state/trust/bundle.pem"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Asks the provider once with curl, inside; prints the status.
    async fn ask(&self, state: &State) -> Output {
        let run = self.script(state, &format!("exec {}", curl())).output();
        tokio::time::timeout(PATIENCE, run).await.expect("curl ends in time").expect("sh runs")
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // A test that failed may leave its programs attached; without them the cgroup can be removed.
        let _ = Steer::detach_cgroup(&self.0);
        let _ = cgroup::remove(&self.0);
    }
}

/// One short request; prints its status, 000 when there was no answer.
fn curl() -> String {
    let body = chat("hello", "deltas=3", true);
    format!(
        "curl -s -o /dev/null -w '%{{http_code}}\\n' -m 5 -H 'content-type: application/json' -d '{body}' \
         https://api.openai.com/v1/chat/completions"
    )
}

async fn attach(state: &State, cgroup: &Cgroup, more: &[&str]) -> Gateway {
    let attach = ["attach", "--cgroup", cgroup.path(), "--mode", "strict"];
    Gateway::start(state.clone(), &[&attach[..], more].concat()).await
}

fn status(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn has_pins(cgroup: &Path) -> bool {
    Steer::attached().iter().any(|path| path == cgroup)
}

#[test]
fn killed_under_load_nothing_passes_beside_it_and_a_restart_carries_on() {
    world::inside(|_| async {
        let scene = Scene::new().await;
        let cgroup = Cgroup::new("killed");
        let gateway = attach(&scene.state, &cgroup, &[]).await;
        assert_eq!(status(&cgroup.ask(&scene.state).await), "200");

        // The load: request after request, three at a time, while the gateway dies under it.
        let load = format!(
            "for n in 1 2 3; do (i=0; while [ $i -lt 60 ]; do {}; i=$((i+1)); done) & done; wait",
            curl()
        );
        let load = cgroup.script(&scene.state, &load).spawn().expect("sh runs");
        let begun = scene.provider.until(PATIENCE, |log| log.len() >= 10).await;
        begun.unwrap_or_else(|error| panic!("the load reached the provider: {error}"));
        let state = gateway.kill().await;
        let load = tokio::time::timeout(PATIENCE * 4, load.wait_with_output());
        let load = load.await.expect("the load ends in time").expect("sh runs");
        let statuses = String::from_utf8_lossy(&load.stdout).into_owned();
        assert!(statuses.lines().any(|status| status == "200"), "some came before the kill: {statuses}");
        let refused = statuses.lines().filter(|status| *status == "000").count();
        assert!(refused >= 60, "most came after the kill and were refused: {statuses}");

        // Every connection the provider saw was the gateway's: it got no request that the gateway did not carry.
        let before = scene.provider.connections();
        for _ in 0..5 {
            assert_eq!(status(&cgroup.ask(&state).await), "000", "closed while no gateway runs");
        }
        assert_eq!(scene.provider.connections(), before, "not one connection passed beside the dead gateway");
        assert!(has_pins(&cgroup.0));

        let gateway = attach(&state, &cgroup, &[]).await;
        assert_eq!(
            status(&cgroup.ask(&state).await),
            "200",
            "flows again, nothing was attached anew by hand"
        );
        state.run(&["detach", "--cgroup", cgroup.path()]).await;
        assert!(!has_pins(&cgroup.0), "detach leaves nothing");
        gateway.ended().await;
        // Without the gateway curl reaches the provider itself, whose certificate it does not know.
        let direct = scene.provider.connections();
        assert_eq!(cgroup.ask(&state).await.status.code(), Some(60));
        assert_eq!(scene.provider.connections(), direct + 1);
    });
}

#[test]
fn open_lets_pass_what_closed_refuses() {
    world::inside(|_| async {
        let scene = Scene::new().await;
        let cgroup = Cgroup::new("open");
        let gateway = attach(&scene.state, &cgroup, &["--fail", "open"]).await;
        assert_eq!(status(&cgroup.ask(&scene.state).await), "200");
        let state = gateway.kill().await;
        let direct = scene.provider.connections();
        assert_eq!(
            cgroup.ask(&state).await.status.code(),
            Some(60),
            "the provider's own certificate is seen"
        );
        assert_eq!(scene.provider.connections(), direct + 1);
    });
}

#[test]
fn run_refuses_a_cgroup_that_others_live_in_and_ends_none_of_them() {
    world::inside(|_| async {
        let scene = Scene::new().await;
        let cgroup = Cgroup::new("occupied");
        let mut other = cgroup.script(&scene.state, "exec sleep 300").spawn().expect("sh runs");
        while !cgroup::is_populated(&cgroup.0) {
            tokio::task::yield_now().await;
        }
        let run = scene.state.command(&["run", "--cgroup", cgroup.path(), "--", "true"]).output();
        let run = tokio::time::timeout(PATIENCE, run).await.expect("it ends in time").expect("it runs");
        let said = String::from_utf8_lossy(&run.stderr);
        assert!(!run.status.success() && said.contains("is in use"), "{said}");
        assert!(other.try_wait().expect("our child").is_none(), "it lives on");
        other.kill().await.expect("killed");
    });
}

#[test]
fn an_interrupt_is_the_commands_own_to_take() {
    world::inside(|_| async {
        let scene = Scene::new().await;
        let name = format!("gateway-test-{}-interrupt", std::process::id());
        // Its parent is the gateway, which a terminal would have interrupted as well.
        let script = format!("kill -INT $PPID; {}; exit 7", curl());
        let run = scene.state.command(&["run", "--cgroup", &name, "--", "sh", "-c", &script]).output();
        let run = tokio::time::timeout(PATIENCE, run).await.expect("it ends in time").expect("it runs");
        assert_eq!((status(&run).as_str(), run.status.code()), ("200", Some(7)), "{run:?}");
    });
}
