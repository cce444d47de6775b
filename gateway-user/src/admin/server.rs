//! Serves the control socket.

use std::{convert::Infallible, fs, io, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::{UnixListener, UnixStream};

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

/// Binds the control socket of `state` (0600) and answers with `answer` until the task is dropped. A socket left by a
/// gateway that died is replaced: the store's lock, taken before, says that no other gateway runs.
///
/// # Errors
/// When the socket cannot be made.
pub fn serve<F: Fn(Ask) -> Reply + Send + Sync + 'static>(
    state: &Path,
    answer: F,
) -> io::Result<impl Future<Output = ()> + use<F>> {
    let path = super::socket(state);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    let answer = Arc::new(answer);
    Ok(async move {
        loop {
            if let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(exchange(socket, Arc::clone(&answer)));
            }
        }
    })
}

async fn exchange(socket: UnixStream, answer: Arc<impl Fn(Ask) -> Reply + Send + Sync + 'static>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let reply = respond(&request, &*answer);
        async move { Ok::<_, Infallible>(reply) }
    });
    // The command line may go away at any time; that concerns nobody else.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
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
    let (status, body) = match answer(ask) {
        Some(value) => (StatusCode::OK, value.to_string()),
        None => (StatusCode::NOT_FOUND, r#"{"error":"nothing is known under that name"}"#.to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}
