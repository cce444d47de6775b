//! Rows of the bypass matrix that lie inside HTTP: each is a way a secret or a charge could slip by, over the real wire.

use std::io::Write;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use gateway::simulate::{Outcome, Playback, Provider, sample_key};
use gateway_tests::gateway::{Gateway, State};
use gateway_tests::http::{self, Connection, Reply};
use gateway_tests::{PATIENCE, chat, messages, playing, provider};
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";
const SSE: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n";

async fn before(provider: &Provider) -> Gateway {
    Gateway::proxy(provider, &format!("https://localhost:{}", provider.https.port()), &[]).await
}

/// Posts raw bytes.
async fn post(gateway: &Gateway, path: &str, headers: &str, body: &[u8]) -> Reply {
    let mut connection = Connection::plain(gateway.address).await;
    let length = body.len();
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: api.openai.com\r\n{headers}Content-Length: {length}\r\n\r\n");
    connection.send(&[head.as_bytes(), body].concat()).await;
    connection.reply().await
}

/// Plays an event stream in the given pieces and returns what the client got.
async fn streamed(path: &str, pieces: &[&[u8]]) -> Reply {
    let provider = playing(Playback::chunked(SSE, pieces)).await;
    let gateway = before(&provider).await;
    let body = if path == CHAT { chat("x", "", true) } else { messages("x", "", true) };
    let reply = http::post(gateway.address, path, &body).await;
    gateway.stop().await;
    reply
}

/// Nothing of the key longer than four characters is in the bytes, and its mask is.
fn check_masked(what: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for part in sample_key().as_bytes().windows(5) {
        let part = std::str::from_utf8(part).expect("the key is ASCII");
        assert!(!text.contains(part), "{what}: {part} of the key came through: {text}");
    }
    assert!(text.contains("_REDACTED]"), "{what}: no mask in {text}");
}

/// An OpenAI event with this delta.
fn event(choice: usize, delta: &Value) -> String {
    let chunk = json!({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-mini",
        "choices": [{"index": choice, "delta": delta, "finish_reason": null}]});
    format!("data: {chunk}\n\n")
}

fn finished(choices: usize) -> String {
    let ends = (0..choices).map(|choice| {
        let chunk = json!({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-mini",
            "choices": [{"index": choice, "delta": {}, "finish_reason": "stop"}]});
        format!("data: {chunk}\n\n")
    });
    ends.collect::<String>() + "data: [DONE]\n\n"
}

/// The key in pieces of a few characters.
fn pieces() -> Vec<String> {
    sample_key().as_bytes().chunks(3).map(|piece| String::from_utf8_lossy(piece).into_owned()).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("writing to memory")
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("writing to memory")
}

fn zstandard(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).expect("writing to memory")
}

/// Brotli without compression: one stored block of up to 64 KiB (RFC 7932 §9.2), then the empty last one.
fn brotli(bytes: &[u8]) -> Vec<u8> {
    let length =
        u32::try_from(bytes.len() - 1).ok().filter(|&length| length < 1 << 16).expect("a short body");
    let head = (length << 4 | 1 << 20).to_le_bytes();
    [&head[..3], bytes, &[3]].concat()
}

#[tokio::test]
async fn row_encoded_request_bodies() {
    let key = sample_key();
    let body = chat(&format!("my key is {key}, thanks"), "say=echo", false).into_bytes();
    for (coding, encoded) in [
        ("gzip", gzip(&body)),
        ("deflate", zlib(&body)),
        ("br", brotli(&body)),
        ("zstd", zstandard(&body)),
        ("gzip, zstd", zstandard(&gzip(&body))),
        ("br, deflate, gzip", gzip(&zlib(&brotli(&body)))),
    ] {
        let provider = provider().await;
        let gateway = before(&provider).await;
        let headers = format!("Content-Type: application/json\r\nContent-Encoding: {coding}\r\n");
        let reply = post(&gateway, CHAT, &headers, &encoded).await;
        assert_eq!(reply.status, 200, "{coding}: {}", reply.text());
        check_masked(coding, provider.received()[0].text().as_bytes());
        gateway.stop().await;
    }
}

#[tokio::test]
async fn row_encoded_answers() {
    let text: String = [
        event(0, &json!({"role": "assistant", "content": "the key: "})),
        pieces().iter().map(|piece| event(0, &json!({"content": piece}))).collect(),
        event(0, &json!({"content": " end"})),
        finished(1),
    ]
    .concat();
    for (coding, encoded) in [
        ("gzip", gzip(text.as_bytes())),
        ("deflate", zlib(text.as_bytes())),
        ("br", brotli(text.as_bytes())),
        ("zstd", zstandard(text.as_bytes())),
        ("zstd, gzip", gzip(&zstandard(text.as_bytes()))),
    ] {
        let head = format!("{SSE}content-encoding: {coding}\r\n");
        let parts: Vec<&[u8]> = encoded.chunks(7).collect();
        let provider = playing(Playback::chunked(&head, &parts)).await;
        let gateway = before(&provider).await;
        let body = chat("x", "", true);
        let headers = "Content-Type: application/json\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n";
        let reply = post(&gateway, CHAT, headers, body.as_bytes()).await;
        assert_eq!(reply.header("content-encoding"), None, "{coding}: what is changed is sent as it is");
        check_masked(coding, http::openai_text(&reply.body).as_bytes());
        gateway.stop().await;
    }
}

