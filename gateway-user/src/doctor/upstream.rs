//! What LLM hosts answer the gateway: name, connection, certificate, HTTP version, and whether a CDN lets us in.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use serde::Serialize;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::tls::verify::{H2, Offer, Upstreams};

/// Hosts asked at once.
const AT_ONCE: usize = 8;
/// Longest wait for each step: name, connection, handshake, answer.
const STEP: Duration = Duration::from_secs(10);
/// Most bytes of an answer that are read.
const MOST_READ: usize = 64 << 10;
/// What is asked for: nobody's secret, and known to most.
const PATH: &str = "/v1/models";
/// Words of pages by which CDNs turn programs away.
const CHALLENGES: [&str; 6] =
    ["just a moment", "cf-chl", "attention required", "request blocked", "access denied", "captcha"];

/// How a host answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// Not at all; [`Answer::what`] says where it ended.
    Failed,
    /// With a page of its CDN: what comes from us may be turned away.
    MayRefuse,
    /// As an API does, also where it asks for a key.
    Fine,
}

impl std::fmt::Display for Reach {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.pad(match self {
            Reach::Failed => "failed",
            Reach::MayRefuse => "may refuse us",
            Reach::Fine => "fine",
        })
    }
}

/// A host and what came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Answer {
    /// The name.
    pub host: String,
    /// The outcome.
    pub reach: Reach,
    /// The address that was connected to.
    pub address: Option<SocketAddr>,
    /// The HTTP version agreed on by ALPN, `h2` or `http/1.1`; `none` where the host chose none.
    pub alpn: Option<&'static str>,
    /// Who issued its certificate.
    pub issuer: Option<String>,
    /// Status of the answer to a plain GET without a key.
    pub status: Option<u16>,
    /// From the question for its name to the answer, in milliseconds.
    pub milliseconds: u64,
    /// In words: what happened.
    pub what: String,
    /// What to do, where something is to be done.
    pub fix: Option<String>,
    /// Whether not even its name was found.
    pub unresolved: bool,
}

/// Asks each host on this port; answers stand in the order of the hosts.
pub async fn ask(hosts: &[String], port: u16, upstreams: Upstreams) -> Vec<Answer> {
    let (upstreams, permits) = (Arc::new(upstreams), Arc::new(Semaphore::new(AT_ONCE)));
    let mut work = JoinSet::new();
    for (place, host) in hosts.iter().cloned().enumerate() {
        let (upstreams, permits) = (Arc::clone(&upstreams), Arc::clone(&permits));
        work.spawn(async move {
            let _permit = permits.acquire().await;
            (place, one(host, port, &upstreams).await)
        });
    }
    let mut answers = work.join_all().await;
    answers.sort_by_key(|(place, _)| *place);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

async fn one(host: String, port: u16, upstreams: &Upstreams) -> Answer {
    let begun = Instant::now();
    let mut answer = Answer {
        host,
        reach: Reach::Failed,
        address: None,
        alpn: None,
        issuer: None,
        status: None,
        milliseconds: 0,
        what: String::new(),
        fix: None,
        unresolved: false,
    };
    if let Err(what) = steps(&mut answer, port, upstreams).await {
        answer.what = what;
    }
    answer.milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    answer
}

/// Name, connection, handshake, answer; an error says which of them failed.
async fn steps(answer: &mut Answer, port: u16, upstreams: &Upstreams) -> Result<(), String> {
    let host = answer.host.clone();
    let late = |step: &str| format!("{step} took longer than {} s", STEP.as_secs());
    let found = timeout(STEP, tokio::net::lookup_host((host.as_str(), port))).await;
    let found = found.unwrap_or_else(|_| Err(std::io::Error::other("no answer in time")));
    let addresses: Vec<SocketAddr> = found.map(Iterator::collect).unwrap_or_default();
    if addresses.is_empty() {
        answer.unresolved = true;
        answer.fix = Some("check the name and this machine's DNS".to_owned());
        return Err("its name has no address".to_owned());
    }
    let socket = timeout(STEP, connect(&addresses)).await.map_err(|_| late("the connection"))??;
    answer.address = socket.peer_addr().ok();
    let name = ServerName::try_from(host).map_err(|_| "it is no host name".to_owned())?;
    let handshake = TlsConnector::from(upstreams.client_config(Offer::Both)).connect(name, socket);
    let stream = match timeout(STEP, handshake).await.map_err(|_| late("the TLS handshake"))? {
        Ok(stream) => stream,
        Err(error) => {
            answer.fix = Some(
                "if it uses a private CA, name that with --upstream-ca FILE; if the certificate is a proxy's, \
                 that proxy reads along"
                    .to_owned(),
            );
            return Err(format!("the TLS handshake failed: {error}"));
        }
    };
    let session = stream.get_ref().1;
    let http2 = session.alpn_protocol() == Some(H2);
    answer.alpn = Some(match session.alpn_protocol() {
        Some(_) if http2 => "h2",
        Some(_) => "http/1.1",
        None => "none",
    });
    answer.issuer = session.peer_certificates().and_then(|chain| issuer(chain.first()?));
    let exchange = timeout(STEP, exchange(&answer.host, stream, http2)).await;
    let (status, headers, body) = exchange.map_err(|_| late("the answer"))??;
    answer.status = Some(status.as_u16());
    read(answer, status, &headers, &body);
    Ok(())
}

async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, String> {
    let mut failed = String::new();
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(socket) => return Ok(socket),
            Err(error) => failed = format!("{address} could not be connected: {error}"),
        }
    }
    Err(failed)
}

