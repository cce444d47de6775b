//! A verdict for each opening: what a connection begins with, and what becomes of it. Rows of the bypass matrix.

use bytes::Bytes;
use gateway::simulate::Provider;
use gateway_tests::gateway::{Gateway, State};
use gateway_tests::http::{self, Connection, Reply, Stream};
use gateway_tests::{PATIENCE, chat, provider};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

pub const PATH: &str = "/v1/chat/completions";

/// A provider called `localhost`, a gateway that knows it as an LLM host, and the root a client needs.
pub struct Stage {
    pub provider: Provider,
    pub gateway: Gateway,
    pub root: String,
}

impl Stage {
    pub async fn new(arguments: &[&str]) -> Stage {
        Stage::with("", arguments).await
    }

    /// With more lines of configuration.
    pub async fn with(lines: &str, arguments: &[&str]) -> Stage {
        let provider = provider().await;
        let state = State::new(&provider);
        let config = state.local_catalog();
        let text = std::fs::read_to_string(&config).unwrap();
        state.file("gateway.yaml", &format!("{text}{lines}"));
        let upstream = format!("https://localhost:{}/v1", provider.https.port());
        let arguments = [&["--config", &config], arguments].concat();
        let gateway = Gateway::proxy_on(state, &upstream, &arguments).await;
        let root = gateway.state.run(&["trust", "export"]).await;
        Stage { provider, gateway, root }
    }

    /// Where the provider speaks TLS, by name.
    pub fn secure(&self) -> String {
        format!("localhost:{}", self.provider.https.port())
    }

    /// A tunnel through the gateway to `authority`.
    pub async fn tunnel(&self, authority: &str) -> Connection {
        Connection::tunnel(self.gateway.address, authority).await.expect("CONNECT is answered")
    }

    /// An inspected connection to the provider.
    pub async fn inspected(&self, alpn: &[&str]) -> Connection {
        let tunnel = self.tunnel(&self.secure()).await;
        tunnel.secure("localhost", &self.root, alpn).await.expect("our leaf is trusted")
    }

    /// The only record, once it is there; and that nothing panicked.
    pub async fn recorded(self) -> Value {
        let records = self.gateway.state.records_until(|records| !records.is_empty()).await;
        assert_eq!(records.len(), 1, "{records:#?}");
        self.gateway.stop().await;
        records[0].clone()
    }
}

/// The record's verdict is this, and its reason holds these words.
#[track_caller]
pub fn check(record: &Value, verdict: &str, reason: &str) {
    assert_eq!(record["verdict"].as_str(), Some(verdict), "{record:#}");
    let said = record["reason"].as_str().unwrap_or_default();
    assert!(said.contains(reason), "{said:?} does not say {reason:?}");
}

/// The other side ends the connection without another byte.
async fn assert_closed(connection: &mut Connection) {
    assert!(!connection.more().await, "it said {:?}", connection.unread().escape_ascii().to_string());
}

/// Asks for an answer with a key in it, and checks that it came redacted.
async fn assert_redacted(connection: &mut Connection) {
    connection.post(PATH, &chat("hello", "say=key", true)).await;
    let reply = connection.reply().await;
    assert_eq!((reply.status, reply.complete), (200, true), "{}", reply.text());
    let text = http::openai_text(&reply.body);
    assert!(text.contains("_REDACTED]") && !text.contains(&gateway::simulate::sample_key()), "{text}");
}

async fn misdirected(mode: &str, head: &str) -> (Reply, usize, Value) {
    let stage = Stage::new(&["--mode", mode]).await;
    let mut connection = stage.inspected(&["http/1.1"]).await;
    let body = chat("hello", "deltas=3", false);
    let head = head.replace("$PATH", PATH);
    connection.send(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).await;
    let reply = connection.reply().await;
    drop(connection);
    let received = stage.provider.received().len();
    (reply, received, stage.recorded().await)
}

