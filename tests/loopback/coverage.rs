//! Coverage: what was inspected, what was not and why, in numbers; and clients that do not trust our CA.

use std::process::Command;

use gateway_tests::http::{self, Connection};
use gateway_tests::{PATIENCE, chat};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::verdicts::{PATH, Stage, check};

async fn report(stage: &Stage) -> Value {
    let text = stage.gateway.state.run(&["status", "--coverage", "--json"]).await;
    serde_json::from_str(&text).expect("JSON")
}

fn row<'a>(report: &'a Value, host: &str, decision: &str) -> &'a Value {
    let rows = report["rows"].as_array().expect("rows");
    let found = rows.iter().find(|row| row["host"] == host && row["decision"] == decision);
    found.unwrap_or_else(|| panic!("no row {host} {decision} in {report:#}"))
}

/// Waits until the report says this: relayed bytes are counted when their connection has ended.
async fn until(stage: &Stage, ready: impl Fn(&Value) -> bool) -> Value {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let report = report(stage).await;
        if ready(&report) {
            return report;
        }
        assert!(tokio::time::Instant::now() < deadline, "it never came to that: {report:#}");
    }
}

#[tokio::test]
async fn every_connection_is_counted_with_what_became_of_it() {
    let stage = Stage::new(&[]).await;
    assert_eq!(report(&stage).await["summary"], "no connection has been opened yet");
    // Inspected, twice on one connection.
    let mut inspected = stage.inspected(&["http/1.1"]).await;
    for _ in 0..2 {
        inspected.post(PATH, &chat("hello", "deltas=50", true)).await;
        assert_eq!(inspected.reply().await.status, 200);
    }
    // Relayed.
    let authority = format!("127.0.0.1:{}", stage.provider.https.port());
    let mut relayed =
        stage.tunnel(&authority).await.secure("127.0.0.1", &stage.provider.root_pem, &[]).await.unwrap();
    relayed.post(PATH, &chat("hello", "deltas=50", true)).await;
    assert_eq!(relayed.reply().await.status, 200);
    drop(relayed);
    // Refused.
    let mut refused = stage.tunnel(&stage.secure()).await;
    refused.send(&[5, 1, 0]).await;
    assert!(!refused.more().await);
    // The reverse door: one connection, counted by bodies.
    let reply = http::post(stage.gateway.address, PATH, &chat("hello", "deltas=3", false)).await;
    assert_eq!(reply.status, 200);

    let report = until(&stage, |report| report["totals"]["relayed"]["bytes_down"].as_u64() > Some(0)).await;
    let inspected = row(&report, "localhost", "inspected");
    assert_eq!(inspected["connections"], 2, "the forward door's and the reverse door's: {report:#}");
    assert!(inspected["bytes_down"].as_u64() > Some(5_000), "{inspected}");
    let relayed = row(&report, &authority, "relayed");
    assert_eq!(relayed["connections"], 1);
    assert!(
        relayed["bytes_up"].as_u64() > Some(300) && relayed["bytes_down"].as_u64() > Some(1_000),
        "{relayed}"
    );
    assert_eq!(row(&report, "localhost", "refused")["connections"], 1);
    let summary = report["summary"].as_str().unwrap();
    assert!(summary.starts_with("2 of 4 connections and "), "{summary}");
    assert!(summary.ends_with("% of bytes were inspected; uninspected: 1 relayed, 1 refused"), "{summary}");
    let table = stage.gateway.state.run(&["status", "--coverage"]).await;
    assert!(table.starts_with(summary) && table.contains("DECISION"), "{table}");
    stage.gateway.stop().await;
}

#[tokio::test]
async fn coverage_needs_a_running_gateway() {
    let stage = Stage::new(&[]).await;
    let state = stage.gateway.stop().await;
    let output = state.command(&["status", "--coverage"]).output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("none runs"), "{said}");
}

/// Asks with a root the gateway's leaf does not chain to; the handshake's error, or the answer's text.
async fn distrusting(stage: &Stage) -> Result<String, String> {
    let tunnel = stage.tunnel(&stage.secure()).await;
    let secured = tunnel.secure("localhost", &stage.provider.root_pem, &["http/1.1"]).await;
    let mut connection = secured.map_err(|error| error.to_string())?;
    connection.post(PATH, &chat("hello", "say=key", true)).await;
    Ok(http::openai_text(&connection.reply().await.body))
}

