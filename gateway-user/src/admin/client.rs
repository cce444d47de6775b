//! Asks the running gateway over its control socket.

use std::{io, path::Path};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use super::ANSWER_BYTES;

/// Why the running gateway gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens: no gateway runs with this state folder.
    #[error("no gateway runs with state folder {0}")]
    NotRunning(String),
    /// The socket may not be opened.
    #[error("the control socket {0} may not be opened: run this as the user the gateway runs as (sudo)")]
    Forbidden(String),
    /// Something on the way broke.
    #[error("the running gateway did not answer: {0}")]
    Broken(String),
}

/// Sends one question to the gateway that runs with `state`; `None` when it knows nothing under that path.
///
/// # Errors
/// When none runs, the socket may not be opened, or the exchange breaks.
pub async fn ask(state: &Path, method: Method, path: &str) -> Result<Option<serde_json::Value>, AskError> {
    let socket = super::socket(state);
    let stream = UnixStream::connect(&socket).await.map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => AskError::Forbidden(socket.display().to_string()),
        _ => AskError::NotRunning(state.display().to_string()),
    })?;
    let broken = |error: &dyn std::fmt::Display| AskError::Broken(error.to_string());
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| broken(&e))?;
    tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(http::header::HOST, "gateway")
        .body(Empty::<Bytes>::new())
        .map_err(|e| broken(&e))?;
    let reply = sender.send_request(request).await.map_err(|e| broken(&e))?;
    let status = reply.status();
    let body =
        Limited::new(reply.into_body(), ANSWER_BYTES).collect().await.map_err(|e| broken(&e))?.to_bytes();
    if status == StatusCode::NOT_FOUND {
        return Ok(None);
    }
    serde_json::from_slice(&body).map(Some).map_err(|e| broken(&e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::{Ask, serve};

    #[tokio::test]
    async fn a_question_reaches_the_gateway_and_its_absence_is_said() {
        let state = std::env::temp_dir().join(format!("gateway-admin-{}", std::process::id()));
        std::fs::create_dir_all(&state).unwrap();
        let error = ask(&state, Method::GET, "/status").await.unwrap_err();
        assert!(matches!(error, AskError::NotRunning(_)), "{error}");
        let answer = |ask: Ask| {
            (ask.path == "/records")
                .then(|| serde_json::json!({ "asked": ask.query.first().map(|(k, v)| format!("{k}={v}")) }))
        };
        let metrics = |accept: &str| ("text/plain", format!("asked for {accept:?}\n"));
        tokio::spawn(serve(&state, answer, metrics).unwrap());
        let got = ask(&state, Method::GET, "/records?limit=5").await.unwrap().unwrap();
        assert_eq!(got["asked"], "limit=5");
        assert!(ask(&state, Method::GET, "/else").await.unwrap().is_none());
        std::fs::remove_dir_all(&state).unwrap();
    }
}
