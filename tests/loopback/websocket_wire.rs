//! WebSockets on the wire: frames byte for byte, control frames, ends of all sorts, and hostile peers.

use std::sync::Arc;

use bytes::BytesMut;
use gateway::simulate::{Outcome, Playback, ProviderOptions, Step, sample_key};
use gateway::wire::websocket::{Control, Frame, Incoming, Kind, Opcode};
use gateway_tests::corpus::{sessions, streams};
use gateway_tests::gateway::{Gateway, State};
use gateway_tests::http::Reply;
use gateway_tests::websocket::{DEFLATE, WebSocket};
use gateway_tests::{PATIENCE, provider_with};

const PATH: &str = "/v1/responses";

async fn start(arguments: &[&str]) -> (gateway::simulate::Provider, Gateway) {
    let provider = gateway_tests::provider().await;
    let upstream = format!("https://localhost:{}", provider.https.port());
    let gateway = Gateway::proxy(&provider, &upstream, arguments).await;
    (provider, gateway)
}

/// A server's frames for a recorded stream, one message an event, some cut into several frames with a ping between.
fn frames(events: &[&[u8]]) -> Vec<u8> {
    let mut out = BytesMut::new();
    let payloads = events.iter().filter_map(|event| {
        let text = std::str::from_utf8(event).ok()?;
        text.lines().find_map(|line| line.strip_prefix("data:")).map(str::trim)
    });
    for (index, payload) in payloads.enumerate() {
        let bytes = payload.as_bytes();
        let frame = |fin, opcode, payload, out: &mut BytesMut| {
            Frame { fin, compressed: false, opcode, mask: None, payload }.write(out);
        };
        if index % 3 == 0 {
            let (head, tail) = bytes.split_at(bytes.len() / 2);
            frame(false, Opcode::Text, head, &mut out);
            frame(true, Opcode::Continuation, tail, &mut out);
            frame(true, Opcode::Ping, b"are you there", &mut out);
        } else {
            frame(true, Opcode::Text, bytes, &mut out);
        }
    }
    frame_close(&mut out);
    out.to_vec()
}

fn frame_close(out: &mut BytesMut) {
    Frame { fin: true, compressed: false, opcode: Opcode::Close, mask: None, payload: &[0x03, 0xE8] }
        .write(out);
}

/// The answer of a server that agrees on nothing, with headers in its own order and case.
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nX-Request-ID: req_1\r\nupgrade: websocket\r\n\
                      Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

#[tokio::test]
async fn recorded_answers_pass_frame_for_frame() {
    let play = Arc::new(Playback::default());
    let options = ProviderOptions { playback: Some(play.clone()), ..ProviderOptions::default() };
    let provider = provider_with(options).await;
    let upstream = format!("https://localhost:{}", provider.https.port());
    let gateway = Gateway::proxy(&provider, &upstream, &[]).await;
    let (mut same, mut touched) = (0, 0);
    for recording in streams("openai_responses") {
        let bytes = frames(&recording.events());
        play.replace([vec![Step::Write(SWITCH.into()), Step::Write(bytes.clone()), Step::Close]]);
        let mut socket = WebSocket::open(gateway.address, PATH, "").await.expect("101");
        while socket.next().await.is_some() {}
        if memchr::memmem::find(&socket.received, b"_REDACTED]").is_some() {
            touched += 1;
            continue;
        }
        assert_eq!(sorted(&socket.received), sorted(&bytes), "{}", recording.id);
        same += 1;
    }
    println!("{same} recorded answers passed frame for frame, {touched} were touched by a rule");
    assert!(same > touched);
    gateway.stop().await;
}

