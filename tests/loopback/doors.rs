//! The reverse and the forward door: what reaches the provider, and what comes back, for requests no rule touches.

use gateway_tests::gateway::{Gateway, State};
use gateway_tests::http::{self, Connection};
use gateway_tests::{chat, messages, provider};

#[tokio::test]
async fn the_reverse_door_passes_requests_and_answers_as_they_are() {
    let provider = provider().await;
    let upstream = format!("https://localhost:{}/v1", provider.https.port());
    let gateway = Gateway::proxy(&provider, &upstream, &[]).await;
    let mut connection = Connection::plain(gateway.address).await;
    for stream in [false, true] {
        let body = chat("hello", "deltas=30", stream);
        connection.post("/v1/chat/completions", &body).await;
        let reply = connection.reply().await;
        assert_eq!((reply.status, reply.complete), (200, true), "{}", reply.text());
        let received = provider.received().pop().expect("the provider got it");
        assert_eq!(received.path, "/v1/chat/completions");
        assert_eq!(received.header("authorization"), "Bearer simulated");
        assert_eq!(received.authority, format!("localhost:{}", provider.https.port()));
        if !stream {
            assert_eq!(received.text(), body, "an untouched request leaves as it came");
            assert_eq!(reply.text(), String::from_utf8_lossy(&received.sent));
        }
    }
    assert_eq!(provider.received().len(), 2);
    let records = gateway.state.records_until(|records| records.len() == 2).await;
    for record in &records {
        assert_eq!(
            (record["verdict"].as_str(), record["model"].as_str()),
            (Some("allowed"), Some("gpt-4o-mini"))
        );
        assert!(record["cost"].as_u64().is_some_and(|cost| cost > 0), "{record}");
    }
    gateway.stop().await;
    provider.stop().await.unwrap();
}

#[tokio::test]
async fn usage_the_client_did_not_ask_for_is_asked_for_and_taken_out_again() {
    let provider = provider().await;
    let gateway = forward(&State::new(&provider), &format!("localhost:{}", provider.https.port())).await;
    let reply = http::post(gateway.address, "/v1/chat/completions", &chat("hello", "deltas=30", true)).await;
    let received = provider.received().pop().expect("the provider got it");
    assert!(received.text().contains("include_usage"), "{}", received.text());
    assert!(String::from_utf8_lossy(&received.sent).contains("\"prompt_tokens\""));
    assert!(
        !reply.text().contains("prompt_tokens") && !reply.text().contains("\"choices\":[]"),
        "{}",
        reply.text()
    );
    assert!(reply.text().ends_with("data: [DONE]\n\n"));
    assert_eq!(http::openai_text(&reply.body), http::openai_text(&received.sent));
    let records = gateway.state.records_until(|records| records.len() == 1).await;
    assert_eq!(
        records[0]["tokens"]["output"].as_u64(),
        Some(30),
        "settled on reported usage: {}",
        records[0]
    );
    gateway.stop().await;
}

#[tokio::test]
async fn the_forward_door_inspects_llm_hosts() {
    let provider = provider().await;
    let state = State::new(&provider);
    let host = format!("localhost:{}", provider.https.port());
    let gateway = forward(&state, &host).await;
    let root = state.run(&["trust", "export"]).await;
    for alpn in [&["http/1.1"][..], &[]] {
        let tunnel = Connection::tunnel(gateway.address, &host).await.expect("CONNECT is answered");
        let mut connection = tunnel.secure("localhost", &root, alpn).await.expect("our leaf is trusted");
        connection.post("/v1/messages", &messages("hello", "say=key", true)).await;
        let reply = connection.reply().await;
        assert_eq!((reply.status, reply.complete), (200, true), "{}", reply.text());
        let text = http::anthropic_text(&reply.body);
        assert!(text.contains("_REDACTED]") && !text.contains(&gateway::simulate::sample_key()), "{text}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn the_forward_door_relays_other_hosts_untouched() {
    let provider = provider().await;
    let state = State::new(&provider);
    let gateway =
        Gateway::proxy_on(state, &format!("https://localhost:{}/v1", provider.https.port()), &[]).await;
    let authority = format!("127.0.0.1:{}", provider.https.port());
    let tunnel = Connection::tunnel(gateway.address, &authority).await.expect("CONNECT is answered");
    // The provider's own certificate arrives: nobody opened this TLS.
    let relayed = tunnel.secure("127.0.0.1", &provider.root_pem, &["http/1.1"]).await;
    let mut connection = relayed.expect("the provider's own certificate");
    connection.post("/v1/chat/completions", &chat("hello", "say=key", true)).await;
    let reply = connection.reply().await;
    let received = provider.received().pop().expect("the provider got it");
    assert_eq!(reply.text(), String::from_utf8_lossy(&received.sent));
    drop(connection);
    let records = gateway.state.records_until(|records| records.len() == 1).await;
    assert_eq!(records[0]["verdict"].as_str(), Some("relayed"), "{}", records[0]);
    gateway.stop().await;
}

/// A gateway whose catalog also knows `localhost` as an LLM host.
async fn forward(state: &State, host: &str) -> Gateway {
    let config = state.local_catalog();
    let arguments = ["--config", config.as_str()];
    Gateway::proxy_on(state.clone(), &format!("https://{host}/v1"), &arguments).await
}
