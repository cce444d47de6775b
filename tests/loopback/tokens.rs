//! Reversible tokens over the real wire: the provider gets tokens, the app gets its values, and every turn the same bytes.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use gateway::simulate::Provider;
use gateway_tests::gateway::{Gateway, State};
use gateway_tests::http::{self, Connection, Reply};
use gateway_tests::websocket::WebSocket;
use gateway_tests::{chat, messages, provider};
use serde_json::{Value, json};

const MAIL: &str = "grace.hopper@navy-yard.org";
/// The one rule that is looked at; the others are off, because it takes an unoptimised gateway long to compile them.
const CONFIG: &str = "rules:
  actions:
    email: {request: tokenize, reply: redact}
    pii: {request: allow, reply: allow}
    secret: {request: allow, reply: allow}
    injection: {request: allow, reply: allow}
    toxicity: {request: allow, reply: allow}
";

async fn start(provider: &Provider, state: &State) -> Gateway {
    let config = state.file("gateway.yaml", CONFIG);
    let upstream = format!("https://localhost:{}", provider.https.port());
    Gateway::proxy_on(state.clone(), &upstream, &["--config", config.to_str().unwrap()]).await
}

/// What the provider got last; never the value.
fn last(provider: &Provider) -> String {
    assert!(!provider.saw(MAIL.as_bytes()), "the value left");
    provider.received().last().expect("a request").text()
}

/// The first token in a text.
fn token(text: &str) -> String {
    let from = text.find("[EMAIL_").unwrap_or_else(|| panic!("no token in {text}"));
    let to = text[from..].find(']').expect("its end");
    text[from..=from + to].to_owned()
}

/// Every text of an answer, whatever its dialect, joined: of whole answers and of events.
fn said(reply: &Reply) -> String {
    let text = reply.text();
    let events = text.lines().filter_map(|line| line.strip_prefix("data: "));
    let mut values: Vec<Value> = events.filter_map(|event| serde_json::from_str(event).ok()).collect();
    values.extend(serde_json::from_str(&text).ok());
    values.iter().map(collected).collect()
}

fn collected(value: &Value) -> String {
    match value {
        Value::Array(items) => items.iter().map(collected).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| match value {
                Value::String(text)
                    if ["content", "text", "delta", "arguments", "partial_json"].contains(&&**key) =>
                {
                    text.clone()
                }
                _ => collected(value),
            })
            .collect(),
        _ => String::new(),
    }
}

#[tokio::test]
async fn the_provider_gets_a_token_and_the_app_its_value() {
    let provider = provider().await;
    let state = State::new(&provider);
    let gateway = start(&provider, &state).await;
    let text = format!("write to {MAIL} or \"{MAIL}\", please");
    let gemini = |script: &str| {
        let parts = json!([{"text": format!("{text}\n#sim {script}")}]);
        json!({"contents": [{"role": "user", "parts": parts}]}).to_string()
    };
    let responses = |stream: bool| {
        json!({"model": "gpt-4o-mini", "stream": stream, "input": format!("{text}\n#sim say=echo")})
            .to_string()
    };
    let mut tokens = Vec::new();
    for (path, body) in [
        ("/v1/chat/completions", chat(&text, "say=echo", true)),
        ("/v1/chat/completions", chat(&text, "say=echo", false)),
        ("/v1/messages", messages(&text, "say=echo", true)),
        ("/v1/messages", messages(&text, "say=echo", false)),
        ("/v1/responses", responses(true)),
        ("/v1/responses", responses(false)),
        ("/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse", gemini("say=echo")),
        ("/v1beta/models/gemini-2.5-flash:generateContent", gemini("say=echo")),
    ] {
        let reply = http::post(gateway.address, path, &body).await;
        assert!(reply.complete && reply.status == 200, "{path}: {}", reply.text());
        assert!(said(&reply).contains(&text), "{path}: {}", reply.text());
        assert!(!reply.text().contains("[EMAIL_"), "{path}: {}", reply.text());
        tokens.push(token(&last(&provider)));
    }
    tokens.dedup();
    assert_eq!(tokens.len(), 1, "one value, one token: {tokens:?}");
    let records = gateway.state.records_until(|records| records.len() == 8).await;
    for record in &records {
        assert_eq!(
            (&record["verdict"], &record["findings"][0]["action"]),
            (&json!("redacted"), &json!("tokenize"))
        );
        assert!(!record.to_string().contains(MAIL) && !record.to_string().contains(&tokens[0]), "{record}");
    }
    assert!(!gateway.said().contains(MAIL), "{}", gateway.said());
    gateway.stop().await;
}

