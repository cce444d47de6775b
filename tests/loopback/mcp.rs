//! Servers of the Model Context Protocol behind the gateway: arguments and results are judged, refusals answer the call.

use gateway::simulate::{Provider, sample_key};
use gateway_tests::gateway::{Gateway, State};
use gateway_tests::{http, provider};
use serde_json::{Value, json};

const PATH: &str = "/mcp";

/// Rules that block a word, one in either direction and one in answers.
const RULES: &str = "rules:
  - id: forbidden-word
    category: pii
    severity: high
    description: a forbidden word
    pattern: 'forbidden-[0-9]{4}'
    action: {request: block, reply: block}
    examples: ['forbidden-1234']
  - id: private-word
    category: pii
    severity: high
    description: a word that may not come back
    pattern: 'private-[0-9]{4}'
    action: {request: allow, reply: block}
    examples: ['private-1234']
";

async fn start() -> (Provider, Gateway) {
    let provider = provider().await;
    let state = State::new(&provider);
    let rules = state.file("rules.yaml", RULES);
    let config = state.file("gateway.yaml", &format!("rules: {{files: [{}]}}\n", rules.display()));
    let upstream = format!("https://localhost:{}", provider.https.port());
    let gateway = Gateway::proxy_on(state, &upstream, &["--config", config.to_str().expect("UTF-8")]).await;
    (provider, gateway)
}

fn call(id: &Value, text: &str, stream: bool) -> String {
    let arguments = json!({"text": text, "stream": stream});
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": "echo", "arguments": arguments}})
        .to_string()
}

/// The messages of an answer.
fn messages(body: &str) -> Vec<Value> {
    let datas: Vec<&str> = body.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    let texts = if datas.is_empty() { vec![body] } else { datas };
    texts.into_iter().map(|text| serde_json::from_str(text).expect("JSON")).collect()
}

#[tokio::test]
async fn arguments_and_results_are_redacted() {
    let (key, (provider, gateway)) = (sample_key(), start().await);
    for stream in [false, true] {
        let body = call(&json!(7), &format!("use {key}\n#sim say=key"), stream);
        let reply = http::post(gateway.address, PATH, &body).await;
        assert_eq!((reply.status, reply.complete), (200, true), "{}", reply.text());
        let last = messages(&reply.text()).pop().expect("a message");
        let said = last["result"]["content"][0]["text"].as_str().expect("a text").to_owned();
        assert!(said.contains("the deploy key is [") && said.contains("_REDACTED] and"), "{said}");
    }
    assert!(!provider.saw(key.as_bytes()));
    let records = gateway.state.records_until(|records| records.len() == 2).await;
    assert!(records.iter().all(|record| record["dialect"] == "mcp" && record["cost"] == 0), "{records:?}");
    gateway.stop().await;
}

#[tokio::test]
async fn a_refusal_answers_the_call() {
    let (provider, gateway) = start().await;
    for id in [json!(7), json!("a\"b")] {
        let reply = http::post(gateway.address, PATH, &call(&id, "forbidden-1234", false)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let answer = &messages(&reply.text())[0];
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&id, &json!(-32000)));
        assert!(
            answer["error"]["message"].as_str().is_some_and(|text| text.contains("forbidden-word")),
            "{answer}"
        );
    }
    assert!(provider.received().is_empty());
    let told = json!({"jsonrpc": "2.0", "method": "notifications/x", "params": {"text": "forbidden-1234"}});
    let reply = http::post(gateway.address, PATH, &told.to_string()).await;
    assert_eq!(reply.status, 400, "nobody waits for an answer");
    gateway.stop().await;
}

#[tokio::test]
async fn a_blocked_result_becomes_an_error_of_its_call() {
    let (_provider, gateway) = start().await;
    for stream in [false, true] {
        let body = call(&json!(7), "private-1234\n#sim say=echo", stream);
        let reply = http::post(gateway.address, PATH, &body).await;
        assert_eq!((reply.status, reply.complete), (200, true), "{}", reply.text());
        let last = messages(&reply.text()).pop().expect("a message");
        assert_eq!((&last["id"], &last["result"]), (&json!(7), &Value::Null), "{last}");
        assert!(last["error"]["message"].as_str().is_some_and(|text| text.contains("private-word")), "{last}");
    }
    gateway.stop().await;
}
