//! The client of last resort, where neither python nor curl is: one request, the answer's lines on standard output.

use std::io::Write;
use std::sync::Arc;

use anyhow::{Context, ensure};
use bytes::Bytes;
use http::Uri;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Posts a body to a URL and prints the answer as it arrives. `arguments`: URL, body, then headers as `name: value`.
/// Names are resolved by the system; trusted is what `SSL_CERT_FILE` names, else the system's store.
///
/// # Errors
/// A bad URL or header, no connection, an untrusted certificate, an answer that breaks off.
pub fn client(arguments: &[String]) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(post(arguments))
}

async fn post(arguments: &[String]) -> anyhow::Result<()> {
    let [url, body, headers @ ..] = arguments else {
        anyhow::bail!("a URL and a body are needed, then headers as `name: value`");
    };
    let uri: Uri = url.parse().with_context(|| format!("{url} is not a URL"))?;
    let host = uri.host().with_context(|| format!("{url} names no host"))?.to_owned();
    let secure = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let mut request = http::Request::post(path);
    request = request.header(http::header::HOST, uri.authority().map_or(host.as_str(), |name| name.as_str()));
    for header in headers {
        let (name, value) = header.split_once(": ").with_context(|| format!("{header} is not a header"))?;
        request = request.header(name, value);
    }
    let request = request.body(Full::new(Bytes::from(body.clone())))?;
    let tcp = TcpStream::connect((host.as_str(), port))
        .await
        .with_context(|| format!("cannot connect to {host}:{port}"))?;
    tcp.set_nodelay(true)?;
    if secure {
        let name = ServerName::try_from(host.clone())?;
        let tls = TlsConnector::from(trust()?).connect(name, tcp).await;
        exchange(tls.with_context(|| format!("no TLS with {host}"))?, request).await
    } else {
        exchange(tcp, request).await
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: http::Request<Full<Bytes>>,
) -> anyhow::Result<()> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let mut body = sender.send_request(request).await?.into_body();
    let mut out = std::io::stdout().lock();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            out.write_all(&data)?;
            out.flush()?;
        }
    }
    connection.abort();
    Ok(())
}

/// The system's roots, or those of `SSL_CERT_FILE`.
fn trust() -> anyhow::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    ensure!(!roots.is_empty(), "there is no trusted root: install ca-certificates or set SSL_CERT_FILE");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}
