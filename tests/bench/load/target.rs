//! Connections of the load generator (direct, through CONNECT, plain or TLS) and the request itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use bytes::{BufMut, Bytes};
use http::{HeaderValue, Method, Request, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Options;
use crate::stamps::{self, Stamps};

/// An open HTTP/1.1 connection.
pub type Connection = SendRequest<Full<Bytes>>;

/// What one answer showed.
pub struct Answer {
    /// From the start of the request to the first stamp.
    pub first: Option<Duration>,
    /// Time each stamped delta took from the provider to here.
    pub one_way: Vec<Duration>,
}

/// Where requests go, and the request.
pub struct Target {
    uri: Uri,
    host: String,
    authority: String,
    dial: String,
    connect: Option<String>,
    tls: Option<tokio_rustls::TlsConnector>,
    body: Bytes,
}

impl Target {
    /// Reads the options.
    pub fn new(options: &Options) -> anyhow::Result<Target> {
        let uri: Uri = options.url.parse().context("--url")?;
        let secure = uri.scheme_str() == Some("https");
        let host = uri.host().context("--url has no host")?.to_owned();
        let authority = format!("{host}:{}", uri.port_u16().unwrap_or(if secure { 443 } else { 80 }));
        Ok(Target {
            dial: options.dial.clone().unwrap_or_else(|| authority.clone()),
            connect: options.connect.clone(),
            tls: if secure { Some(tls(options)?) } else { None },
            body: body(options),
            uri,
            host,
            authority,
        })
    }

    /// Opens a connection, with a full TLS handshake.
    pub async fn open(&self) -> anyhow::Result<Connection> {
        let tcp = match &self.connect {
            Some(proxy) => self.tunnel(proxy).await?,
            None => {
                TcpStream::connect(&self.dial).await.with_context(|| format!("dialling {}", self.dial))?
            }
        };
        tcp.set_nodelay(true)?;
        match &self.tls {
            None => speak(tcp).await,
            Some(tls) => {
                let name = ServerName::try_from(self.host.clone())?;
                speak(tls.connect(name, tcp).await.context("TLS handshake")?).await
            }
        }
    }

    /// Sends the request and reads the answer to its end.
    pub async fn ask(&self, on: &mut Connection, begun: Instant) -> anyhow::Result<Answer> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.path().parse()?;
        let headers = request.headers_mut();
        headers.insert(header::HOST, self.authority.parse()?);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer simulated"));
        on.ready().await?;
        let response = on.send_request(request).await?;
        let status = response.status();
        let mut body = response.into_body();
        let mut answer = Answer { first: None, one_way: Vec::new() };
        let (mut stamps, mut tail) = (Stamps::default(), Vec::new());
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame?.into_data() else { continue };
            if !status.is_success() {
                tail.extend_from_slice(&data);
                continue;
            }
            let now = stamps::now();
            stamps.feed(&data, |sent| answer.one_way.push(Duration::from_nanos(now.saturating_sub(sent))));
            if answer.first.is_none() && !answer.one_way.is_empty() {
                answer.first = Some(begun.elapsed());
            }
        }
        if !status.is_success() {
            tail.truncate(300);
            bail!("{status}: {}", String::from_utf8_lossy(&tail));
        }
        Ok(answer)
    }

    async fn tunnel(&self, proxy: &str) -> anyhow::Result<TcpStream> {
        let mut tcp =
            TcpStream::connect(proxy).await.with_context(|| format!("dialling the proxy {proxy}"))?;
        tcp.set_nodelay(true)?;
        let ask = format!("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n\r\n", self.authority);
        tcp.write_all(ask.as_bytes()).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            ensure!(tcp.read_buf(&mut (&mut head).limit(1)).await? == 1, "the proxy closed during CONNECT");
        }
        ensure!(
            head.split(|byte| *byte == b' ').nth(1) == Some(b"200"),
            "CONNECT refused: {}",
            String::from_utf8_lossy(&head)
        );
        Ok(tcp)
    }
}

async fn speak<S>(stream: S) -> anyhow::Result<Connection>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (send, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(send)
}

/// A prompt of the asked length with the script line of the simulated provider.
fn body(options: &Options) -> Bytes {
    let sentence = "Please read the attached notes and tell me what matters most. ";
    let prompt: String = sentence.chars().cycle().take(options.prompt_bytes).collect();
    let lead = if options.lead { " lead=1" } else { "" };
    let script = match options.stream {
        0 => format!("#sim deltas={}", options.words),
        deltas => format!("#sim say=stamps deltas={deltas} pace_us={}{lead}", options.pace_us),
    };
    let body = serde_json::json!({
        "model": "gpt-4o-mini",
        "messages": [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": format!("{prompt}\n{script}")},
        ],
        "stream": options.stream > 0,
    });
    Bytes::from(body.to_string())
}

fn tls(options: &Options) -> anyhow::Result<tokio_rustls::TlsConnector> {
    let mut roots = rustls::RootCertStore::empty();
    for path in &options.ca {
        for certificate in CertificateDer::pem_file_iter(path).with_context(|| path.display().to_string())? {
            roots.add(certificate?)?;
        }
    }
    let mut config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config).into())
}
