//! HTTP/2 floods with names (rapid reset, CONTINUATION flood, HPACK bomb …): the connection is given up, nothing else.

use gateway_tests::chat;

use super::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, LARGEST, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE,
    frame, literal, post,
};
use super::stage::Stage;

const PATH: &str = "/v1/chat/completions";

#[tokio::test]
async fn rapid_reset_ends_the_connection_and_hardly_reaches_the_provider() {
    let stage = Stage::new().await;
    let before = stage.gateway.memory().1;
    let mut attacker = stage.http2().await;
    let mut sent = 0;
    // CVE-2023-44487: requests that are taken back at once, never more than allowed at a time.
    for number in (1..40_000).step_by(2) {
        let open = frame(HEADERS, END_HEADERS, number, &post("localhost", PATH));
        let reset = frame(RST_STREAM, 0, number, &8_u32.to_be_bytes());
        if attacker.send(&[open, reset].concat()).await.is_err() {
            break;
        }
        sent += 1;
    }
    assert!(attacker.is_given_up().await, "{sent} requests were taken back and the connection goes on");
    assert!(stage.provider.received().is_empty(), "requests without a body went on to the provider");
    stage.check(before, 32).await;
}

#[tokio::test]
async fn a_continuation_flood_ends_the_connection() {
    let stage = Stage::new().await;
    let before = stage.gateway.memory().1;
    let mut attacker = stage.http2().await;
    let mut block = post("localhost", PATH);
    // A header that never ends: literal without indexing, name and value of 100 bytes each.
    while block.len() < LARGEST - 300 {
        block.push(0x00);
        literal(&mut block, &"n".repeat(100));
        literal(&mut block, &"v".repeat(100));
    }
    let mut refused = attacker.send(&frame(HEADERS, 0, 1, &block)).await.is_err();
    let mut sent = 0;
    while !refused && sent < 4096 {
        refused = attacker.send(&frame(CONTINUATION, 0, 1, &block)).await.is_err();
        sent += 1;
    }
    assert!(refused || attacker.is_given_up().await, "64 MiB of headers were taken");
    stage.check(before, 32).await;
}

#[tokio::test]
async fn an_hpack_bomb_is_refused() {
    let stage = Stage::new().await;
    let before = stage.gateway.memory().1;
    let mut attacker = stage.http2().await;
    let mut block = post("localhost", PATH);
    // One entry of about 4,000 bytes goes into the dynamic table; then every single byte repeats it.
    block.extend([0x40, 4, b'b', b'o', b'm', b'b']);
    let value = "x".repeat(3_900);
    // 3,900 as a prefixed integer: 127, then 3,773 in groups of seven bits.
    block.extend([0x7f, 0xbd, 0x1d]);
    block.extend(value.as_bytes());
    block.extend(std::iter::repeat_n(0xbe, LARGEST - block.len()));
    let repeated = vec![0xbe; LARGEST];
    let mut refused = attacker.send(&frame(HEADERS, 0, 1, &block)).await.is_err();
    for last in [false, false, false, true] {
        let flags = if last { END_HEADERS } else { 0 };
        refused |= attacker.send(&frame(CONTINUATION, flags, 1, &repeated)).await.is_err();
    }
    // Refused as a whole (431 or a reset stream), or the connection is given up: never 300 MB of headers upstream.
    let answered = refused || attacker.next().await.is_some();
    assert!(answered && stage.provider.received().is_empty(), "the bomb went on");
    stage.check(before, 32).await;
}

#[tokio::test]
async fn a_reader_that_opens_huge_windows_and_does_not_read_holds_little() {
    let stage = Stage::new().await;
    let before = stage.gateway.memory().1;
    let mut attacker = stage.http2().await;
    let largest = 0x7fff_ffff_u32.to_be_bytes();
    // SETTINGS_INITIAL_WINDOW_SIZE (4), and the connection's own window.
    let setting = [&4_u16.to_be_bytes()[..], &largest].concat();
    let window = (0x7fff_ffff_u32 - 65_535).to_be_bytes();
    let open = [frame(SETTINGS, 0, 0, &setting), frame(WINDOW_UPDATE, 0, 0, &window)].concat();
    attacker.send(&open).await.expect("windows are taken");
    let body = chat("hello", "deltas=200000", true);
    for number in [1, 3, 5, 7, 9, 11, 13, 15] {
        let head = frame(HEADERS, END_HEADERS, number, &post("localhost", PATH));
        let body = frame(DATA, END_STREAM, number, body.as_bytes());
        attacker.send(&[head, body].concat()).await.expect("requests are taken");
    }
    let asked = stage.provider.until(gateway_tests::PATIENCE, |log| log.len() == 8).await;
    asked.unwrap_or_else(|error| panic!("eight streams run: {error}"));
    // Eight answers of some 40 MB each are on their way to somebody who does not read.
    stage.check(before, 48).await;
}

#[tokio::test]
async fn floods_of_pings_and_settings_are_answered_or_given_up_without_growing() {
    for kind in [PING, SETTINGS] {
        let stage = Stage::new().await;
        let before = stage.gateway.memory().1;
        let mut attacker = stage.http2().await;
        let payload: &[u8] = if kind == PING { &[0; 8] } else { &[0, 1, 0, 0, 16, 0] };
        let hundred = frame(kind, 0, 0, payload).repeat(100);
        // Answers are not read, so that they would pile up in the gateway; a blocked write is as good as a refusal.
        for _ in 0..2_000 {
            let sent = tokio::time::timeout(std::time::Duration::from_secs(1), attacker.send(&hundred)).await;
            if !matches!(sent, Ok(Ok(()))) {
                break;
            }
        }
        stage.check(before, 32).await;
    }
}
