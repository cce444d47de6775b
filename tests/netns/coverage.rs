//! Verdicts and coverage at the transparent door: what an unmodified program gets, and what `status --coverage` says.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Output, Stdio};

use gateway::capture::{Steer, cgroup};
use gateway::simulate::{Provider, ProviderOptions, sample_key};
use gateway_tests::gateway::{Gateway, State};
use gateway_tests::{PATIENCE, chat, provider_with, world};
use serde_json::Value;
use tokio::process::Command;

/// A provider at the addresses of the world, a gateway attached to a cgroup, and programs in that.
struct Scene {
    provider: Provider,
    gateway: Gateway,
    cgroup: Cgroup,
}

/// A cgroup of the test's own, removed with it.
struct Cgroup(PathBuf);

impl Scene {
    async fn new(name: &str, arguments: &[&str]) -> Scene {
        let everywhere = |port| (Ipv4Addr::UNSPECIFIED, port).into();
        let mut options =
            ProviderOptions { https: everywhere(443), http: everywhere(80), ..ProviderOptions::default() };
        options.names.push("plain.example".to_owned());
        let provider = provider_with(options).await;
        let state = State::new(&provider);
        let cgroup =
            cgroup::create(&format!("gateway-test-{}-{name}", std::process::id())).expect("a cgroup");
        let attach = ["attach", "--cgroup", cgroup.to_str().expect("a plain name")];
        let gateway = Gateway::start(state, &[&attach[..], arguments].concat()).await;
        Scene { provider, gateway, cgroup: Cgroup(cgroup) }
    }

    /// Runs curl in the cgroup, trusting the gateway's CA; gives its exit code and what it printed.
    async fn curl(&self, arguments: &str) -> (i32, String) {
        let members = self.cgroup.0.join("cgroup.procs");
        let bundle = self.gateway.state.path().join("state/trust/bundle.pem");
        let script = format!("echo $$ > {} && exec curl -s -m 10 {arguments}", members.display());
        let mut command = Command::new("sh");
        command.args(["-c", &script]).env_clear().env("CURL_CA_BUNDLE", bundle).kill_on_drop(true);
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).stdin(Stdio::null());
        let output: Output =
            tokio::time::timeout(PATIENCE, command.output()).await.expect("curl ends").expect("sh runs");
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Asks the LLM host as any program does, so that its address becomes known; the text of the answer.
    async fn ask(&self) -> String {
        let body = chat("hello", "say=key", true);
        let url = "https://api.openai.com/v1/chat/completions";
        let (code, said) = self.curl(&format!("-H 'content-type: application/json' -d '{body}' {url}")).await;
        assert_eq!(code, 0, "{said}");
        said
    }

    async fn records(&self, count: usize) -> Vec<Value> {
        self.gateway.state.records_until(|records| records.len() == count).await
    }

    async fn report(&self) -> Value {
        let text = self.gateway.state.run(&["status", "--coverage", "--json"]).await;
        serde_json::from_str(&text).expect("JSON")
    }

    async fn end(self) {
        self.gateway.stop().await;
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = Steer::detach_cgroup(&self.0);
        let _ = cgroup::remove(&self.0);
    }
}

#[track_caller]
fn check(record: &Value, verdict: &str, reason: &str) {
    assert_eq!(record["verdict"].as_str(), Some(verdict), "{record:#}");
    let said = record["reason"].as_str().unwrap_or_default();
    assert!(said.contains(reason), "{said:?} does not say {reason:?}");
}

/// Another name, or none, at the address of an LLM host.
const ANOTHER: &str = "-k --connect-to plain.example:443:192.0.2.10:443 https://plain.example/";
const NONE: &str = "-k https://192.0.2.10/";

/// An address from DNS over HTTPS or TLS, or from a cache filled before the gateway came: no answer the kernel could read.
#[test]
fn row_names_the_kernel_never_saw() {
    world::inside(|_| async {
        let scene = Scene::new("unseen", &[]).await;
        let body = chat("hello", "say=key", true);
        let (code, said) = scene
            .curl(&format!(
                "--resolve api.openai.com:443:192.0.2.10 -H 'content-type: application/json' -d '{body}' \
                 https://api.openai.com/v1/chat/completions"
            ))
            .await;
        assert_eq!(code, 0, "{said}");
        assert!(said.contains("_REDACTED]") && !said.contains(&sample_key()), "{said}");
        check(&scene.records(1).await[0], "redacted", "");
        scene.end().await;
    });
}

