//! Tests of the simulated provider, over real connections on loopback.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

const SOON: Duration = Duration::from_secs(10);

/// Posts `body` to `path` in plain text and returns the whole answer, head and body as they came.
async fn post(provider: &Provider, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(provider.http).await.unwrap();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: api.openai.com\r\nConnection: close\r\nX-Odd-CASE: 1\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A scripted reset ends the reading with an error; what came before it is the answer.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

fn chat(script: &str, stream: bool) -> String {
    format!(
        r##"{{"model":"m","stream":{stream},"messages":[{{"role":"user","content":"hello\n#sim {script}"}}]}}"##
    )
}

/// Asks with `script` and checks that each of `expected` stands in the answer.
async fn check(path: &str, script: &str, stream: bool, expected: &[&str]) {
    let provider = Provider::start(ProviderOptions::default()).await.unwrap();
    let body = if path.contains(":") {
        format!(r##"{{"contents":[{{"role":"user","parts":[{{"text":"hello\n#sim {script}"}}]}}]}}"##)
    } else if path.ends_with("/responses") {
        chat(script, stream).replace("\"messages\"", "\"input\"")
    } else {
        chat(script, stream)
    };
    let answer = post(&provider, path, &body).await;
    for part in expected {
        assert!(answer.contains(part), "{path} {script}: {part} is missing in {answer}");
    }
    provider.stop().await.unwrap();
}

#[tokio::test]
async fn answers_as_scripted() {
    let (openai, anthropic) = ("/v1/chat/completions", "/v1/messages");
    check(openai, "", false, &["200 OK", r#""content":"The gateway reads"#, r#""completion_tokens":16"#])
        .await;
    check(openai, "deltas=2", true, &[r#"{"content":"The "}"#, r#"{"content":"gateway "}"#, "data: [DONE]"])
        .await;
    check(anthropic, "", false, &[r#""type":"message""#, r#""stop_reason":"end_turn""#]).await;
    check(anthropic, "deltas=1", true, &["event: message_start", r#""text":"The ""#, "event: message_stop"])
        .await;
    check(openai, "say=key", true, &[r#"{"content":"AKIA"}"#, r#"{"content":"Z7QH"}"#]).await;
    check(openai, "say=echo", false, &[r#""content":"hello""#]).await;
    check(openai, "status=500", true, &["500 Internal", r#""type":"server_error""#]).await;
    check(anthropic, "status=529", false, &["529", r#""type":"api_error""#]).await;
    check(openai, "say=nonsense", false, &["400 Bad Request", "cannot use say=nonsense"]).await;
    check("/v1/nowhere", "", false, &["404 Not Found"]).await;
    check("/v1/messages/count_tokens", "", false, &[r#""input_tokens":"#]).await;
}

#[tokio::test]
async fn answers_in_the_shapes_of_responses() {
    let path = "/v1/responses";
    check(path, "deltas=1", false, &[r#""status":"completed""#, r#""text":"The ""#, r#""output_tokens":1"#])
        .await;
    let events = [
        "event: response.created",
        r#""delta":"AKIA","logprobs":[],"obfuscation":"xq""#,
        "event: response.output_text.done",
        "event: response.output_item.done",
        "event: response.completed",
    ];
    check(path, "say=key", true, &events).await;
    check(path, "status=400", true, &["400 Bad", r#""type":"invalid_request_error""#]).await;
}

#[tokio::test]
async fn answers_in_the_shapes_of_gemini() {
    let of = |verb: &str| format!("/v1beta/models/gemini-2.5-flash:{verb}");
    let last = r#""finishReason":"STOP""#;
    check(&of("generateContent"), "deltas=1", false, &["200 OK", r#"[{"text":"The "}]"#, last]).await;
    let events = ["text/event-stream", "data: {\"candidates\":", r#"[{"text":"AKIA"}]"#, last];
    check(&of("streamGenerateContent?alt=sse"), "say=key", true, &events).await;
    let items = ["application/json", "\r\n[{\"candidates\"", ",\r\n{\"candidates\"", "\"sim1\"}\n]", last];
    check(&of("streamGenerateContent"), "deltas=2", true, &items).await;
    check(&of("countTokens"), "", false, &[r#"{"totalTokens":"#]).await;
    check(&of("generateContent"), "status=503", false, &["503", r#""status":"INTERNAL""#]).await;
}

#[tokio::test]
async fn keeps_what_it_received_and_how_it_ended() {
    let provider = Provider::start(ProviderOptions::default()).await.unwrap();
    let mut feed = provider.feed();
    let body = chat("deltas=3 reset_after=2", true);
    let answer = post(&provider, "/v1/chat/completions", &body).await;
    assert!(!answer.contains("[DONE]"));
    provider.until(SOON, |all| all.len() == 1 && all[0].outcome == Outcome::Reset).await.unwrap();
    let one = &provider.received()[0];
    assert_eq!((one.text(), one.header("x-odd-case"), one.status), (body, "1", 200));
    assert!(String::from_utf8_lossy(&provider.raw(one.connection)).contains("X-Odd-CASE: 1\r\n"));
    assert!(provider.saw(b"deltas=3") && !provider.saw(b"deltas=4"));
    assert_eq!(feed.recv().await.unwrap().text.as_deref(), Some("The "));
    assert_eq!(feed.recv().await.unwrap().text.as_deref(), Some("gateway "));
    provider.stop().await.unwrap();
}

#[tokio::test]
async fn notices_a_caller_that_goes_away() {
    let provider = Provider::start(ProviderOptions::default()).await.unwrap();
    let mut stream = TcpStream::connect(provider.http).await.unwrap();
    let body = chat("deltas=1000000 pace_us=1000", true);
    let head =
        format!("POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes()).await.unwrap();
    provider.until(SOON, |all| all.iter().any(|one| !one.sent.is_empty())).await.unwrap();
    drop(stream);
    provider.until(SOON, |all| all[0].outcome == Outcome::Cancelled).await.unwrap();
    provider.stop().await.unwrap();
}

#[tokio::test]
async fn plays_raw_bytes_back() {
    let play = Playback::chunked(
        "HTTP/1.1 200 Fine\r\nX-CaSe: kept\r\nConnection: close\r\n",
        &[b"one", b"", b"three"],
    );
    let options = ProviderOptions { playback: Some(Arc::new(play)), ..ProviderOptions::default() };
    let provider = Provider::start(options).await.unwrap();
    let mut stream = TcpStream::connect(provider.http).await.unwrap();
    let expected = "HTTP/1.1 200 Fine\r\nX-CaSe: kept\r\nConnection: close\r\ntransfer-encoding: chunked\r\n\r\n\
                    3\r\none\r\n5\r\nthree\r\n0\r\n\r\n";
    for _ in 0..2 {
        stream.write_all(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}").await.unwrap();
        let mut answer = vec![0; expected.len()];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&answer), expected);
    }
    assert_eq!(provider.received().len(), 2);
    provider.stop().await.unwrap();
}

#[test]
fn stamps_are_read_back() {
    let script = Script::default();
    let word = script.stamp();
    assert!(Script::read_stamp(&word.as_bytes()[3..]).is_some_and(|time| time > 1 << 60));
    assert_eq!(Script::read_stamp(b"short"), None);
    assert_eq!(Script::read_stamp(b"abcdefghijklmnoz"), None);
}