#[tokio::test]
async fn row_chunk_split_inside_utf8_inside_a_json_escape_inside_base64() {
    let key = sample_key();
    let escaped: String = key.bytes().map(|byte| format!("\\u{byte:04x}")).collect();
    let content = json!("päßwörter 你好 🗝 ").to_string();
    let text = format!(
        "data: {{\"id\":\"c1\",\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{}{escaped} ok\"}}}}]}}\n\n{}",
        content.trim_matches('"'),
        finished(1)
    );
    // Each byte comes as a chunk of its own: every split at once.
    let single: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
    let reply = streamed(CHAT, &single).await;
    let shown = http::openai_text(&reply.body);
    check_masked("byte by byte", shown.as_bytes());
    assert!(shown.starts_with("päßwörter 你好 🗝 ") && shown.ends_with(" ok"), "{shown}");
}

#[tokio::test]
async fn row_crlf_sse() {
    let lines: String = [
        pieces().iter().map(|piece| event(0, &json!({"content": piece}))).collect(),
        event(0, &json!({"content": " end"})),
        finished(1),
    ]
    .concat();
    let reply = streamed(CHAT, &[lines.replace('\n', "\r\n").as_bytes()]).await;
    check_masked("CRLF", &reply.body);
}

#[tokio::test]
async fn row_unterminated_last_event() {
    let last = event(0, &json!({"content": format!("key: {}", sample_key())}));
    let text = event(0, &json!({"content": "well: "})) + last.trim_end();
    let reply = streamed(CHAT, &[text.as_bytes()]).await;
    check_masked("unterminated", &reply.body);
}

#[tokio::test]
async fn row_secret_across_deltas_of_interleaved_choices() {
    let mut text = String::new();
    for piece in pieces() {
        for choice in 0..3 {
            text += &event(choice, &json!({"content": piece}));
        }
    }
    let reply = streamed(CHAT, &[(text + &finished(3)).as_bytes()]).await;
    check_masked("n > 1", &reply.body);
    assert_eq!(reply.text().matches("_REDACTED]").count(), 3, "{}", reply.text());
}

#[tokio::test]
async fn row_secret_across_tool_arguments() {
    let mut text = event(
        0,
        &json!({"tool_calls": [{"index": 0, "id": "t", "type": "function",
            "function": {"name": "deploy", "arguments": "{\"token\": \""}}]}),
    );
    for piece in pieces() {
        text += &event(0, &json!({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}));
    }
    text += &event(0, &json!({"tool_calls": [{"index": 0, "function": {"arguments": "\"}"}}]}));
    let reply = streamed(CHAT, &[(text + &finished(1)).as_bytes()]).await;
    check_masked("tool arguments", &reply.body);
}

#[tokio::test]
async fn row_secret_across_blocks_and_deltas_of_anthropic() {
    let send = |kind: &str, event: Value| format!("event: {kind}\ndata: {event}\n\n");
    let mut text = send(
        "message_start",
        json!({"type": "message_start", "message": {"id": "m1", "type": "message", "role": "assistant",
            "model": "claude-sonnet-4-5", "content": [], "usage": {"input_tokens": 3, "output_tokens": 1}}}),
    );
    for (block, kind) in [(0, "text"), (1, "tool_use")] {
        let start = match kind {
            "text" => json!({"type": "text", "text": ""}),
            _ => json!({"type": "tool_use", "id": "t1", "name": "deploy", "input": {}}),
        };
        let start = json!({"type": "content_block_start", "index": block, "content_block": start});
        text += &send("content_block_start", start);
        let delta = |piece: &str| match kind {
            "text" => json!({"type": "text_delta", "text": piece}),
            _ => json!({"type": "input_json_delta", "partial_json": piece}),
        };
        let quote = if kind == "text" { "" } else { "\"" };
        let mut all = vec![quote.to_owned()];
        all.extend(pieces());
        all.push(quote.to_owned());
        for piece in all {
            let delta = json!({"type": "content_block_delta", "index": block, "delta": delta(&piece)});
            text += &send("content_block_delta", delta);
        }
        text += &send("content_block_stop", json!({"type": "content_block_stop", "index": block}));
    }
    let delta = json!({"stop_reason": "tool_use", "stop_sequence": null});
    text += &send(
        "message_delta",
        json!({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 40}}),
    );
    text += &send("message_stop", json!({"type": "message_stop"}));
    let reply = streamed(MESSAGES, &[text.as_bytes()]).await;
    check_masked("blocks", &reply.body);
    assert_eq!(reply.text().matches("_REDACTED]").count(), 2, "{}", reply.text());
}

