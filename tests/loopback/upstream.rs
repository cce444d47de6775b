//! What goes wrong behind the gateway: down, unverified, resetting, lying or broken providers.

use std::time::Duration;

use gateway::simulate::{Outcome, Playback, Provider, ProviderOptions, Step};
use gateway_tests::gateway::{Gateway, State};
use gateway_tests::http::{self, Connection, Reply};
use gateway_tests::{PATIENCE, chat, playing, provider, provider_with};

const PATH: &str = "/v1/chat/completions";
const SSE: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n";

/// Asks once through a gateway before `provider`; returns the answer and the verdict on record.
async fn ask(provider: &Provider, stream: bool) -> (Reply, String) {
    ask_at(State::new(provider), provider.https.port(), stream).await
}

async fn ask_at(state: State, port: u16, stream: bool) -> (Reply, String) {
    let gateway = Gateway::proxy_on(state, &format!("https://localhost:{port}"), &[]).await;
    let reply = http::post(gateway.address, PATH, &chat("x", "deltas=20", stream)).await;
    let records = gateway.state.records_until(|records| records.len() == 1).await;
    let verdict = records[0]["verdict"].as_str().unwrap_or("none").to_owned();
    gateway.stop().await;
    (reply, verdict)
}

fn check_failure(reply: &Reply, says: &str) {
    assert_eq!(reply.status, 502, "{}", reply.text());
    let error: serde_json::Value =
        serde_json::from_slice(&reply.body).expect("an error of the provider's shape");
    let message = error["error"]["message"].as_str().expect("a message");
    assert!(message.contains(says), "{message} does not say {says}");
}

#[tokio::test]
async fn a_provider_that_is_down_is_named() {
    let stopped = provider().await;
    let (state, port) = (State::new(&stopped), stopped.https.port());
    stopped.stop().await.unwrap();
    let (reply, verdict) = ask_at(state, port, true).await;
    check_failure(&reply, "localhost");
    assert_eq!(verdict, "failed");
}

#[tokio::test]
async fn bad_certificates_are_refused_and_nothing_is_sent() {
    let other = provider().await;
    let options = |names: &[&str], expired| ProviderOptions {
        names: names.iter().map(|name| name.to_string()).collect(),
        expired,
        ..ProviderOptions::default()
    };
    for (what, options, trusted) in [
        ("wrong name", options(&["other.example"], false), true),
        ("expired", options(&["localhost"], true), true),
        ("unknown root", options(&["localhost"], false), false),
    ] {
        let provider = provider_with(options).await;
        let state = if trusted { State::new(&provider) } else { State::new(&other) };
        let (reply, verdict) = ask_at(state, provider.https.port(), false).await;
        check_failure(&reply, "certificate");
        assert_eq!(verdict, "failed", "{what}");
        assert!(provider.received().is_empty(), "{what}: a request was sent");
    }
}

#[tokio::test]
async fn a_reset_in_mid_body_is_no_clean_end() {
    let event = "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"word \"}}]}\n\n";
    let chunk = format!("{:x}\r\n{event}\r\n", event.len());
    for end in [Step::Reset, Step::Close] {
        let head = format!("{SSE}transfer-encoding: chunked\r\n\r\n");
        let steps =
            vec![Step::Write(head.into_bytes()), Step::Repeat(chunk.clone().into_bytes(), 10), end.clone()];
        let provider = playing(Playback::new([steps])).await;
        let (reply, verdict) = ask(&provider, true).await;
        let ended_well = reply.complete && !reply.text().contains("error");
        assert!(!ended_well, "{end:?}: the client takes it for whole: {}", reply.text());
        assert_eq!(verdict, "failed", "{end:?}");
        assert_eq!(provider.received().len(), 1, "{end:?}: asked again after bytes had gone down");
    }
    let scripted = provider().await;
    let gateway =
        Gateway::proxy(&scripted, &format!("https://localhost:{}", scripted.https.port()), &[]).await;
    let reply = http::post(gateway.address, PATH, &chat("x", "deltas=20 reset_after=5", true)).await;
    assert!(!reply.text().contains("[DONE]") && (!reply.complete || reply.text().contains("error")));
    gateway.stop().await;
}