#[tokio::test]
async fn row_sni_differs_from_host() {
    for head in [
        "POST $PATH HTTP/1.1\r\nHost: api.anthropic.com\r\n",
        // The URL and the header must both name the host: which of them upstream goes by is not ours to guess.
        "POST https://localhost$PATH HTTP/1.1\r\nHost: api.anthropic.com\r\n",
        "POST https://api.anthropic.com$PATH HTTP/1.1\r\nHost: localhost\r\n",
        "POST $PATH HTTP/1.1\r\nHost: localhost\r\nHost: api.anthropic.com\r\n",
    ] {
        let (reply, received, record) = misdirected("strict", head).await;
        assert_eq!((reply.status, received), (421, 0), "{head}: {}", reply.text());
        check(&record, "refused", "names another host");
    }
    let (reply, received, record) =
        misdirected("warn", "POST $PATH HTTP/1.1\r\nHost: api.anthropic.com\r\n").await;
    assert_eq!((reply.status, received), (200, 1), "{}", reply.text());
    check(&record, "warned", "names another host");
}

#[tokio::test]
async fn row_sni_differs_from_authority() {
    let stage = Stage::new(&[]).await;
    let stream = stage.inspected(&["h2"]).await.into_stream();
    let status = http2(stream, "https://api.anthropic.com", "deltas=3").await.0;
    assert_eq!((status, stage.provider.received().len()), (421, 0));
    check(&stage.recorded().await, "refused", "names another host");
}

#[tokio::test]
async fn row_a_url_or_a_tunnel_inside_an_inspected_connection() {
    let (reply, received, _) =
        misdirected("strict", "POST https://localhost$PATH HTTP/1.1\r\nHost: localhost\r\n").await;
    assert_eq!((reply.status, received), (200, 1), "absolute form is as good as any (RFC 9112 §3.2.2)");
    for mode in ["strict", "warn"] {
        for target in ["localhost:443", "api.openai.com:443"] {
            let head = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
            let (reply, received, record) = misdirected(mode, &head).await;
            assert_eq!((reply.status, received), (400, 0), "{mode} {target}: {}", reply.text());
            check(&record, "refused", "tunnel");
        }
    }
}

#[tokio::test]
async fn row_literal_address_without_sni() {
    // The name given to CONNECT stands in for the one the hello lacks.
    let stage = Stage::new(&[]).await;
    let hello = no_sni(&stage.root);
    let tunnel = stage.tunnel(&stage.secure()).await.into_stream();
    let name = rustls::pki_types::ServerName::try_from("127.0.0.1").unwrap();
    let error = tokio_rustls::TlsConnector::from(hello).connect(name, tunnel).await.err();
    // Our leaf is for the name of the tunnel, which this client did not ask for.
    assert!(error.is_some_and(|error| error.to_string().contains("certificate")));
    check(&stage.recorded().await, "failed", "refused our certificate");
}

/// A client that names no server, as one that dials an address.
fn no_sni(root: &str) -> std::sync::Arc<rustls::ClientConfig> {
    let mut config = http::trusting(root, &["http/1.1"]);
    config.enable_sni = false;
    config.into()
}

#[tokio::test]
async fn row_ech_outer_name() {
    for (mode, verdict) in [("strict", "refused"), ("warn", "relayed")] {
        let stage = Stage::new(&["--mode", mode]).await;
        let authority = format!("127.0.0.1:{}", stage.provider.https.port());
        let tunnel = stage.tunnel(&authority).await.into_stream();
        let name = rustls::pki_types::ServerName::try_from("cloudflare-ech.com").unwrap();
        let connected =
            tokio_rustls::TlsConnector::from(ech(&stage.provider.root_pem)).connect(name, tunnel).await;
        // Relayed, the provider answers, whose certificate is for other names.
        let error = connected.err().expect("no certificate fits").to_string();
        assert_eq!(error.contains("certificate"), mode == "warn", "{error}");
        check(&stage.recorded().await, verdict, "encrypted (ECH)");
    }
}

/// A client whose hello has the extension of encrypted hellos.
fn ech(root: &str) -> std::sync::Arc<rustls::ClientConfig> {
    use rustls::client::{EchGreaseConfig, EchMode};
    let suite = rustls::crypto::aws_lc_rs::hpke::ALL_SUPPORTED_SUITES[0];
    let (key, _) = suite.generate_key_pair().expect("a key");
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_ech(EchMode::Grease(EchGreaseConfig::new(suite, key)))
        .expect("TLS 1.3")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    config.alpn_protocols = http::trusting(root, &["http/1.1"]).alpn_protocols;
    config.into()
}

