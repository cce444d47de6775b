//! A client that sends and shows raw HTTP/1.1 bytes: plain, over TLS, and through CONNECT.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::PATIENCE;

/// A byte stream of either kind.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// One answer as it came.
#[derive(Debug, Default)]
pub struct Reply {
    /// Status line and headers with the empty line after them, 1xx heads before it included.
    pub head: String,
    /// The status code of the final head.
    pub status: u16,
    /// The body without transfer coding.
    pub body: Vec<u8>,
    /// The pieces of a chunked body; what follows the last chunk (trailers) is the last piece.
    pub chunks: Vec<Vec<u8>>,
    /// Whether the body ended as its framing says it must.
    pub complete: bool,
}

impl Reply {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The value of a header of the final head, by lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

/// An open connection.
pub struct Connection {
    stream: Box<dyn Stream>,
    read: Vec<u8>,
    /// What goes into the `Host` header: the name TLS was opened to, once it was.
    host: String,
}

/// The `Host` of requests in plain text; the reverse door puts its own upstream in its place.
const PLAIN_HOST: &str = "api.openai.com";

impl Connection {
    /// Connects in plain text.
    pub async fn plain(address: SocketAddr) -> Connection {
        let tcp = TcpStream::connect(address).await.expect("the listener accepts");
        tcp.set_nodelay(true).expect("a fresh socket takes options");
        Connection { stream: Box::new(tcp), read: Vec::new(), host: PLAIN_HOST.to_owned() }
    }

    /// Goes on with a stream that is open already.
    pub fn over(stream: Box<dyn Stream>) -> Connection {
        Connection { stream, read: Vec::new(), host: PLAIN_HOST.to_owned() }
    }

    /// Names this host in requests.
    pub fn named(self, host: &str) -> Connection {
        Connection { host: host.to_owned(), ..self }
    }

    /// Opens a CONNECT tunnel through the proxy at `address`; the reply to CONNECT when it was refused.
    pub async fn tunnel(address: SocketAddr, authority: &str) -> Result<Connection, Reply> {
        let mut connection = Connection::plain(address).await;
        let ask = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
        connection.send(ask.as_bytes()).await;
        let head = connection.head().await;
        if head.contains(" 200 ") {
            return Ok(connection);
        }
        let mut reply = Reply { status: status(&head), head, ..Reply::default() };
        connection.body(&mut reply).await;
        Err(reply)
    }

    /// Speaks TLS on this connection from now on, as a client that trusts `roots` (PEM) and asks for `name`.
    ///
    /// # Errors
    /// When the handshake fails.
    pub async fn secure(self, name: &str, roots: &str, alpn: &[&str]) -> std::io::Result<Connection> {
        let connector = TlsConnector::from(Arc::new(trusting(roots, alpn)));
        let server = ServerName::try_from(name.to_owned()).expect("tests use good names");
        let stream = connector.connect(server, self.stream).await?;
        Ok(Connection { stream: Box::new(stream), read: Vec::new(), host: name.to_owned() })
    }

    /// The stream itself, for those who speak something else on it.
    pub fn into_stream(self) -> Box<dyn Stream> {
        self.stream
    }

