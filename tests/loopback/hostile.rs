//! What clients may send that is wrong: each is a clear error or a closed connection, and the gateway goes on.

use gateway::simulate::Provider;
use gateway_tests::gateway::{Gateway, State};
use gateway_tests::http::{self, Connection};
use gateway_tests::{chat, provider};

const PATH: &str = "/v1/chat/completions";

async fn start() -> (Provider, Gateway) {
    let provider = provider().await;
    let gateway =
        Gateway::proxy(&provider, &format!("https://localhost:{}", provider.https.port()), &[]).await;
    (provider, gateway)
}

/// The gateway still answers, and only that request went on.
async fn check_alive(provider: Provider, gateway: Gateway) {
    assert!(provider.received().is_empty(), "something went on to the provider");
    let reply = http::post(gateway.address, PATH, &chat("x", "", false)).await;
    assert_eq!(reply.status, 200, "the gateway no longer serves: {}", reply.text());
    gateway.stop().await;
}

#[tokio::test]
async fn malformed_http_is_refused() {
    let (provider, gateway) = start().await;
    for bytes in [
        &b"\x00\x01\x02\x03\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"POST / HTTP/9.9\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nbad header\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff",
    ] {
        let mut connection = Connection::plain(gateway.address).await;
        connection.send(bytes).await;
        let reply = connection.reply().await;
        assert!(reply.status == 0 || (400..500).contains(&reply.status), "{:?} → {}", bytes.escape_ascii(), reply.head);
    }
    check_alive(provider, gateway).await;
}

#[tokio::test]
async fn a_header_of_a_megabyte_is_refused() {
    let (provider, gateway) = start().await;
    let mut connection = Connection::plain(gateway.address).await;
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nHost: h\r\nX-Long: {}\r\nContent-Length: 2\r\n\r\n{{}}",
        "a".repeat(1 << 20)
    );
    // The gateway may answer and close before it has read all of it.
    let _ = connection.try_send(head.as_bytes()).await;
    let reply = connection.reply().await;
    assert!(reply.status == 431 || reply.status == 0 || reply.status == 400, "{}", reply.head);
    check_alive(provider, gateway).await;
}

#[tokio::test]
async fn an_endless_body_is_refused_at_the_bound() {
    let (provider, gateway) = start().await;
    let before = gateway.memory().1;
    let mut connection = Connection::plain(gateway.address).await;
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    connection.send(head.as_bytes()).await;
    let chunk = [format!("{:x}\r\n", 1 << 20).into_bytes(), vec![b' '; 1 << 20], b"\r\n".to_vec()].concat();
    let mut sent = 0;
    while sent < 256 && connection.try_send(&chunk).await.is_ok() {
        sent += 1;
    }
    assert!(sent < 256, "256 MB were taken");
    let grown = gateway.memory().1 - before;
    assert!(grown < 160 << 10, "the gateway grew by {grown} KiB for a body with a bound of 32 MB");
    check_alive(provider, gateway).await;
}

#[tokio::test]
async fn a_body_that_breaks_off_goes_nowhere() {
    let (provider, gateway) = start().await;
    for _ in 0..3 {
        let mut connection = Connection::plain(gateway.address).await;
        let head = format!("POST {PATH} HTTP/1.1\r\nHost: h\r\nContent-Length: 500\r\n\r\n{{\"model\":");
        connection.send(head.as_bytes()).await;
    }
    gateway.state.records_until(|records| records.len() == 3).await;
    check_alive(provider, gateway).await;
}

#[tokio::test]
async fn broken_json_is_looked_into_all_the_same() {
    let (provider, gateway) = start().await;
    let key = gateway::simulate::sample_key();
    let reply = http::post(gateway.address, PATH, &format!("{{\"model\": \"m\", \"messages\": [{key}")).await;
    assert_eq!(reply.status, 400, "refused here, or by the provider: {}", reply.text());
    assert!(!provider.saw(key.as_bytes()), "the key left in a body that is not JSON");
    gateway.stop().await;
}

#[tokio::test]
async fn malformed_hellos_do_not_get_through_a_tunnel_to_an_llm_host() {
    let provider = provider().await;
    let state = State::new(&provider);
    let config = state.local_catalog();
    let host = format!("localhost:{}", provider.https.port());
    let gateway = Gateway::proxy_on(state, &format!("https://{host}"), &["--config", &config]).await;
    for bytes in [
        &b"\x16\x03\x01\x00\x05\x01\xff\xff\xff\xff"[..],
        b"\x16\x03\x01\xff\xff\x01\x00\x00\x00",
        b"\x16\x03\x01\x00\x00",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x80\x2e\x01\x00\x02",
    ] {
        let Ok(mut connection) = Connection::tunnel(gateway.address, &host).await else { continue };
        let _ = connection.try_send(bytes).await;
        let mut stream = connection.into_stream();
        let _ = tokio::io::AsyncWriteExt::shutdown(&mut stream).await;
        let mut answer = Vec::new();
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer).await;
        assert!(!answer.starts_with(b"HTTP/1.1 2"), "{:?} was served", bytes.escape_ascii());
    }
    assert_eq!(provider.connections(), 0, "something was passed on");
    check_alive(provider, gateway).await;
}

#[tokio::test]
async fn a_hello_that_comes_byte_by_byte_is_understood() {
    let provider = provider().await;
    let state = State::new(&provider);
    let config = state.local_catalog();
    let host = format!("localhost:{}", provider.https.port());
    let gateway = Gateway::proxy_on(state.clone(), &format!("https://{host}"), &["--config", &config]).await;
    let root = state.run(&["trust", "export"]).await;
    let tunnel = Connection::tunnel(gateway.address, &host).await.expect("CONNECT is answered");
    let mut stream = tunnel.into_stream();
    let tls = rustls::ClientConnection::new(
        http::trusting(&root, &["http/1.1"]).into(),
        "localhost".try_into().unwrap(),
    );
    let mut tls = tls.unwrap();
    let mut hello = Vec::new();
    tls.write_tls(&mut hello).unwrap();
    for byte in hello.chunks(1) {
        tokio::io::AsyncWriteExt::write_all(&mut stream, byte).await.unwrap();
    }
    while tls.peer_certificates().is_none() {
        let mut read = [0; 4096];
        let count = tokio::io::AsyncReadExt::read(&mut stream, &mut read).await.unwrap();
        assert!(count > 0, "closed in the handshake");
        tls.read_tls(&mut &read[..count]).unwrap();
        tls.process_new_packets().expect("a certificate we trust");
    }
    gateway.stop().await;
}
