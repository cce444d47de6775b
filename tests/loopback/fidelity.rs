//! What no rule touches comes through byte for byte, in time, for every recorded stream.

use std::sync::Arc;

use gateway::simulate::{Playback, Provider, ProviderOptions, Step};
use gateway_tests::corpus::{Recording, streams};
use gateway_tests::gateway::Gateway;
use gateway_tests::http::{Connection, Reply};
use gateway_tests::provider_with;
use tokio::sync::Semaphore;

const HEAD: &str = "HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 10:00:00 GMT\r\nContent-Type: text/event-stream; charset=utf-8\r\n\
                    X-Request-ID: req_1\r\nset-cookie: a=1; Path=/\r\nset-cookie: b=2\r\nServer: simulated\r\nx-empty: \r\n\
                    openai-processing-ms: 12\r\n";

/// A provider that plays what `play` holds, a gateway before it, and a connection to that.
async fn start() -> (Arc<Playback>, Provider, Gateway, Connection) {
    let play = Arc::new(Playback::default());
    let options = ProviderOptions { playback: Some(play.clone()), ..ProviderOptions::default() };
    let provider = provider_with(options).await;
    let gateway =
        Gateway::proxy(&provider, &format!("https://localhost:{}", provider.https.port()), &[]).await;
    let connection = Connection::plain(gateway.address).await;
    (play, provider, gateway, connection)
}

const GEMINI: &str = "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse";

/// A request that asks for usage itself, so that nothing has to be added or taken out.
fn request(path: &str) -> String {
    match path {
        GEMINI => r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}"#,
        "/v1/responses" => r#"{"model":"m","stream":true,"input":"hi"}"#,
        "/v1/messages" => r#"{"model":"claude-x","max_tokens":10,"stream":true,"messages":[{"role":"user","content":"hi"}]}"#,
        _ => r#"{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hi"}]}"#,
    }
    .to_owned()
}

/// Plays every stream of a family; returns how many came through changed by a rule.
async fn check_family(family: &str, path: &str) -> usize {
    let (play, _provider, gateway, mut connection) = start().await;
    let mut touched = 0;
    let recordings = streams(family);
    for recording in &recordings {
        play.replace([recording.steps(HEAD)]);
        connection.post(path, &request(path)).await;
        let reply = connection.reply().await;
        assert_eq!((reply.status, reply.complete), (200, true), "{}", recording.id);
        if reply.text().contains("_REDACTED]") {
            touched += 1;
        } else {
            assert_same(recording, &reply);
        }
        check_head(&reply);
    }
    println!("{family}: {} streams, {touched} of them touched by a rule", recordings.len());
    gateway.stop().await;
    touched
}

fn assert_same(recording: &Recording, reply: &Reply) {
    if reply.body != recording.body {
        let at = reply.body.iter().zip(&recording.body).take_while(|(a, b)| a == b).count();
        let near = |bytes: &[u8]| {
            String::from_utf8_lossy(&bytes[at.saturating_sub(80)..bytes.len().min(at + 160)]).into_owned()
        };
        panic!(
            "{} differs at byte {at}\nsent: {}\ngot:  {}",
            recording.id,
            near(&recording.body),
            near(&reply.body)
        );
    }
}

/// Every header the provider sent stands there in its order, with its bytes; only framing is the connection's own.
fn check_head(reply: &Reply) {
    let ours = ["transfer-encoding", "connection", "keep-alive", "content-length"];
    let lines = |head: &str| -> Vec<(String, String)> {
        let lines = head.lines().filter_map(|line| line.split_once(':'));
        let lines =
            lines.map(|(name, value)| (name.to_lowercase(), value.trim_start_matches(' ').to_owned()));
        lines.filter(|(name, _)| !ours.contains(&name.as_str())).collect()
    };
    assert_eq!(lines(&reply.head), lines(HEAD));
}

#[tokio::test]
async fn recorded_openai_streams_are_byte_identical() {
    check_family("openai_chat", "/v1/chat/completions").await;
}

#[tokio::test]
async fn recorded_responses_streams_are_byte_identical() {
    check_family("openai_responses", "/v1/responses").await;
}

#[tokio::test]
async fn recorded_gemini_streams_are_byte_identical() {
    check_family("gemini", GEMINI).await;
}

#[tokio::test]
async fn recorded_anthropic_streams_are_byte_identical() {
    check_family("anthropic_messages", "/v1/messages").await;
}

#[tokio::test]
async fn events_arrive_no_later_than_one_delta_after_they_were_sent() {
    for (family, path) in [
        ("openai_chat", "/v1/chat/completions"),
        ("openai_responses", "/v1/responses"),
        ("anthropic_messages", "/v1/messages"),
        ("gemini", GEMINI),
    ] {
        let (play, _provider, gateway, mut connection) = start().await;
        let recording = streams(family).into_iter().next().expect("a stream");
        let events: Vec<usize> = recording.events().iter().map(|event| event.len()).collect();
        let gate = Arc::new(Semaphore::new(0));
        let mut steps = recording.steps(HEAD);
        for place in (1..=events.len()).rev() {
            steps.insert(place, Step::Gate(gate.clone()));
        }
        play.replace([steps]);
        connection.post(path, &request(path)).await;
        let mut due = 0;
        for (place, length) in events.iter().enumerate() {
            gate.add_permits(1);
            // With event `place` sent, everything before it must be here.
            while decoded(connection.unread()) < due {
                assert!(connection.more().await, "{family}: closed at event {place}");
            }
            due += length;
        }
        assert_eq!(connection.reply().await.body, recording.body);
        gateway.stop().await;
    }
}

/// Body bytes in what was read of a chunked answer so far.
fn decoded(raw: &[u8]) -> usize {
    let Some(head) = memchr::memmem::find(raw, b"\r\n\r\n") else { return 0 };
    let (mut rest, mut sum) = (&raw[head + 4..], 0);
    while let Some(end) = memchr::memmem::find(rest, b"\r\n") {
        let size =
            std::str::from_utf8(&rest[..end]).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
        let Some(size) = size.filter(|size| *size > 0) else { break };
        let here = rest.len() - end - 2;
        sum += here.min(size);
        if here < size + 2 {
            break;
        }
        rest = &rest[end + 2 + size + 2..];
    }
    sum
}