#[test]
fn row_literal_ip_without_sni() {
    for (mode, refused) in [("strict", true), ("warn", false)] {
        world::inside(move |_| async move {
            let scene = Scene::new("no-sni", &["--mode", mode]).await;
            // To an address nothing is known of it is relayed; the first look at a named connection makes it known.
            assert_eq!(scene.curl(NONE).await.0, 0);
            scene.ask().await;
            assert_eq!(scene.curl(NONE).await.0 != 0, refused);
            let records = scene.records(3).await;
            check(&records[0], "relayed", "");
            check(&records[2], if refused { "refused" } else { "relayed" }, "names no server");
            scene.end().await;
        });
    }
}

#[test]
fn row_domain_fronting_at_a_known_address_is_said() {
    world::inside(|_| async {
        let scene = Scene::new("fronting", &[]).await;
        scene.ask().await;
        assert_eq!(scene.curl(ANOTHER).await.0, 0);
        check(&scene.records(2).await[1], "relayed", "what is inside was not seen");
        scene.end().await;
    });
}

#[test]
fn row_plain_http_to_an_llm_host() {
    for (mode, status, verdict) in [("strict", "400", "refused"), ("warn", "200", "allowed")] {
        world::inside(move |_| async move {
            let scene = Scene::new("plain", &["--mode", mode]).await;
            let (_, said) =
                scene.curl("-o /dev/null -w '%{http_code}' http://api.openai.com/v1/models").await;
            assert_eq!(said, status);
            assert_eq!(scene.provider.received().len(), usize::from(status == "200"));
            let (_, said) = scene.curl("-o /dev/null -w '%{http_code}' http://plain.example/v1/models").await;
            assert_eq!(said, "200", "others are relayed");
            let records = scene.records(2).await;
            check(&records[0], verdict, "");
            assert_eq!(records[0]["host"], "api.openai.com");
            check(&records[1], "relayed", "");
            scene.end().await;
        });
    }
}

#[test]
fn coverage_counts_what_passed_through_and_what_passed_beside() {
    world::inside(|_| async {
        let scene = Scene::new("coverage", &[]).await;
        let beside = tokio::net::TcpListener::bind("192.0.2.30:8080").await.expect("an address of the world");
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = beside.accept().await {
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
                let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await;
            }
        });
        assert!(scene.ask().await.contains("_REDACTED]"));
        assert_eq!(scene.curl("-k https://plain.example/").await.0, 0);
        assert_ne!(scene.curl(NONE).await.0, 0);
        assert_eq!(scene.curl("http://plain.example:8080/").await, (0, "ok".to_owned()));
        scene.records(3).await;
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let report = loop {
            let report = scene.report().await;
            let come = |decision: &str| report["totals"][decision]["bytes_down"].as_u64() > Some(0);
            if come("relayed") && come("direct") {
                break report;
            }
            assert!(tokio::time::Instant::now() < deadline, "{report:#}");
        };
        let row = |host: &str, decision: &str| {
            let rows = report["rows"].as_array().expect("rows");
            let found = rows.iter().find(|row| row["host"] == host && row["decision"] == decision);
            found.unwrap_or_else(|| panic!("no row {host} {decision} in {report:#}")).clone()
        };
        for (host, decision) in [
            ("api.openai.com", "inspected"),
            ("plain.example", "relayed"),
            ("192.0.2.10:443", "refused"),
            ("192.0.2.30:8080", "direct"),
        ] {
            let row = row(host, decision);
            assert_eq!(
                (row["connections"].as_u64(), row["process"].as_str()),
                (Some(1), Some("curl")),
                "{row}"
            );
        }
        let summary = report["summary"].as_str().expect("words");
        assert!(summary.starts_with("1 of 4 connections"), "{summary}");
        assert!(summary.ends_with("uninspected: 1 relayed, 1 refused, 1 direct"), "{summary}");
        scene.end().await;
    });
}

#[test]
fn a_program_that_does_not_trust_us_is_told_apart() {
    world::inside(|_| async {
        let scene = Scene::new("untrusted", &[]).await;
        let (code, _) = scene
            .curl(&format!(
                "--cacert {} https://api.openai.com/v1/models",
                scene.gateway.state.path().join("upstream.pem").display()
            ))
            .await;
        assert_eq!(code, 60);
        let records = scene.gateway.state.records_until(|records| !records.is_empty()).await;
        check(records.last().expect("one"), "failed", "untrusted");
        let said = records.last().expect("one")["reason"].as_str().expect("words").to_owned();
        assert!(said.contains("gateway doctor --cgroup gateway-test-"), "{said}");
        assert_eq!(scene.report().await["totals"]["untrusted"]["connections"], 1);
        scene.end().await;
    });
}