    /// Sends bytes.
    pub async fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).await.expect("the connection takes bytes");
    }

    /// Sends bytes to a peer that may have closed.
    pub async fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Sends a POST with a JSON body, keeping the connection open.
    pub async fn post(&mut self, path: &str, body: &str) {
        let (length, host) = (body.len(), &self.host);
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer simulated\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        self.send((head + body).as_bytes()).await;
    }

    /// Reads one answer to its end, whole or broken.
    ///
    /// # Panics
    /// When it takes longer than [`PATIENCE`].
    pub async fn reply(&mut self) -> Reply {
        tokio::time::timeout(PATIENCE, self.read_reply()).await.expect("the answer comes in time")
    }

    /// Reads until at least one more byte is there; false at the end of the stream.
    pub async fn more(&mut self) -> bool {
        let read = tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.read));
        matches!(read.await.expect("bytes come in time"), Ok(1..))
    }

    /// What was read and not yet used.
    pub fn unread(&self) -> &[u8] {
        &self.read
    }

    async fn read_reply(&mut self) -> Reply {
        let mut head = self.head().await;
        // 101 is the end of HTTP on this connection; other 1xx heads come before the answer.
        while status(&head) / 100 == 1 && status(&head) != 101 {
            head = self.head().await;
        }
        let mut reply = Reply { status: status(&head), head, ..Reply::default() };
        self.body(&mut reply).await;
        reply
    }

    async fn head(&mut self) -> String {
        loop {
            if let Some(end) = memchr::memmem::find(&self.read, b"\r\n\r\n") {
                let rest = self.read.split_off(end + 4);
                return String::from_utf8_lossy(&std::mem::replace(&mut self.read, rest)).into_owned();
            }
            if !self.more().await {
                return String::from_utf8_lossy(&std::mem::take(&mut self.read)).into_owned();
            }
        }
    }

    async fn body(&mut self, reply: &mut Reply) {
        if reply.header("transfer-encoding").is_some_and(|coding| coding.contains("chunked")) {
            return self.chunks(reply).await;
        }
        let length = reply.header("content-length").and_then(|length| length.parse::<usize>().ok());
        if reply.status == 101 || reply.status == 204 || reply.status == 304 {
            reply.complete = true;
            return;
        }
        let Some(length) = length else {
            while self.more().await {}
            reply.body = std::mem::take(&mut self.read);
            return;
        };
        while self.read.len() < length && self.more().await {}
        reply.complete = self.read.len() >= length;
        let rest = self.read.split_off(length.min(self.read.len()));
        reply.body = std::mem::replace(&mut self.read, rest);
    }

    async fn chunks(&mut self, reply: &mut Reply) {
        loop {
            let Some(line) = self.line().await else { return };
            let Ok(size) = usize::from_str_radix(line.trim().split(';').next().unwrap_or(""), 16) else {
                return;
            };
            if size == 0 {
                let mut trailers = Vec::new();
                while let Some(line) = self.line().await {
                    if line == "\r\n" {
                        reply.complete = true;
                        break;
                    }
                    trailers.extend_from_slice(line.as_bytes());
                }
                reply.chunks.push(trailers);
                return;
            }
            while self.read.len() < size + 2 {
                if !self.more().await {
                    reply.body.extend_from_slice(&self.read);
                    return;
                }
            }
            let rest = self.read.split_off(size + 2);
            let mut chunk = std::mem::replace(&mut self.read, rest);
            chunk.truncate(size);
            reply.body.extend_from_slice(&chunk);
            reply.chunks.push(chunk);
        }
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = memchr::memmem::find(&self.read, b"\r\n") {
                let rest = self.read.split_off(end + 2);
                return Some(String::from_utf8_lossy(&std::mem::replace(&mut self.read, rest)).into_owned());
            }
            if !self.more().await {
                return None;
            }
        }
    }
}

/// Posts once on a connection of its own and returns the answer.
pub async fn post(address: SocketAddr, path: &str, body: &str) -> Reply {
    let mut connection = Connection::plain(address).await;
    connection.post(path, body).await;
    connection.reply().await
}

/// A client configuration that trusts `roots` and nothing else.
pub fn trusting(roots: &str, alpn: &[&str]) -> rustls::ClientConfig {
    let mut store = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(roots.as_bytes()) {
        // System bundles hold roots that rustls does not take; they do not matter here.
        store.add_parsable_certificates(certificate);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider knows TLS 1.2 and 1.3")
        .with_root_certificates(store)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}

/// The contents of the deltas of an OpenAI stream, joined.
pub fn openai_text(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let events = text.lines().filter_map(|line| line.strip_prefix("data: "));
    let deltas = events.filter_map(|event| serde_json::from_str::<serde_json::Value>(event).ok());
    deltas.filter_map(|event| event["choices"][0]["delta"]["content"].as_str().map(str::to_owned)).collect()
}

/// The text deltas of an Anthropic stream, joined.
pub fn anthropic_text(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let events = text.lines().filter_map(|line| line.strip_prefix("data: "));
    let deltas = events.filter_map(|event| serde_json::from_str::<serde_json::Value>(event).ok());
    deltas.filter_map(|event| event["delta"]["text"].as_str().map(str::to_owned)).collect()
}

fn status(head: &str) -> u16 {
    head.split(' ').nth(1).and_then(|code| code.trim().parse().ok()).unwrap_or(0)
}