async fn exchange(
    host: &str,
    stream: TlsStream<TcpStream>,
    http2: bool,
) -> Result<(StatusCode, HeaderMap, Bytes), String> {
    let failed = |error: &dyn std::fmt::Display| format!("it gave no answer: {error}");
    let request = Request::builder().method(Method::GET).header(header::ACCEPT, "application/json");
    let request = match http2 {
        true => request.uri(format!("https://{host}{PATH}")),
        false => request.uri(PATH).header(header::HOST, host),
    };
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| failed(&error))?;
    let stream = TokioIo::new(stream);
    let reply = if http2 {
        let shaken = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await;
        let (mut sender, connection) = shaken.map_err(|error| failed(&error))?;
        // Ends with the sender, at the end of this exchange.
        tokio::spawn(connection);
        sender.send_request(request).await
    } else {
        let shaken = hyper::client::conn::http1::handshake(stream).await;
        let (mut sender, connection) = shaken.map_err(|error| failed(&error))?;
        tokio::spawn(connection);
        sender.send_request(request).await
    };
    let (head, body) = reply.map_err(|error| failed(&error))?.into_parts();
    // A page that is longer, or breaks off, is judged by its head.
    let body = Limited::new(body, MOST_READ).collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    Ok((head.status, head.headers, body))
}

/// What an answer says about us: whether it is the API's own, or a page of the CDN before it.
fn read(answer: &mut Answer, status: StatusCode, headers: &HeaderMap, body: &[u8]) {
    if is_challenge(status, headers, body) {
        answer.reach = Reach::MayRefuse;
        answer.what =
            format!("{status} with a page of its CDN: it may refuse TLS that is not the program's own");
        answer.fix = Some(format!("in the configuration: hosts: {{{}: relay}}", answer.host));
    } else if status.is_server_error() {
        answer.reach = Reach::Failed;
        answer.what = format!("it answers {status}: try again later");
    } else {
        answer.reach = Reach::Fine;
        answer.what = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => format!("{status}: it asks for a key"),
            _ => status.to_string(),
        };
    }
}

fn is_challenge(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !text("cf-mitigated").is_empty() {
        return true;
    }
    let turned_away = [StatusCode::FORBIDDEN, StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS]
        .contains(&status);
    let page = text("content-type").starts_with("text/html");
    let body = String::from_utf8_lossy(body).to_ascii_lowercase();
    turned_away
        && page
        && (status == StatusCode::FORBIDDEN || CHALLENGES.iter().any(|words| body.contains(words)))
}

/// The organisation, else the common name, of the certificate's issuer.
fn issuer(certificate: &rustls::pki_types::CertificateDer<'_>) -> Option<String> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let issuer = parsed.issuer();
    let first = issuer.iter_organization().next().or_else(|| issuer.iter_common_name().next())?;
    first.as_str().ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_s_own_refusal_is_told_from_a_cdn_s() {
        let check = |status: u16, fields: &[(&'static str, &str)], body: &str, expected: bool| {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.insert(*name, value.parse().unwrap());
            }
            let found = is_challenge(StatusCode::from_u16(status).unwrap(), &headers, body.as_bytes());
            assert_eq!(found, expected, "{status} {fields:?} {body}");
        };
        let html = ("content-type", "text/html; charset=UTF-8");
        check(403, &[html], "<title>Just a moment...</title>", true);
        check(403, &[html], "<h1>Forbidden</h1>", true);
        check(403, &[("cf-mitigated", "challenge")], "", true);
        check(503, &[html], "Attention Required! | Cloudflare", true);
        check(503, &[html], "we are down", false);
        check(403, &[("content-type", "application/json")], r#"{"error":"no key"}"#, false);
        check(401, &[html], "just a moment", false);
        check(404, &[html], "", false);
        check(200, &[], "", false);
    }
}