#[tokio::test]
async fn row_domain_fronting_is_relayed_and_said() {
    // Another name in the hello than that of the tunnel: what is inside cannot be seen without its certificate.
    for (mode, verdict) in [("strict", "refused"), ("warn", "relayed")] {
        let stage = Stage::new(&["--mode", mode]).await;
        let tunnel = stage.tunnel(&stage.secure()).await;
        let secured = tunnel.secure("innocent.example", &stage.provider.root_pem, &["http/1.1"]).await;
        assert!(secured.is_err(), "nobody here is called that");
        assert!(stage.provider.received().is_empty());
        check(&stage.recorded().await, verdict, "not that of the LLM host");
    }
}

#[tokio::test]
async fn row_malformed_hello() {
    for bytes in [&b"\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00"[..], b"\x16\x03\x01\x00\x00"] {
        let stage = Stage::new(&[]).await;
        let mut tunnel = stage.tunnel(&stage.secure()).await;
        tunnel.send(bytes).await;
        assert_closed(&mut tunnel).await;
        assert_eq!(stage.provider.connections(), 0);
        check(&stage.recorded().await, "refused", "");
    }
}

#[tokio::test]
async fn row_socks() {
    for (bytes, mode, verdict) in [
        (&[5, 1, 0][..], "strict", "refused"),
        (&[4, 1, 1, 187, 192, 0, 2, 1, 0], "strict", "refused"),
        (&[5, 1, 0], "warn", "relayed"),
    ] {
        let stage = Stage::new(&["--mode", mode]).await;
        let mut tunnel = stage.tunnel(&format!("127.0.0.1:{}", stage.provider.http.port())).await;
        tunnel.send(bytes).await;
        match mode {
            "strict" => assert_closed(&mut tunnel).await,
            // The provider speaks no SOCKS, and says so.
            _ => assert!(tunnel.more().await),
        }
        drop(tunnel);
        check(&stage.recorded().await, verdict, "SOCKS");
    }
}

/// Speaks HTTP/2 on a stream: asks once and returns status and body.
pub async fn http2(stream: Box<dyn Stream>, origin: &str, script: &str) -> (u16, Bytes) {
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = ::http::Request::post(format!("{origin}{PATH}"))
        .header("content-type", "application/json")
        .header("X-First", "1")
        .header("authorization", "Bearer simulated")
        .header("a-last", "2")
        .body(Full::new(Bytes::from(chat("hello", script, false))))
        .unwrap();
    let reply = tokio::time::timeout(PATIENCE, sender.send_request(request)).await.unwrap().unwrap();
    let status = reply.status().as_u16();
    (status, reply.into_body().collect().await.unwrap().to_bytes())
}

#[tokio::test]
async fn row_http2_prior_knowledge() {
    // Inside TLS that negotiated nothing, and in clear: both are inspected.
    let stage = Stage::with("plain: inspect\n", &[]).await;
    let secure = stage.inspected(&[]).await.into_stream();
    let clear = stage.tunnel(&format!("localhost:{}", stage.provider.http.port())).await.into_stream();
    for (stream, origin) in [(secure, "https://localhost"), (clear, "http://localhost")] {
        let (status, body) = http2(stream, origin, "say=key").await;
        let text = String::from_utf8_lossy(&body);
        assert_eq!(status, 200, "{origin}: {text}");
        assert!(text.contains("_REDACTED]"), "{origin}: {text}");
    }
    for received in stage.provider.received() {
        assert_eq!(received.version, ::http::Version::HTTP_2, "spoken on both sides");
    }
    stage.gateway.stop().await;
}