/// Both what a dialect knows and what none does.
#[tokio::test]
async fn recorded_sessions_pass_frame_for_frame() {
    let play = Arc::new(Playback::default());
    let options = ProviderOptions { playback: Some(play.clone()), ..ProviderOptions::default() };
    let provider = provider_with(options).await;
    let upstream = format!("https://localhost:{}", provider.https.port());
    let gateway = Gateway::proxy(&provider, &upstream, &[]).await;
    let mut same = 0;
    let sessions = sessions();
    for (id, messages) in &sessions {
        let events: Vec<Vec<u8>> =
            messages.iter().map(|message| format!("data: {message}").into_bytes()).collect();
        let bytes = frames(&events.iter().map(Vec::as_slice).collect::<Vec<_>>());
        for path in ["/v1/realtime", "/v1/live/unknown"] {
            play.replace([vec![Step::Write(SWITCH.into()), Step::Write(bytes.clone()), Step::Close]]);
            let mut socket = WebSocket::open(gateway.address, path, "").await.expect("101");
            while socket.next().await.is_some() {}
            if memchr::memmem::find(&socket.received, b"_REDACTED]").is_none() {
                assert_eq!(sorted(&socket.received), sorted(&bytes), "{id} at {path}");
                same += 1;
            }
        }
    }
    assert!(same > sessions.len(), "only {same} of {} sessions passed untouched", 2 * sessions.len());
    gateway.stop().await;
}

/// Data frames in order, and control frames in order: pings pass those that are held back.
fn sorted(bytes: &[u8]) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    use gateway::wire::websocket::Head;
    let (mut data, mut control, mut rest) = (Vec::new(), Vec::new(), bytes);
    while let Ok(Some(head)) = Head::read(rest) {
        let (frame, left) = rest.split_at(head.size + head.payload as usize);
        if head.opcode.is_control() { &mut control } else { &mut data }.push(frame.to_vec());
        rest = left;
    }
    assert!(rest.is_empty());
    (data, control)
}