#[tokio::test]
async fn a_client_that_does_not_trust_us_fails_each_time_where_it_is_refused() {
    let stage = Stage::new(&[]).await;
    for _ in 0..3 {
        assert!(distrusting(&stage).await.unwrap_err().contains("certificate"));
    }
    let records = stage.gateway.state.records_until(|records| records.len() == 3).await;
    for record in &records {
        check(record, "failed", "untrusted: the client refused our certificate (alert unknown_ca)");
        assert!(record["reason"].as_str().unwrap().contains("gateway doctor"), "{record}");
    }
    assert!(stage.provider.received().is_empty());
    let report = report(&stage).await;
    assert_eq!(row(&report, "localhost", "untrusted")["connections"], 3);
    stage.gateway.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_trust_us_is_relayed_after_its_first_failure_where_it_may_pass() {
    let stage = Stage::with("untrusted: relay\n", &[]).await;
    assert!(distrusting(&stage).await.unwrap_err().contains("certificate"));
    for _ in 0..2 {
        assert!(distrusting(&stage).await.unwrap().contains(&gateway::simulate::sample_key()));
    }
    let records = stage.gateway.state.records_until(|records| records.len() == 3).await;
    check(&records[0], "failed", "refused our certificate");
    for record in &records[1..] {
        check(record, "relayed", "relayed uninspected for ten minutes");
    }
    let report = until(&stage, |report| report["totals"]["relayed"]["connections"] == 2).await;
    assert_eq!(row(&report, "localhost", "untrusted")["connections"], 1);
    stage.gateway.stop().await;
}

/// A page of metrics as `accept` asks for it, from the given address.
async fn page(address: &str, host: &str, accept: &str) -> http::Reply {
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("it listens");
    let ask =
        format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\nAccept: {accept}\r\nConnection: close\r\n\r\n");
    stream.write_all(ask.as_bytes()).await.unwrap();
    Connection::over(Box::new(stream)).reply().await
}

#[tokio::test]
async fn metrics_are_served_in_the_format_asked_for() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let stage = Stage::new(&["--metrics", &free]).await;
    assert!(distrusting(&stage).await.is_err());
    let reply = http::post(stage.gateway.address, PATH, &chat("hello", "deltas=3", false)).await;
    assert_eq!(reply.status, 200);
    stage.gateway.state.records_until(|records| records.len() == 2).await;

    let new = page(&free, &free, "application/openmetrics-text;version=1.0.0,text/plain;q=0.5").await;
    assert_eq!(
        new.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    assert!(new.text().ends_with("# EOF\n"), "{}", new.text());
    let old = page(&free, "localhost", "*/*").await;
    assert_eq!(old.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    for sample in [
        "gateway_flows_total 1",
        "gateway_egress_connections_total{app=\"proxy\",decision=\"inspected\"} 1",
        "gateway_egress_connections_total{app=\"proxy\",decision=\"untrusted\"} 1",
        "gateway_untrusted_handshakes_total{app=\"proxy\",host=\"localhost\"} 1",
    ] {
        for text in [new.text(), old.text()] {
            assert!(text.lines().any(|line| line == sample), "{sample} is missing in {text}");
        }
    }
    assert_eq!(page(&free, "evil.example", "*/*").await.status, 404, "a page of the web may not read them");
    promtool(&old.text());

    let socket = stage.gateway.state.path().join("state/gateway.sock");
    let mut stream = tokio::net::UnixStream::connect(socket).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.contains("gateway_flows_total 1"), "{text}");
    stage.gateway.stop().await;
}

/// Has Prometheus' own tool read the page.
fn promtool(page: &str) {
    use std::io::Write;
    let tool =
        Command::new("promtool").args(["check", "metrics"]).stdin(std::process::Stdio::piped()).spawn();
    let mut tool = tool.expect("promtool is installed: apt-get install prometheus");
    tool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    assert!(tool.wait().unwrap().success(), "promtool finds fault with {page}");
}

#[tokio::test]
async fn an_address_of_the_network_is_refused_for_metrics() {
    let stage = Stage::new(&[]).await;
    let state = stage.gateway.stop().await;
    let output = state.command(&["proxy", "--metrics", "0.0.0.0:9464"]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&output.stderr).contains("not on loopback"));
}