#[tokio::test]
async fn row_connect_through_another_proxy() {
    let stage = Stage::new(&[]).await;
    let proxy = Proxy::start("200 Connection established").await;
    let mut connection = stage.tunnel(&proxy.address).await;
    connection
        .send(
            format!("CONNECT {} HTTP/1.1\r\nProxy-Authorization: Basic eA==\r\n\r\n", stage.secure())
                .as_bytes(),
        )
        .await;
    while !connection.unread().ends_with(b"\r\n\r\n") {
        assert!(connection.more().await, "the tunnel was refused");
    }
    let stream = connection.into_stream();
    let connection = Connection::over(stream).secure("localhost", &stage.root, &["http/1.1"]).await;
    assert_redacted(&mut connection.expect("our leaf is trusted")).await;
    let heads = proxy.heads();
    assert!(heads.len() >= 2, "the gateway goes the same way: {heads:?}");
    assert!(heads.iter().all(|head| head.contains("Proxy-Authorization: Basic eA==")), "{heads:?}");
    assert_eq!(stage.recorded().await["host"], "localhost");
}

#[tokio::test]
async fn another_proxy_that_refuses_is_heard_and_the_connection_ends() {
    let stage = Stage::new(&[]).await;
    let proxy = Proxy::start("407 Who are you\r\nContent-Length: 2").await;
    let mut connection = stage.tunnel(&proxy.address).await;
    connection.send(format!("CONNECT {} HTTP/1.1\r\n\r\n", stage.secure()).as_bytes()).await;
    let reply = connection.reply().await;
    assert_eq!((reply.status, reply.text().as_str()), (407, "no"));
    assert_closed(&mut connection).await;
    check(&stage.recorded().await, "relayed", "answered 407");
}

/// Another proxy, which answers CONNECT with a fixed head; 200 opens the tunnel.
struct Proxy {
    address: String,
    heads: std::sync::Arc<std::sync::Mutex<Vec<String>>>,
}

impl Proxy {
    async fn start(answer: &'static str) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let heads = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let seen = heads.clone();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let seen = seen.clone();
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        head.push(client.read_u8().await?);
                    }
                    let head = String::from_utf8(head).unwrap();
                    let target = head.split(' ').nth(1).unwrap().to_owned();
                    seen.lock().unwrap().push(head);
                    client.write_all(format!("HTTP/1.1 {answer}\r\n\r\n").as_bytes()).await?;
                    if !answer.starts_with("200") {
                        client.write_all(b"no").await?;
                        // It would take another CONNECT on this connection.
                        return client.read_to_end(&mut Vec::new()).await.map(drop);
                    }
                    let mut server = tokio::net::TcpStream::connect(target).await?;
                    tokio::io::copy_bidirectional(&mut client, &mut server).await.map(drop)
                });
            }
        });
        Proxy { address, heads }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn row_server_speaks_first() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let greeted = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"220 hello\r\n").await.unwrap();
        let mut said = Vec::new();
        stream.read_to_end(&mut said).await.unwrap();
        said
    });
    let stage = Stage::new(&[]).await;
    // To an address nothing is known of it is relayed.
    let mut stream = stage.tunnel(&format!("127.0.0.1:{port}")).await.into_stream();
    let mut greeting = [0; 11];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut greeting)).await.unwrap().unwrap();
    stream.write_all(b"QUIT\r\n").await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!((&greeting, greeted.await.unwrap().as_slice()), (b"220 hello\r\n", &b"QUIT\r\n"[..]));
    check(&stage.recorded().await, "relayed", "");
}

#[tokio::test]
async fn row_a_client_that_only_ends_its_half_is_relayed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let stage = Stage::new(&[]).await;
    let mut stream = stage.tunnel(&format!("127.0.0.1:{port}")).await.into_stream();
    // The gateway connects once nobody has spoken for a while.
    let (mut server, _) = tokio::time::timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
    stream.shutdown().await.unwrap();
    let mut said = Vec::new();
    tokio::time::timeout(PATIENCE, server.read_to_end(&mut said)).await.unwrap().unwrap();
    server.write_all(b"it is noon").await.unwrap();
    drop(server);
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert_eq!((said.as_slice(), answer.as_slice()), (&b""[..], &b"it is noon"[..]));
    check(&stage.recorded().await, "relayed", "");
}

#[tokio::test]
async fn row_a_client_that_waits_before_its_hello_is_inspected_like_any_other() {
    let stage = Stage::new(&[]).await;
    let tunnel = stage.tunnel(&stage.secure()).await;
    // The gateway gave up waiting for the client alone once it has connected the server to hear it.
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while stage.provider.connections() == 0 {
        assert!(tokio::time::Instant::now() < deadline, "the server was never asked");
        tokio::task::yield_now().await;
    }
    let mut connection = tunnel.secure("localhost", &stage.root, &["http/1.1"]).await.expect("our leaf");
    assert_redacted(&mut connection).await;
    stage.gateway.stop().await;
}

