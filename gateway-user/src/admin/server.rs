//! Serves the control socket, and metrics where they were asked for on an address of their own.

use std::{convert::Infallible, fs, io, os::unix::fs::PermissionsExt, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, UnixListener},
    sync::Semaphore,
};

/// Connections that may ask for metrics at once; more wait.
const SCRAPERS: usize = 16;

/// How long a scraper may take to ask, idle time included.
const SCRAPER_PATIENCE: Duration = Duration::from_secs(30);

/// A question: its method, path and query (`key=value` pairs, not percent-encoded; all values are plain words).
#[derive(Debug)]
pub struct Ask {
    /// `GET`, or `POST` for what changes something.
    pub method: Method,
    /// For example `/records`.
    pub path: String,
    /// For example `[("limit", "50")]`.
    pub query: Vec<(String, String)>,
}

/// An answer: JSON, or nothing known under that path.
pub type Reply = Option<serde_json::Value>;

/// A page of metrics: its `Content-Type` and its text.
pub type Page = (&'static str, String);

/// Binds the control socket of `state` (0600) and answers with `answer` until the task is dropped; `GET /metrics` with
/// what `metrics` makes of the `Accept` header. A socket left by a gateway that died is replaced: the store's lock,
/// taken before, says that no other gateway runs.
///
/// # Errors
/// When the socket cannot be made.
pub fn serve<F, M>(state: &Path, answer: F, metrics: M) -> io::Result<impl Future<Output = ()> + use<F, M>>
where
    F: Fn(Ask) -> Reply + Send + Sync + 'static,
    M: Fn(&str) -> Page + Send + Sync + 'static,
{
    let path = super::socket(state);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    let answer = Arc::new(move |request: &Request<Incoming>| match request.uri().path() {
        "/metrics" => exposition(request, &metrics),
        _ => respond(request, &answer),
    });
    Ok(async move {
        loop {
            if let Ok((socket, _)) = listener.accept().await {
                let answer = Arc::clone(&answer);
                tokio::spawn(exchange(TokioIo::new(socket), move |request| answer(request)));
            }
        }
    })
}

/// Answers `GET /metrics` on `listener`, and nothing else, until the task is dropped.
pub async fn serve_metrics<M>(listener: TcpListener, metrics: M)
where
    M: Fn(&str) -> Page + Send + Sync + 'static,
{
    let metrics = Arc::new(metrics);
    let scrapers = Arc::new(Semaphore::new(SCRAPERS));
    while let Ok(permit) = Arc::clone(&scrapers).acquire_owned().await {
        let Ok((socket, _)) = listener.accept().await else { continue };
        let metrics = Arc::clone(&metrics);
        tokio::spawn(async move {
            let answer = move |request: &Request<Incoming>| match request.uri().path() {
                "/metrics" if is_local(request) => exposition(request, &*metrics),
                _ => unknown(),
            };
            // One that never asks again gives its place back after a while.
            let _ = tokio::time::timeout(SCRAPER_PATIENCE, exchange(TokioIo::new(socket), answer)).await;
            drop(permit);
        });
    }
}

async fn exchange<S>(socket: TokioIo<S>, answer: impl Fn(&Request<Incoming>) -> Response<Full<Bytes>>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let service = service_fn(|request: Request<Incoming>| {
        let reply = answer(&request);
        async move { Ok::<_, Infallible>(reply) }
    });
    // Whoever asked may go away at any time; that concerns nobody else.
    let _ = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(socket, service)
        .await;
}

fn respond(request: &Request<Incoming>, answer: &impl Fn(Ask) -> Reply) -> Response<Full<Bytes>> {
    let query = request.uri().query().unwrap_or_default();
    let ask = Ask {
        method: request.method().clone(),
        path: request.uri().path().to_owned(),
        query: query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
    };
    match answer(ask) {
        Some(value) => response(StatusCode::OK, "application/json", value.to_string()),
        None => unknown(),
    }
}

fn exposition(request: &Request<Incoming>, metrics: &impl Fn(&str) -> Page) -> Response<Full<Bytes>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return unknown();
    }
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let (kind, text) = metrics(accept.unwrap_or_default());
    response(StatusCode::OK, kind, text)
}

/// Whether the request names this machine: a web page that had its own name resolve to loopback is turned away.
fn is_local(request: &Request<Incoming>) -> bool {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').filter(|(_, port)| !port.contains(']')).map_or(host, |(name, _)| name);
    name == "localhost" || name.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok()
}

fn unknown() -> Response<Full<Bytes>> {
    let body = r#"{"error":"nothing is known under that name"}"#.to_owned();
    response(StatusCode::NOT_FOUND, "application/json", body)
}

fn response(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
