//! What HTTP asks of an intermediary, and what the gateway makes of it: expectations, reuse, repeats.

use gateway_tests::gateway::{Gateway, State};
use gateway_tests::http::{self, Connection};
use gateway_tests::{chat, provider};

const PATH: &str = "/v1/chat/completions";

#[tokio::test]
async fn an_expectation_is_answered_here_and_not_passed_on() {
    let provider = provider().await;
    let gateway =
        Gateway::proxy(&provider, &format!("https://localhost:{}", provider.https.port()), &[]).await;
    let mut connection = Connection::plain(gateway.address).await;
    let body = chat("hello", "deltas=3", true);
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    connection.send(head.as_bytes()).await;
    // As curl does: the body is sent only once it was asked for.
    while !connection.unread().starts_with(b"HTTP/1.1 100") {
        assert!(connection.more().await, "closed before it asked for the body");
    }
    connection.send(body.as_bytes()).await;
    let reply = connection.reply().await;
    assert_eq!((reply.status, reply.complete), (200, true), "{}", reply.text());
    let received = provider.received();
    assert!(received[0].headers.iter().all(|(name, _)| !name.eq_ignore_ascii_case("expect")));
    assert!(!received[0].body.is_empty());
    gateway.stop().await;
}

#[tokio::test]
async fn an_offer_of_h2c_does_not_keep_a_request_from_being_read() {
    let key = gateway::simulate::sample_key();
    for mode in ["strict", "warn"] {
        let provider = provider().await;
        let upstream = format!("https://localhost:{}", provider.https.port());
        let gateway = Gateway::proxy(&provider, &upstream, &["--mode", mode]).await;
        let mut connection = Connection::plain(gateway.address).await;
        // As Java's HttpClient asks on each connection in clear.
        for sent in 1..=2 {
            let body = chat(&format!("use {key} please"), "deltas=3", true);
            let request = format!(
                "POST {PATH} HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
                 HTTP2-Settings: AAEAAEAAAAIAAAAB\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            connection.send(request.as_bytes()).await;
            let reply = connection.reply().await;
            assert_eq!((reply.status, reply.complete), (200, true), "{mode}: {}", reply.text());
            assert_eq!(provider.received().len(), sent);
        }
        for received in provider.received() {
            let text = received.text();
            // Warn mode changes nothing, but it says what it found.
            assert_eq!(text.contains("_REDACTED]"), mode == "strict", "{mode}: {text}");
            assert_eq!(text.contains(&key), mode == "warn", "{mode}: {text}");
            let names = ["upgrade", "http2-settings", "connection"];
            assert!(
                received.headers.iter().all(|(name, _)| !names.contains(&name.to_lowercase().as_str())),
                "{mode}: {:?}",
                received.headers
            );
        }
        let records = gateway.state.records_until(|records| records.len() == 2).await;
        for record in &records {
            assert_eq!(record["findings"][0]["direction"], "request", "{mode}: {record}");
        }
        gateway.stop().await;
    }
}

#[tokio::test]
async fn connections_are_kept_and_used_again_on_both_sides() {
    let provider = provider().await;
    let gateway =
        Gateway::proxy(&provider, &format!("https://localhost:{}", provider.https.port()), &[]).await;
    let mut connection = Connection::plain(gateway.address).await;
    for stream in [true, false, true, false] {
        connection.post(PATH, &chat("hello", "deltas=3", stream)).await;
        let reply = connection.reply().await;
        assert_eq!((reply.status, reply.complete), (200, true), "{}", reply.text());
    }
    assert_eq!((provider.received().len(), provider.connections()), (4, 1));
    gateway.stop().await;
}

#[tokio::test]
async fn a_cut_request_that_is_repeated_does_not_go_upstream_again() {
    let provider = provider().await;
    let state = State::new(&provider);
    let config = state.file("gateway.yaml", "rules:\n  actions:\n    aws-access-key-id: {reply: block}\n");
    let upstream = format!("https://localhost:{}", provider.https.port());
    let proxy = ["proxy", "--listen", "127.0.0.1:0", "--upstream", &upstream, "--config"];
    let gateway = Gateway::start(state, &[&proxy[..], &[config.to_str().unwrap()]].concat()).await;
    let cut = http::post(gateway.address, PATH, &chat("hello", "say=key", true)).await;
    assert!(cut.complete && cut.text().contains("aws-access-key-id"), "the reason is shown: {}", cut.text());
    assert!(!cut.text().contains(&gateway::simulate::sample_key()));
    // Some clients repeat a cut request without streaming.
    for stream in [true, false] {
        let again = http::post(gateway.address, PATH, &chat("hello", "say=key", stream)).await;
        assert_eq!(again.status, 400, "{}", again.text());
        assert!(again.text().contains("aws-access-key-id"), "{}", again.text());
    }
    assert_eq!(provider.received().len(), 1);
    let other = http::post(gateway.address, PATH, &chat("hello", "deltas=3", true)).await;
    assert_eq!((other.status, provider.received().len()), (200, 2), "another request is not held against it");
    gateway.stop().await;
}