#[tokio::test]
async fn what_the_client_sends_arrives_with_its_own_frames_masks_and_compression() {
    let (provider, gateway) = start(&[]).await;
    for (connection, offer) in ["", DEFLATE].into_iter().enumerate() {
        let mut socket = WebSocket::open(gateway.address, "/v1/live/echo", offer).await.expect("101");
        for (index, size) in [usize::MAX, 1, 5, 64].into_iter().enumerate() {
            let text = format!("nothing to see here, {index} \u{20ac}").repeat(index + 1);
            socket.send_in_frames(Kind::Text, text.as_bytes(), size).await;
            assert_eq!(socket.message().await.payload, text);
        }
        socket.send_in_frames(Kind::Binary, &[0, 159, 255, 1, 2, 3], 4).await;
        assert_eq!(&socket.message().await.payload[..], [0, 159, 255, 1, 2, 3]);
        let raw = provider.raw(connection as u64);
        let head = memchr::memmem::find(&raw, b"\r\n\r\n").expect("a head") + 4;
        assert_eq!(raw[head..], socket.sent[..], "byte for byte");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn extensions_are_limited_and_subprotocols_pass() {
    let (provider, gateway) = start(&[]).await;
    let headers = "Sec-WebSocket-Extensions: x-unheard-of, permessage-deflate; client_max_window_bits\r\n\
                   Sec-WebSocket-Extensions: bbf-usp-protocol\r\nSec-WebSocket-Protocol: realtime, openai-beta.x\r\n";
    let (_socket, reply): (WebSocket, Reply) =
        WebSocket::open_with(gateway.address, PATH, headers).await.expect("101");
    assert_eq!(reply.header("sec-websocket-protocol"), Some("realtime"));
    assert_eq!(reply.header("sec-websocket-extensions"), Some("permessage-deflate"));
    assert_eq!(reply.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    let got = &provider.received()[0];
    assert_eq!(got.header("sec-websocket-extensions"), "permessage-deflate; client_max_window_bits");
    assert_eq!(got.header("sec-websocket-protocol"), "realtime, openai-beta.x");
    gateway.stop().await;
}

#[tokio::test]
async fn pings_and_closes_pass_also_while_an_answer_runs() {
    let (provider, gateway) = start(&[]).await;
    let mut socket = WebSocket::open(gateway.address, PATH, "").await.expect("101");
    socket.send(r##"{"type":"response.create","model":"gpt-4o-mini","input":"x\n#sim deltas=1000 pace_us=2000"}"##).await;
    socket.message().await;
    socket.control(Opcode::Ping, b"still there?").await;
    let mut pongs = 0;
    while pongs == 0 {
        if let Some(Incoming::Control(Control { opcode: Opcode::Pong, .. })) = socket.next().await {
            pongs += 1;
        }
    }
    socket.control(Opcode::Close, &[0x0F, 0xA0]).await;
    assert_eq!(socket.closed().await, Some(4000));
    provider
        .until(PATIENCE, |all| {
            all.iter().any(|one| one.method == "WEBSOCKET" && one.outcome == Outcome::Cancelled)
        })
        .await
        .expect("upstream is told to stop");
    let records = gateway.state.records_until(|records| records.len() == 2).await;
    let verdicts: Vec<_> = records.iter().map(|record| record["verdict"].as_str().unwrap()).collect();
    assert!(verdicts.contains(&"failed") && verdicts.contains(&"allowed"), "{records:#?}");
    gateway.stop().await;
}

#[tokio::test]
async fn a_client_that_goes_away_ends_the_answer_upstream_and_is_charged() {
    let (provider, gateway) = start(&["--budget", "10"]).await;
    let mut socket = WebSocket::open(gateway.address, PATH, DEFLATE).await.expect("101");
    socket.send(r##"{"type":"response.create","model":"gpt-4o-mini","input":"x\n#sim deltas=100000 pace_us=500"}"##).await;
    for _ in 0..20 {
        socket.message().await;
    }
    drop(socket);
    provider
        .until(PATIENCE, |all| {
            all.iter().any(|one| one.method == "WEBSOCKET" && one.outcome == Outcome::Cancelled)
        })
        .await
        .expect("upstream is told to stop");
    let records = gateway.state.records_until(|records| records.len() == 2).await;
    let exchange = records.iter().find(|record| record["method"] == "WEBSOCKET").unwrap();
    assert_eq!(exchange["verdict"], "failed");
    assert!(exchange["cost"].as_u64() > Some(0) && exchange["estimated"] == true, "{exchange}");
    gateway.stop().await;
}

#[tokio::test]
async fn a_server_that_ends_without_closing_still_has_what_it_said_delivered() {
    let mut out = BytesMut::new();
    let delta = r#"{"type":"response.output_text.delta","output_index":0,"content_index":0,"item_id":"m","delta":"write to ada.lovelace"}"#;
    Frame { fin: true, compressed: false, opcode: Opcode::Text, mask: None, payload: delta.as_bytes() }
        .write(&mut out);
    let play = Playback::new([vec![Step::Write(SWITCH.into()), Step::Write(out.to_vec()), Step::Close]]);
    let provider = gateway_tests::playing(play).await;
    let upstream = format!("https://localhost:{}", provider.https.port());
    let gateway = Gateway::proxy(&provider, &upstream, &[]).await;
    let mut socket = WebSocket::open(gateway.address, PATH, "").await.expect("101");
    assert_eq!(socket.message().await.payload, delta.as_bytes());
    assert_eq!(socket.next().await, None, "and the end without a close frame is passed on");
    gateway.stop().await;
}

#[tokio::test]
async fn giants_bombs_and_broken_frames_end_the_connection_and_nothing_leaves() {
    let giant = [&[0x82, 0xFF], &(64u64 << 20).to_be_bytes()[..], &[0; 4]].concat();
    let bomb = {
        let mut compress = flate2::Compress::new(flate2::Compression::best(), false);
        let mut packed = Vec::with_capacity(1 << 20);
        let zeros = vec![b'a'; 24 << 20];
        compress.compress_vec(&zeros, &mut packed, flate2::FlushCompress::Sync).unwrap();
        let mut out = BytesMut::new();
        let payload = &packed[..packed.len() - 4];
        Frame { fin: true, compressed: true, opcode: Opcode::Text, mask: Some([0; 4]), payload }
            .write(&mut out);
        out.to_vec()
    };
    let (provider, gateway) = start(&[]).await;
    let hostile = [
        (giant, 1009),
        (bomb, 1009),
        (vec![0x81, 0x05, b'H', b'e', b'l', b'l', b'o'], 1002),
        (vec![0x83, 0x80, 0, 0, 0, 0], 1002),
        (vec![0x80, 0x80, 0, 0, 0, 0], 1002),
        (vec![0x81, 0x81, 0, 0, 0, 0, 0xFF], 1007),
        (vec![0xC1, 0x82, 0, 0, 0, 0, 0xFF, 0xFF], 1007),
    ];
    for (index, (bytes, code)) in hostile.into_iter().enumerate() {
        let mut socket = WebSocket::open(gateway.address, "/v1/live/echo", DEFLATE).await.expect("101");
        socket.send_raw(&bytes).await;
        assert_eq!(socket.closed().await, Some(code));
        drop(socket);
        let records = gateway.state.records_until(|records| records.len() == index + 1).await;
        assert_eq!(records[index]["verdict"], "refused", "{records:#?}");
        assert!(records[index]["reason"].as_str().unwrap().contains("WebSocket"), "{records:#?}");
    }
    assert!(provider.received().iter().all(|one| one.method == "GET"), "only handshakes");
    let (now, most) = gateway.memory();
    assert!(most < 400 << 10, "{now} KiB now, {most} KiB at most");
    gateway.stop().await;
}

#[tokio::test]
async fn what_cannot_be_read_passes_in_warn_mode_and_is_recorded() {
    let (provider, gateway) = start(&["--mode", "warn"]).await;
    let mut socket = WebSocket::open(gateway.address, "/v1/live/echo", "").await.expect("101");
    let key = sample_key();
    socket.send(&format!("key {key}")).await;
    assert!(String::from_utf8_lossy(&socket.message().await.payload).contains(&key));
    // A reserved opcode: whatever that is, it is the server's to judge.
    socket.send_raw(&[0x83, 0x81, 0, 0, 0, 0, b'x']).await;
    provider
        .until(PATIENCE, |all| all[0].outcome == Outcome::Cancelled)
        .await
        .expect("the server has seen it");
    drop(socket);
    let records =
        gateway.state.records_until(|records| records.iter().any(|one| one["method"] == "GET")).await;
    let connection = records.iter().find(|one| one["method"] == "GET").unwrap();
    assert_eq!(connection["verdict"], "warned", "{connection}");
    assert!(connection["reason"].as_str().unwrap().contains("not inspected"), "{connection}");
    gateway.stop().await;
}

#[tokio::test]
async fn websockets_can_be_sent_back_to_plain_http() {
    let provider = gateway_tests::provider().await;
    let upstream = format!("https://localhost:{}", provider.https.port());
    let state = State::new(&provider);
    let config = state.file("gateway.yaml", "websocket: refuse\n");
    let gateway = Gateway::proxy_on(state, &upstream, &["--config", config.to_str().unwrap()]).await;
    let refused = WebSocket::open(gateway.address, PATH, DEFLATE).await.err().expect("no 101");
    assert_eq!(refused.status, 426, "{}", refused.text());
    assert!(refused.text().contains("plain HTTP"), "{}", refused.text());
    assert!(provider.received().is_empty(), "nothing left");
    gateway.stop().await;
}

#[tokio::test]
async fn a_gateway_that_stops_closes_idle_connections_at_once_and_lets_answers_end() {
    let (_provider, gateway) = start(&[]).await;
    let mut idle = WebSocket::open(gateway.address, PATH, "").await.expect("101");
    let mut busy = WebSocket::open(gateway.address, PATH, "").await.expect("101");
    busy.send(
        r##"{"type":"response.create","model":"gpt-4o-mini","input":"x\n#sim deltas=200 pace_us=2000"}"##,
    )
    .await;
    busy.message().await;
    let stopped = tokio::spawn(gateway.stop());
    assert_eq!(idle.closed().await, Some(1001));
    busy.until("response.completed").await;
    assert_eq!(busy.closed().await, Some(1001));
    stopped.await.expect("it ends well");
}