#[tokio::test]
async fn single_hosts_are_relayed_or_refused_by_configuration() {
    let relayed = Stage::with("hosts: {localhost: relay}\n", &[]).await;
    let tunnel = relayed.tunnel(&relayed.secure()).await;
    let mut connection = tunnel
        .secure("localhost", &relayed.provider.root_pem, &["http/1.1"])
        .await
        .expect("the provider's own");
    connection.post(PATH, &chat("hello", "say=key", true)).await;
    assert!(http::openai_text(&connection.reply().await.body).contains(&gateway::simulate::sample_key()));
    drop(connection);
    // The reverse door passes it on unread as well.
    let reply = http::post(relayed.gateway.address, PATH, &chat("hello", "say=key", true)).await;
    assert!(http::openai_text(&reply.body).contains(&gateway::simulate::sample_key()));
    let records = relayed.gateway.state.records_until(|records| records.len() == 2).await;
    for record in &records {
        check(record, "relayed", "by configuration (hosts)");
    }
    relayed.gateway.stop().await;

    let refused = Stage::with("hosts: {localhost: refuse}\n", &["--mode", "warn"]).await;
    let mut tunnel = refused.tunnel(&refused.secure()).await;
    tunnel.send(&hello_for("localhost")).await;
    assert_closed(&mut tunnel).await;
    let reply = http::post(refused.gateway.address, PATH, &chat("hello", "", true)).await;
    assert_eq!(reply.status, 400, "{}", reply.text());
    assert_eq!(refused.provider.connections(), 0);
    refused.gateway.stop().await;
}

/// A ClientHello for `name`, as rustls writes it.
fn hello_for(name: &str) -> Vec<u8> {
    let name = rustls::pki_types::ServerName::try_from(name.to_owned()).unwrap();
    let config = std::sync::Arc::new(http::trusting("", &["http/1.1"]));
    let mut client = rustls::ClientConnection::new(config, name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

#[tokio::test]
async fn telemetry_is_refused_where_configured_and_control_paths_pass() {
    for (lines, expected) in [("", 200), ("telemetry: refuse\n", 400)] {
        let stage = Stage::with(lines, &[]).await;
        let mut connection = stage.inspected(&["http/1.1"]).await;
        connection.post("/v1/telemetry", "{}").await;
        let reply = connection.reply().await;
        // The simulated provider knows no such path; that it was asked is what counts.
        let asked = stage.provider.received().len();
        assert_eq!(
            (reply.status == 400, asked),
            (expected == 400, usize::from(expected == 200)),
            "{}",
            reply.text()
        );
        if expected == 400 {
            assert!(reply.text().contains("telemetry"), "{}", reply.text());
        }
        stage.gateway.stop().await;
    }
}

#[tokio::test]
async fn headers_go_on_in_their_order_and_case_and_none_is_added() {
    let stage = Stage::new(&[]).await;
    let mut connection = stage.inspected(&["http/1.1"]).await;
    let body = chat("hello", "deltas=3", false);
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nX-Stainless-OS: Linux\r\nHost: localhost\r\nauthorization: Bearer simulated\r\n\
         ACCEPT: */*\r\ncontent-Type: application/json\r\nx-empty:\r\nContent-Length: {}\r\nz-Last: 1\r\n\r\n",
        body.len()
    );
    connection.send((head.clone() + &body).as_bytes()).await;
    assert_eq!(connection.reply().await.status, 200);
    let received = stage.provider.received().pop().unwrap();
    let raw = String::from_utf8(stage.provider.raw(received.connection)).unwrap();
    assert_eq!(raw, head + &body);

    let stream = stage.inspected(&["h2"]).await.into_stream();
    assert_eq!(http2(stream, "https://localhost", "deltas=3").await.0, 200);
    let received = stage.provider.received().pop().unwrap();
    let names: Vec<&str> = received.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["content-type", "x-first", "authorization", "a-last", "content-length"]);
    stage.gateway.stop().await;
}
