//! What testssl.sh and sslscan say of the TLS the gateway ends: nothing older than 1.2, nothing weak.

use std::process::{Output, Stdio};

use gateway::capture::{Steering, cgroup};
use gateway::simulate::{Provider, ProviderOptions};
use gateway_tests::gateway::{Gateway, State};
use gateway_tests::{PATIENCE, provider_with, world};
use tokio::process::Command;

/// Runs a scanner inside a cgroup the gateway is attached to; it sees the gateway's TLS at the provider's address.
async fn scan(name: &str, program: &[&str]) -> String {
    let any = std::net::Ipv4Addr::UNSPECIFIED;
    let options =
        ProviderOptions { https: (any, 443).into(), http: (any, 80).into(), ..ProviderOptions::default() };
    let provider: Provider = provider_with(options).await;
    let state = State::new(&provider);
    let group = format!("gateway-test-{}-{name}", std::process::id());
    let path = cgroup::create(&group).expect("root can make a cgroup");
    let attach = ["attach", "--cgroup", &group, "--mode", "strict"];
    let gateway = Gateway::start(state, &attach).await;
    let enter = format!("echo $$ > {}/cgroup.procs && exec \"$@\"", path.display());
    let mut command = Command::new("sh");
    command.args(["-c", &enter, "sh"]).args(program).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE * 4, command.output()).await.expect("the scan ends in time");
    let Output { stdout, stderr, .. } =
        output.expect("the scanner is installed: apt-get install testssl.sh sslscan");
    gateway.state.run(&["detach", "--cgroup", &group]).await;
    gateway.ended().await;
    cgroup::remove(&path).expect("the scanner has ended");
    assert!(Steering::attached().iter().all(|attached| *attached != path), "detach leaves nothing");
    String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned()
}

#[test]
fn sslscan_finds_no_weak_protocol_and_no_weak_cipher() {
    world::inside(|_| async {
        let said =
            scan("sslscan", &["sslscan", "--no-colour", "--sni-name=api.openai.com", "api.openai.com:443"])
                .await;
        for disabled in ["SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1"] {
            let line = said.lines().find(|line| line.starts_with(disabled));
            assert!(line.is_some_and(|line| line.contains("disabled")), "{disabled}: {said}");
        }
        for enabled in ["TLSv1.2", "TLSv1.3"] {
            let line = said.lines().find(|line| line.starts_with(enabled));
            assert!(line.is_some_and(|line| line.contains("enabled")), "{enabled}: {said}");
        }
        let ciphers =
            || said.lines().filter(|line| line.starts_with("Preferred") || line.starts_with("Accepted"));
        assert!(ciphers().count() >= 5, "{said}");
        for cipher in ciphers() {
            let weak = ["RC4", "3DES", "DES-", "NULL", "EXP", "MD5", "CBC", "anon"];
            assert!(weak.iter().all(|word| !cipher.contains(word)), "{cipher}");
        }
        assert!(
            !said.contains("vulnerable to heartbleed") || said.contains("not vulnerable to heartbleed"),
            "{said}"
        );
    });
}

#[test]
fn testssl_finds_nothing_worse_than_low() {
    world::inside(|folder| {
        let report = folder.join("testssl.json");
        async move {
            let file = report.display().to_string();
            let arguments = [
                "testssl",
                "--warnings",
                "off",
                "--color",
                "0",
                "--quiet",
                "--protocols",
                "--std",
                "--fs",
                "--server-defaults",
                "--vulnerable",
                "--jsonfile",
                &file,
                "--ip",
                "192.0.2.10",
                "api.openai.com:443",
            ];
            let said = scan("testssl", &arguments).await;
            let text = std::fs::read_to_string(&report).unwrap_or_else(|error| panic!("{error}: {said}"));
            let findings: Vec<serde_json::Value> =
                serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
            assert!(findings.len() > 20, "{said}");
            // A private CA without revocation lists, whose leaves live for days, is what this gateway is; it is no
            // finding about its TLS.
            let of_the_ca = [
                "cert_chain_of_trust",
                "cert_trust",
                "cert_revocation",
                "cert_crlDistributionPoints",
                "cert_ocspURL",
                "DNS_CAArecord",
                "cert_certificatePolicies_EV",
                "certificate_transparency",
                "cert_expirationStatus",
                "cert_notAfter",
            ];
            let bad: Vec<_> = findings
                .iter()
                .filter(|finding| {
                    let severity = finding["severity"].as_str().unwrap_or("");
                    let id = finding["id"].as_str().unwrap_or("");
                    matches!(severity, "MEDIUM" | "HIGH" | "CRITICAL") && !of_the_ca.contains(&id)
                })
                .collect();
            assert!(bad.is_empty(), "{bad:#?}");
        }
    });
}