#[tokio::test]
async fn errors_of_the_provider_pass_as_they_are() {
    let provider = provider().await;
    let gateway =
        Gateway::proxy(&provider, &format!("https://localhost:{}", provider.https.port()), &[]).await;
    for status in [400, 401, 429, 500, 503, 529] {
        let reply = http::post(gateway.address, PATH, &chat("x", &format!("status={status}"), true)).await;
        assert_eq!(reply.status, status);
        assert_eq!(reply.body, provider.received().pop().unwrap().sent);
    }
    assert_eq!(provider.received().len(), 6, "none is retried");
    gateway.stop().await;
}

#[tokio::test]
async fn broken_streams_and_broken_json_pass_as_they_are() {
    for body in [
        &b"data: {\"id\": \"c\", \"choices\": [{\"delta\": {\"content\": \"half\n\ndata: nonsense\n\n"[..],
        b"event only\n\n\n\n:::\ndata:\n\ndata\n\n",
        b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"no end of event\"}}]}",
        b"\xff\xfe\x00 not text at all \xc3\x28\n\n",
        b"",
    ] {
        let provider = playing(Playback::chunked(SSE, &[body])).await;
        let (reply, _) = ask(&provider, true).await;
        assert_eq!(String::from_utf8_lossy(&reply.body), String::from_utf8_lossy(body));
        assert!(reply.complete);
    }
    for body in [&b"{\"choices\": [{\"message\": {\"content\": \"half"[..], b"<html>502</html>", b"\xff{}"] {
        let provider =
            playing(Playback::whole("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n", body)).await;
        let (reply, _) = ask(&provider, false).await;
        assert_eq!(reply.body, body);
    }
}

#[tokio::test]
async fn an_answer_that_does_not_decode_is_refused_in_strict_and_reported_in_warn() {
    let body = b"this is not gzip";
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n";
    for (mode, status) in [("strict", 502), ("warn", 200)] {
        let provider = playing(Playback::whole(head, body)).await;
        let upstream = format!("https://localhost:{}", provider.https.port());
        let gateway = Gateway::proxy(&provider, &upstream, &["--mode", mode]).await;
        let reply = http::post(gateway.address, PATH, &chat("x", "", false)).await;
        assert_eq!(reply.status, status, "{mode}: {}", reply.text());
        assert_eq!(reply.body == body, mode == "warn", "{mode}: {}", reply.text());
        let records = gateway.state.records_until(|records| records.len() == 1).await;
        let reason = records[0]["reason"].as_str().unwrap_or("");
        assert!(reason.contains("cannot be inspected"), "{mode}: {}", records[0]);
        gateway.stop().await;
    }
}

#[tokio::test]
async fn answers_that_are_no_http_are_failures() {
    for answer in
        [&b"SSH-2.0-OpenSSH\r\n\r\n"[..], b"HTTP/1.1 banana\r\n\r\n", b"HTTP/1.1 200 OK\r\n: empty\r\n\r\n"]
    {
        let provider = playing(Playback::new([vec![Step::Write(answer.to_vec()), Step::Close]])).await;
        let (reply, verdict) = ask(&provider, false).await;
        assert_eq!((reply.status, verdict.as_str()), (502, "failed"), "{}", reply.text());
    }
}

