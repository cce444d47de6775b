//! Secrets over the real wire: redacted in requests and in streams, whatever the split, and never let out by half.

use gateway::simulate::sample_key;
use gateway_tests::gateway::Gateway;
use gateway_tests::http::{self, Reply};
use gateway_tests::{chat, messages, provider};

/// Asks with `script` at `path` and returns the answer; the provider must have got exactly one request.
async fn ask(path: &str, body: &str, arguments: &[&str]) -> (Reply, String) {
    let provider = provider().await;
    let gateway =
        Gateway::proxy(&provider, &format!("https://localhost:{}", provider.https.port()), arguments).await;
    let reply = http::post(gateway.address, path, body).await;
    let sent = provider.received().first().map(|one| one.text()).unwrap_or_default();
    assert_eq!(provider.received().len(), 1);
    gateway.stop().await;
    provider.stop().await.unwrap();
    (reply, sent)
}

#[tokio::test]
async fn a_key_split_over_deltas_is_redacted() {
    let key = sample_key();
    for (path, body) in [
        ("/v1/chat/completions", chat("x", "say=key deltas=40", true)),
        ("/v1/messages", messages("x", "say=key deltas=40", true)),
    ] {
        let (reply, _) = ask(path, &body, &[]).await;
        let text = http::openai_text(&reply.body) + &http::anthropic_text(&reply.body);
        assert!(
            text.contains("the deploy key is [") && text.contains("_REDACTED] and please"),
            "{path}: {text}"
        );
        for part in key.as_bytes().windows(5) {
            let part = std::str::from_utf8(part).unwrap();
            assert!(!reply.text().contains(part), "{path}: {part} of the key came through");
        }
        assert!(reply.complete && (reply.text().contains("[DONE]") || reply.text().contains("message_stop")));
    }
}

#[tokio::test]
async fn a_key_in_a_whole_answer_is_redacted() {
    for (path, body) in [
        ("/v1/chat/completions", chat("x", "say=key", false)),
        ("/v1/messages", messages("x", "say=key", false)),
    ] {
        let (reply, _) = ask(path, &body, &[]).await;
        assert!(
            !reply.text().contains(&sample_key()) && reply.text().contains("_REDACTED]"),
            "{}",
            reply.text()
        );
        serde_json::from_slice::<serde_json::Value>(&reply.body).expect("still JSON");
        assert!(reply.complete);
    }
}

#[tokio::test]
async fn a_key_in_a_request_never_leaves() {
    let key = sample_key();
    for (path, body) in [
        ("/v1/chat/completions", chat(&format!("my key is {key}, thanks"), "say=echo", true)),
        ("/v1/messages", messages(&format!("my key is {key}, thanks"), "say=echo", false)),
    ] {
        let (reply, sent) = ask(path, &body, &[]).await;
        assert!(!sent.contains(&key) && sent.contains("_REDACTED], thanks"), "{path}: {sent}");
        assert_eq!(reply.status, 200);
    }
}

#[tokio::test]
async fn warn_mode_reports_and_lets_pass() {
    let key = sample_key();
    let body = chat(&format!("my key is {key}"), "say=key", true);
    let (reply, sent) = ask("/v1/chat/completions", &body, &["--mode", "warn"]).await;
    assert!(sent.contains(&key));
    assert!(http::openai_text(&reply.body).contains(&key));
}

#[tokio::test]
async fn records_name_the_rule_and_never_the_value() {
    let provider = provider().await;
    let gateway =
        Gateway::proxy(&provider, &format!("https://localhost:{}", provider.https.port()), &[]).await;
    let key = sample_key();
    let body = chat(&format!("my key is {key}"), "say=key", true);
    http::post(gateway.address, "/v1/chat/completions", &body).await;
    let records = gateway.state.records_until(|records| records.len() == 1).await;
    let findings = records[0]["findings"].as_array().expect("findings");
    let directions: Vec<_> =
        findings.iter().map(|finding| finding["direction"].as_str().unwrap_or("")).collect();
    assert!(directions.iter().any(|one| one.eq_ignore_ascii_case("request")), "{}", records[0]);
    assert!(directions.iter().any(|one| one.eq_ignore_ascii_case("reply")), "{}", records[0]);
    let log = gateway.said();
    let state = gateway.stop().await;
    assert!(!log.contains(&key), "the key stands in the log");
    for file in walk(state.path()) {
        let bytes = std::fs::read(&file).unwrap();
        assert!(
            memchr::memmem::find(&bytes, key.as_bytes()).is_none(),
            "the key stands in {}",
            file.display()
        );
    }
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}