#[tokio::test]
async fn arguments_of_a_tool_get_the_value_as_json() {
    let provider = provider().await;
    let state = State::new(&provider);
    let gateway = start(&provider, &state).await;
    let parameters = json!({"type": "object", "properties": {"about": {"type": "string"}}});
    for stream in [true, false] {
        let content = format!("tell \"{MAIL}\"\n#sim say=tool");
        let ask = |tools: Value| {
            json!({"model": "m", "max_tokens": 64, "stream": stream, "tools": tools,
                "messages": [{"role": "user", "content": content}]})
        };
        let openai =
            ask(json!([{"type": "function", "function": {"name": "mail", "parameters": parameters}}]));
        let anthropic = ask(json!([{"name": "mail", "input_schema": parameters}]));
        for (path, body) in [("/v1/chat/completions", openai), ("/v1/messages", anthropic)] {
            let reply = http::post(gateway.address, path, &body.to_string()).await;
            assert!(last(&provider).contains("[EMAIL_"));
            let input = match said(&reply) {
                arguments if !arguments.is_empty() => serde_json::from_str(&arguments).expect("JSON"),
                // A whole answer of this dialect has them as an object.
                _ => {
                    serde_json::from_slice::<Value>(&reply.body).expect("JSON")["content"][0]["input"].clone()
                }
            };
            assert_eq!(input["about"], format!("tell \"{MAIL}\""), "{path}: {}", reply.text());
        }
    }
    gateway.stop().await;
}

#[tokio::test]
async fn each_turn_begins_with_the_bytes_of_the_last_one() {
    let provider = provider().await;
    let state = State::new(&provider);
    let gateway = start(&provider, &state).await;
    let mut history: Vec<Value> = Vec::new();
    let mut before = String::new();
    for turn in 0..4 {
        let text = format!("turn {turn}: {MAIL} and user{turn}@navy-yard.org\n#sim say=echo");
        history.push(json!({"role": "user", "content": text}));
        let body = json!({"model": "gpt-4o-mini", "stream": turn % 2 == 0, "messages": history}).to_string();
        // Members are sorted, so that the messages come before what differs.
        let reply = http::post(gateway.address, "/v1/chat/completions", &body).await;
        let answer = said(&reply);
        assert!(answer.contains(MAIL) && answer.contains(&format!("user{turn}@navy-yard.org")), "{answer}");
        history.push(json!({"role": "assistant", "content": answer}));
        let sent = last(&provider);
        let messages = sent.split_once("\"messages\":[").expect("messages").1;
        let messages = messages.rsplit_once(']').expect("their end").0;
        assert!(messages.starts_with(&before), "turn {turn}:\n{before}\n{messages}");
        before = messages.to_owned();
    }
    assert!(!provider.saw(b"user2@navy-yard.org"));
    gateway.stop().await;
}

#[tokio::test]
async fn a_restarted_gateway_still_knows_and_nothing_readable_is_kept() {
    let provider = provider().await;
    let state = State::new(&provider);
    let path = "/v1/chat/completions";
    let gateway = start(&provider, &state).await;
    http::post(gateway.address, path, &chat(&format!("I am {MAIL}"), "", true)).await;
    let token = token(&last(&provider));
    gateway.stop().await;
    assert!(!holds(&state.path().join("state"), MAIL.as_bytes()), "the value stands on the disk");
    let key = std::fs::metadata(state.path().join("state/tokens.key")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
    let gateway = start(&provider, &state).await;
    let ask = chat(&format!("who is {token}, and who is [EMAIL_0123456789]?"), "say=echo", true);
    let reply = http::post(gateway.address, path, &ask).await;
    assert_eq!(said(&reply), format!("who is {MAIL}, and who is [EMAIL_0123456789]?"));
    // Somebody else with the same token gets nothing for it.
    let mut other = Connection::plain(gateway.address).await;
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer other\r\nContent-Type: application/json\r\n"
    );
    other.send(format!("{head}Content-Length: {}\r\n\r\n{ask}", ask.len()).as_bytes()).await;
    assert_eq!(said(&other.reply().await), format!("who is {token}, and who is [EMAIL_0123456789]?"));
    gateway.stop().await;
}

/// Whether any file below a folder has these bytes.
fn holds(folder: &Path, bytes: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().flatten().any(|entry| {
        let path = entry.path();
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => holds(&path, bytes),
            kind if kind.is_file() => {
                std::fs::read(&path).unwrap().windows(bytes.len()).any(|window| window == bytes)
            }
            _ => false,
        }
    })
}

#[tokio::test]
async fn messages_of_a_websocket_have_tokens_too() {
    let provider = provider().await;
    let state = State::new(&provider);
    let gateway = start(&provider, &state).await;
    let mut socket = WebSocket::open(gateway.address, "/v1/responses", "").await.expect("101");
    for turn in 0..2 {
        let text = format!("{turn}: {MAIL}");
        let input = json!([{"type": "message", "role": "user", "content": format!("{text}\n#sim say=echo")}]);
        socket
            .send(&json!({"type": "response.create", "model": "gpt-4o-mini", "input": input}).to_string())
            .await;
        let answer = socket.until("response.completed").await;
        let deltas: String = answer
            .iter()
            .filter(|message| message["type"] == "response.output_text.delta")
            .filter_map(|message| message["delta"].as_str())
            .collect();
        assert_eq!(deltas, text);
        let done = answer.last().expect("a last message");
        assert_eq!(done["response"]["output"][0]["content"][0]["text"], text);
    }
    assert!(!provider.saw(MAIL.as_bytes()) && provider.saw(b"[EMAIL_"));
    gateway.stop().await;
}