#[tokio::test]
async fn row_client_gone_before_usage() {
    let provider = provider().await;
    let gateway = before(&provider).await;
    let mut connection = Connection::plain(gateway.address).await;
    connection.post(CHAT, &chat("x", "deltas=100000 pace_us=200", true)).await;
    while String::from_utf8_lossy(connection.unread()).matches("\"content\":\"").count() < 5 {
        assert!(connection.more().await, "the answer begins");
    }
    drop(connection);
    let records = gateway.state.records_until(|records| records.len() == 1).await;
    let (tokens, cost) = (&records[0]["tokens"]["output"], &records[0]["cost"]);
    assert!(tokens.as_u64() > Some(0), "what passed is counted: {:#}", records[0]);
    assert!(cost.as_u64() > Some(0), "and charged: {:#}", records[0]);
    let left = provider.until(PATIENCE, |log| log.iter().all(|one| one.outcome == Outcome::Cancelled));
    left.await.unwrap_or_else(|error| panic!("the provider is told: {error}"));
    gateway.stop().await;
}

#[tokio::test]
async fn row_routes_beside_chat() {
    let key = sample_key();
    let line = json!({"custom_id": "1", "method": "POST", "url": CHAT, "body": {"messages": [{"role": "user", "content": key}]}});
    let multipart = format!(
        "--cut\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--cut\r\n\
         Content-Disposition: form-data; name=\"file\"; filename=\"b.jsonl\"\r\n\r\n{line}\r\n--cut--\r\n"
    );
    let json = |value: Value| ("application/json", value.to_string());
    for (path, (kind, body)) in [
        (
            "/v1/messages/count_tokens",
            json(json!({"model": "m", "messages": [{"role": "user", "content": key}]})),
        ),
        ("/v1/files", ("multipart/form-data; boundary=cut", multipart.clone())),
        ("/v1/batches", json(json!({"endpoint": CHAT, "metadata": {"note": key}}))),
        ("/v1/images/generations", json(json!({"model": "m", "prompt": key}))),
        ("/v1/images/edits", ("multipart/form-data; boundary=cut", multipart)),
        ("/v1/audio/speech", json(json!({"model": "m", "input": key, "voice": "v"}))),
        ("/v1/embeddings", json(json!({"model": "m", "input": [key]}))),
        ("/v1/moderations", json(json!({"input": key}))),
        ("/v1/threads/t1/messages", json(json!({"role": "user", "content": key}))),
        ("/v1/something/new", json(json!({"unheard_of": {"deep": [key]}}))),
    ] {
        let provider = provider().await;
        let gateway = before(&provider).await;
        let reply = post(&gateway, path, &format!("Content-Type: {kind}\r\n"), body.as_bytes()).await;
        assert!(!provider.saw(key.as_bytes()), "{path}: the key left");
        match provider.received().first() {
            Some(got) => check_masked(path, got.text().as_bytes()),
            None => assert_eq!(reply.status, 400, "{path} was refused: {}", reply.text()),
        }
        gateway.stop().await;
    }
}

#[tokio::test]
async fn row_gateway_killed_mid_stream() {
    let provider = provider().await;
    let gateway = before(&provider).await;
    let mut connection = Connection::plain(gateway.address).await;
    connection.post(CHAT, &chat("x", "deltas=100000 pace_us=500", true)).await;
    while connection.unread().len() < 20_000 {
        assert!(connection.more().await, "the answer runs");
    }
    let state = gateway.kill().await;
    while connection.more().await {}
    let got = String::from_utf8_lossy(connection.unread()).into_owned();
    assert!(!got.contains("[DONE]") && !got.ends_with("0\r\n\r\n"), "a broken answer does not look whole");
    let usage: Value = serde_json::from_str(&state.run(&["usage", "--json"]).await).expect("JSON");
    assert!(usage["budgets"].is_array(), "the store opens again: {usage:#}");
    let again = format!("https://localhost:{}", provider.https.port());
    let gateway = Gateway::proxy_on(state, &again, &[]).await;
    assert_eq!(http::post(gateway.address, CHAT, &chat("x", "", false)).await.status, 200);
    gateway.stop().await;
}

#[tokio::test]
async fn row_state_store_lost() {
    let provider = provider().await;
    let state = State::new(&provider);
    let store = state.path().join("state/store");
    std::fs::create_dir_all(store.parent().expect("a parent")).expect("a folder");
    std::fs::write(&store, b"this is no store").expect("a file");
    let upstream = format!("https://localhost:{}", provider.https.port());
    let arguments = ["proxy", "--listen", "127.0.0.1:0", "--upstream", &upstream];
    let done = tokio::time::timeout(PATIENCE, state.command(&arguments).output()).await;
    let done = done.expect("it ends").expect("it runs");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(!done.status.success(), "without its store it serves nobody");
    assert!(said.contains(&store.display().to_string()), "the message names the place: {said}");
    assert!(!said.contains("panicked"), "{said}");
}
