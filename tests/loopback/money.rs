//! Budgets over the real wire: refused before a byte leaves, cut in mid-stream, remembered over a crash.

use gateway::simulate::Outcome;
use gateway_tests::gateway::Gateway;
use gateway_tests::{PATIENCE, chat, http, messages, provider};

/// gpt-4o-mini: 0.60 dollars per million output tokens, so this is about 160 tokens.
const CHAT_BUDGET: &str = "0.0001";
/// claude-sonnet-4-5: 15 dollars per million output tokens, so this is about 300 tokens.
const MESSAGES_BUDGET: &str = "0.005";

#[tokio::test]
async fn a_running_stream_is_cut_at_the_budget() {
    let script = "deltas=5000 pace_us=200";
    for (path, body, budget) in [
        ("/v1/chat/completions", chat("x", script, true), CHAT_BUDGET),
        ("/v1/messages", messages("x", script, true), MESSAGES_BUDGET),
    ] {
        let provider = provider().await;
        let upstream = format!("https://localhost:{}", provider.https.port());
        let gateway = Gateway::proxy(&provider, &upstream, &["--budget", budget]).await;
        let reply = http::post(gateway.address, path, &body).await;
        let text = http::openai_text(&reply.body) + &http::anthropic_text(&reply.body);
        assert!(reply.complete, "{path}: the cut is a normal ending");
        assert!(text.to_lowercase().contains("budget"), "{path}: the reason is shown: {text}");
        assert!(reply.text().contains("[DONE]") || reply.text().contains("message_stop"), "{path}");
        let words = text.split_whitespace().count();
        assert!((20..1000).contains(&words), "{path}: {words} words of 5000 passed");
        provider
            .until(PATIENCE, |all| all[0].outcome == Outcome::Cancelled)
            .await
            .expect("upstream is cancelled");
        assert_eq!(provider.received().len(), 1);
        let records = gateway.state.records_until(|records| records.len() == 1).await;
        assert_eq!(records[0]["verdict"].as_str(), Some("cut"), "{}", records[0]);
        gateway.stop().await;
    }
}

#[tokio::test]
async fn a_spent_budget_refuses_before_a_byte_leaves() {
    for (path, body) in
        [("/v1/chat/completions", chat("x", "", true)), ("/v1/messages", messages("x", "", false))]
    {
        let provider = provider().await;
        let upstream = format!("https://localhost:{}", provider.https.port());
        let gateway = Gateway::proxy(&provider, &upstream, &["--budget", "0.000000001"]).await;
        let reply = http::post(gateway.address, path, &body).await;
        assert_eq!(reply.status, 400, "{}", reply.text());
        assert_eq!(reply.header("x-should-retry"), Some("false"));
        let error: serde_json::Value =
            serde_json::from_slice(&reply.body).expect("an error of the provider's shape");
        let message = error["error"]["message"].as_str().expect("a message");
        assert!(message.to_lowercase().contains("budget"), "{message}");
        assert!(provider.received().is_empty(), "nothing left");
        gateway.stop().await;
    }
}

#[tokio::test]
async fn what_was_spent_survives_a_crash() {
    let provider = provider().await;
    let upstream = format!("https://localhost:{}", provider.https.port());
    let gateway = Gateway::proxy(&provider, &upstream, &["--budget", CHAT_BUDGET]).await;
    let reply = http::post(gateway.address, "/v1/chat/completions", &chat("x", "deltas=5000", true)).await;
    assert!(reply.complete);
    let state = gateway.kill().await;
    let gateway = Gateway::proxy_on(state, &upstream, &["--budget", CHAT_BUDGET]).await;
    let reply = http::post(gateway.address, "/v1/chat/completions", &chat("y", "deltas=5000", true)).await;
    assert_eq!(reply.status, 400, "{}", reply.text());
    assert_eq!(provider.received().len(), 1);
    gateway.stop().await;
}

#[tokio::test]
async fn many_streams_at_once_do_not_overspend() {
    let provider = provider().await;
    let upstream = format!("https://localhost:{}", provider.https.port());
    let gateway = Gateway::proxy(&provider, &upstream, &["--budget", "0.001"]).await;
    let address = gateway.address;
    let body = |index: usize| chat(&format!("request {index}"), "deltas=400 pace_us=500", true);
    let asks: Vec<_> = (0..16)
        .map(|index| {
            let body = body(index);
            tokio::spawn(async move { http::post(address, "/v1/chat/completions", &body).await })
        })
        .collect();
    let mut refused = 0;
    for ask in asks {
        let reply = ask.await.unwrap();
        refused += usize::from(
            reply.status == 400
                || !http::openai_text(&reply.body).is_empty()
                    && reply.text().to_lowercase().contains("budget"),
        );
    }
    assert!(refused > 0, "16 answers of 400 tokens cost more than the budget");
    let records = gateway.state.records_until(|records| records.len() == 16).await;
    let spent: u64 = records.iter().filter_map(|record| record["cost"].as_u64()).sum();
    // One delta per stream may go over; the longest word has 9 bytes, so 3 tokens of 600 nano-dollars.
    assert!(spent <= 1_000_000 + 16 * 3 * 600, "{spent} nano-dollars of 1,000,000 were spent");
    assert!(spent >= 900_000, "only {spent} nano-dollars of 1,000,000 could be spent");
    gateway.stop().await;
}