#[tokio::test]
async fn early_heads_trailers_and_slow_first_bytes_pass() {
    let early = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    let body = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-end: yes\r\n\r\n{}";
    let pause = Step::Pause(Duration::from_millis(300));
    let steps = vec![Step::Write(early.into()), pause, Step::Write(body.into())];
    let provider = playing(Playback::new([steps])).await;
    let (reply, _) = ask(&provider, false).await;
    assert_eq!((reply.status, reply.text().as_str(), reply.header("x-end")), (200, "{}", Some("yes")));

    let provider = gateway_tests::provider().await;
    let gateway =
        Gateway::proxy(&provider, &format!("https://localhost:{}", provider.https.port()), &[]).await;
    let mut connection = Connection::plain(gateway.address).await;
    let body = chat("x", "deltas=5 trailers=1", true);
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    connection.send((head + &body).as_bytes()).await;
    let reply = connection.reply().await;
    let trailers = String::from_utf8_lossy(reply.chunks.last().unwrap()).to_lowercase();
    assert!(reply.complete && trailers.contains("x-sim-deltas: 5"), "{trailers}");
    gateway.stop().await;
}

#[tokio::test]
async fn upgrades_are_relayed() {
    let head = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
    let provider = playing(Playback::new([vec![Step::Write(head.into()), Step::Echo]])).await;
    let gateway = Gateway::proxy(
        &provider,
        &format!("https://localhost:{}", provider.https.port()),
        &["--mode", "warn"],
    )
    .await;
    let mut connection = Connection::plain(gateway.address).await;
    let ask = "GET /v1/anything HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
    connection.send(ask.as_bytes()).await;
    let reply = connection.reply().await;
    assert_eq!(reply.status, 101, "{}", reply.head);
    connection.send(b"ping").await;
    while connection.unread() != b"ping" {
        assert!(connection.more().await, "closed before the echo");
    }
    drop(connection);
    provider.until(PATIENCE, |all| all[0].outcome != Outcome::Running).await.expect("closed on both sides");
    gateway.stop().await;
}

/// A provider that answers once with these bytes, asked in warn mode; the answer and the record.
async fn ask_in_warn(head: &str, body: &[u8]) -> (Reply, serde_json::Value) {
    let provider = playing(Playback::whole(head, body)).await;
    let upstream = format!("https://localhost:{}", provider.https.port());
    let state = State::new(&provider);
    let config = state.file("gateway.yaml", "mode: warn\nlimits: {request_bytes: 64KiB}\n");
    let arguments = ["--config", config.to_str().unwrap()];
    let gateway = Gateway::proxy_on(state, &upstream, &arguments).await;
    let reply = http::post(gateway.address, PATH, &chat("x", "", true)).await;
    let records = gateway.state.records_until(|records| records.len() == 1).await;
    gateway.stop().await;
    (reply, records[0].clone())
}

#[tokio::test]
async fn warn_mode_passes_an_answer_that_is_too_long_to_be_judged() {
    let body = format!("{{\"text\":\"{}\"}}", "a".repeat(200_000));
    let (reply, record) =
        ask_in_warn("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n", body.as_bytes()).await;
    assert_eq!((reply.status, reply.complete, reply.body.len()), (200, true, body.len()));
    assert_eq!(record["verdict"], "warned", "{record}");
    assert!(record["reason"].as_str().unwrap().contains("longer than 65536 bytes"), "{record}");
    assert_eq!(record["bytes_down"].as_u64(), Some(body.len() as u64));
}

#[tokio::test]
async fn warn_mode_does_not_cut_a_stream_whose_encoding_breaks() {
    // A gzip head, and then something else.
    let body = [&b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"[..], &[0xff; 300]].concat();
    let head = format!("{SSE}content-encoding: gzip\r\n");
    let (reply, record) = ask_in_warn(&head, &body).await;
    assert_eq!((reply.status, reply.complete), (200, true));
    assert_eq!(reply.body, body, "as it came");
    assert_eq!(reply.header("content-encoding"), Some("gzip"));
    assert_eq!(record["verdict"], "warned", "{record}");
    assert!(record["reason"].as_str().unwrap().contains("cannot be inspected"), "{record}");
}
