//! Plain HTTP to LLM hosts: inspected on this machine, refused across a network unless configuration says otherwise.

use gateway_tests::chat;
use gateway_tests::gateway::Gateway;
use gateway_tests::http::{self, Connection};

use super::verdicts::{PATH, Stage, check};

/// Posts in clear through a tunnel to the provider's plain port, called `authority`; the request names `host`.
async fn ask(stage: &Stage, authority: &str, host: &str, script: &str) -> http::Reply {
    let tunnel = stage.tunnel(&format!("{authority}:{}", stage.provider.http.port())).await;
    let mut connection: Connection = tunnel.named(host);
    connection.post(PATH, &chat("hello", script, true)).await;
    connection.reply().await
}

#[tokio::test]
async fn row_plain_http_to_an_llm_host_is_refused_across_a_network() {
    let stage = Stage::new(&[]).await;
    // A name that is not resolved before policy has spoken may lead anywhere.
    let reply = ask(&stage, "localhost", "localhost", "deltas=3").await;
    assert_eq!(reply.status, 400, "{}", reply.text());
    assert!(reply.text().contains("in clear") && reply.text().contains("use https"), "{}", reply.text());
    assert_eq!(reply.header("x-should-retry"), Some("false"));
    assert!(stage.provider.received().is_empty());
    check(&stage.recorded().await, "refused", "in clear");
}

#[tokio::test]
async fn row_plain_http_to_an_llm_host_is_inspected_where_it_may_pass() {
    for (lines, mode, authority) in
        [("", "strict", "127.0.0.1"), ("plain: inspect\n", "strict", "localhost"), ("", "warn", "localhost")]
    {
        let stage = Stage::with(lines, &["--mode", mode]).await;
        let reply = ask(&stage, authority, "localhost", "say=key").await;
        assert_eq!((reply.status, reply.complete), (200, true), "{}", reply.text());
        let key = http::openai_text(&reply.body).contains(&gateway::simulate::sample_key());
        assert_eq!(key, mode == "warn", "{}", reply.text());
        let record = stage.recorded().await;
        check(&record, if mode == "warn" { "warned" } else { "redacted" }, "");
        assert_eq!(record["host"], "localhost");
    }
}

#[tokio::test]
async fn plain_http_to_other_hosts_is_relayed() {
    let stage = Stage::new(&[]).await;
    let reply = ask(&stage, "127.0.0.1", "plain.example", "say=key").await;
    let received = stage.provider.received().pop().expect("it arrived");
    assert_eq!(reply.text(), String::from_utf8_lossy(&received.sent));
    check(&stage.recorded().await, "relayed", "");
}

#[tokio::test]
async fn another_host_on_a_plain_connection_is_misdirected() {
    let stage = Stage::new(&[]).await;
    let tunnel = stage.tunnel(&format!("127.0.0.1:{}", stage.provider.http.port())).await;
    let mut connection = tunnel.named("localhost");
    connection.post(PATH, &chat("hello", "deltas=3", true)).await;
    assert_eq!(connection.reply().await.status, 200);
    let mut connection = connection.named("api.openai.com");
    connection.post(PATH, &chat("hello", "deltas=3", true)).await;
    assert_eq!(connection.reply().await.status, 421);
    assert_eq!(stage.provider.received().len(), 1);
    stage.gateway.stop().await;
}

#[tokio::test]
async fn row_a_url_asked_of_another_proxy_in_clear() {
    for (mode, verdict) in [("strict", "refused"), ("warn", "relayed")] {
        let stage = Stage::new(&["--mode", mode]).await;
        let mut tunnel = stage.tunnel(&format!("127.0.0.1:{}", stage.provider.http.port())).await;
        tunnel.send(b"GET http://api.openai.com/v1/models HTTP/1.1\r\nHost: api.openai.com\r\nConnection: close\r\n\r\n").await;
        while tunnel.more().await {}
        assert_eq!(tunnel.unread().is_empty(), mode == "strict");
        drop(tunnel);
        check(&stage.recorded().await, verdict, "another proxy");
    }
}

#[tokio::test]
async fn a_local_engine_is_known_by_its_address_whatever_it_is_called() {
    let stage = Stage::new(&[]).await;
    let port = stage.provider.http.port();
    let lines = format!("local: [\"ollama=127.0.0.1:{port}\"]\n");
    let config = stage.gateway.state.file("engine.yaml", &lines);
    let state = stage.gateway.stop().await;
    let upstream = format!("http://127.0.0.1:{port}/v1");
    let gateway = Gateway::proxy_on(state, &upstream, &["--config", config.to_str().unwrap()]).await;
    for host in ["localhost", "models.internal"] {
        let tunnel =
            Connection::tunnel(gateway.address, &format!("127.0.0.1:{port}")).await.expect("CONNECT");
        let mut connection = tunnel.named(host);
        connection.post(PATH, &chat("hello", "say=key", true)).await;
        let reply = connection.reply().await;
        assert_eq!((reply.status, reply.complete), (200, true), "{host}: {}", reply.text());
        assert!(!reply.text().contains(&gateway::simulate::sample_key()), "{host}: {}", reply.text());
    }
    for record in gateway.state.records_until(|records| records.len() == 2).await {
        check(&record, "redacted", "");
        assert_eq!(record["provider"], "ollama");
    }
    gateway.stop().await;
}
