//! Answers one request of the simulated provider: by path to a dialect, then whole, streamed or as an error.

use std::borrow::Cow;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header, request::Parts};
use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::body::{Body, Frame, Incoming};
use tokio::sync::mpsc;

use super::ask::Ask;
use super::chatgpt;
use super::dialect::{Dialect, Said};
use super::log::Outcome;
use super::mcp;
use super::server::Shared;
use super::websocket;
use crate::wire::encoding::{Bounds, Decoder, EncodingError};

/// Largest request body that is read: 64 MiB.
const MOST_BODY: usize = 64 << 20;

/// Ends of paths whose requests are answered with text.
const ANSWERED: &[&str] = &[
    "/chat/completions",
    "/completions",
    "/responses",
    "/messages",
    ":generateContent",
    ":streamGenerateContent",
    "/chat",
    "/api/generate",
    "/converse",
    "/converse-stream",
    "/invoke",
    "/invoke-with-response-stream",
];

/// Ends of paths that ask for the number of tokens.
const COUNTED: &[&str] =
    &["/messages/count_tokens", "/responses/input_tokens", ":countTokens", "/count-tokens"];

/// Ends of paths that ask for embeddings.
const EMBEDDED: &[&str] = &["/embeddings", ":embedContent", "/embed"];

/// Starts of paths to which programs report about themselves.
const TELEMETRY: &[&str] = &["/api/event_logging/", "/otlp/", "/log"];

/// A part of a streamed answer.
pub(super) enum Part<'a> {
    Opening,
    ToolOpening,
    Text(&'a str),
    ToolArguments(&'a str),
    /// The end, with the number of output tokens.
    Closing {
        output: u64,
    },
}

/// The body of an answer.
pub(super) type Reply = Either<Full<Bytes>, Events>;

/// Answers one request.
pub(super) async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
    connection: u64,
) -> Result<Response<Reply>, io::Error> {
    if websocket::is_wanted(&request) {
        return Ok(websocket::accept(request, shared, connection));
    }
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, MOST_BODY).collect().await.map_err(io::Error::other)?.to_bytes();
    let number = shared.log.add(connection, &parts, &body);
    let exchange = Exchange { shared, number, dialect: Dialect::of(&parts) };
    let path = parts.uri.path();
    if let Some(text) = chatgpt::control(&parts) {
        return Ok(exchange.whole(200, text));
    }
    if parts.method == Method::GET && path.ends_with("/models") {
        // Codex asks its own backend, which answers in a shape of its own.
        let own = path.starts_with("/backend-api/").then(|| r#"{"models":[]}"#.to_owned());
        return Ok(exchange.whole(200, own.unwrap_or_else(|| exchange.dialect.models())));
    }
    if parts.method == Method::POST && TELEMETRY.iter().any(|known| path.starts_with(known)) {
        return Ok(exchange.whole(200, "{}".to_owned()));
    }
    if parts.method == Method::POST && path == "/mcp" {
        return Ok(match mcp::answer(&body) {
            Ok(mcp::Answer::Message(text)) => exchange.whole(200, text),
            Ok(mcp::Answer::Events(text)) => {
                let mut answer = exchange.whole(200, text);
                let kind = HeaderValue::from_static("text/event-stream");
                answer.headers_mut().insert(header::CONTENT_TYPE, kind);
                answer
            }
            Ok(mcp::Answer::Accepted) => exchange.whole(202, String::new()),
            Err(what) => exchange.error(400, &what),
        });
    }
    let ends = |ends: &[&str]| ends.iter().any(|end| path.ends_with(end));
    if parts.method != Method::POST || !(ends(ANSWERED) || ends(COUNTED) || ends(EMBEDDED)) {
        return Ok(exchange.error(404, &format!("the simulated provider has no {} {path}", parts.method)));
    }
    let script = parts.headers.get("x-simulate").and_then(|value| value.to_str().ok());
    let ask = match decoded(&parts, &body).and_then(|body| Ask::read(path, &body, script)) {
        Ok(ask) => ask,
        Err(what) => return Ok(exchange.error(400, &what)),
    };
    if ends(COUNTED) {
        return Ok(exchange.whole(200, exchange.dialect.token_count(&ask)));
    }
    if ends(EMBEDDED) {
        return Ok(exchange.whole(200, exchange.dialect.embedding(&ask)));
    }
    if !ask.script.first.is_zero() {
        tokio::time::sleep(ask.script.first).await;
    }
    if let Some(status) = ask.script.status {
        return Ok(exchange.error(status, "the script asked for this error"));
    }
    Ok(if ask.stream { exchange.stream(ask) } else { exchange.answer(&ask) })
}

/// The body without its content encodings; Codex sends zstd to the ChatGPT backend.
fn decoded<'a>(parts: &Parts, body: &'a [u8]) -> Result<Cow<'a, [u8]>, String> {
    let encoding = parts.headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok());
    let decode = || {
        let Some(mut decoder) = Decoder::new(encoding.unwrap_or(""), Bounds::default())? else {
            return Ok(Cow::Borrowed(body));
        };
        let mut plain = decoder.push(body)?;
        plain.extend(decoder.finish()?);
        Ok(Cow::Owned(plain))
    };
    decode().map_err(|error: EncodingError| error.to_string())
}

/// One request being answered.
struct Exchange {
    shared: Arc<Shared>,
    number: Option<usize>,
    dialect: Dialect,
}

impl Exchange {
    fn answer(&self, ask: &Ask) -> Response<Reply> {
        let stamp =
            |text: String| if ask.script.say == super::Say::Stamps { ask.script.stamp() } else { text };
        let pieces: Vec<String> = ask.pieces().into_iter().map(stamp).collect();
        let output = pieces.len() as u64;
        pieces.iter().for_each(|piece| self.shared.log.tell(self.number, Some(piece)));
        self.shared.log.tell(self.number, None);
        let text = pieces.concat();
        self.whole(200, self.dialect.whole(ask, &text, output))
    }

    fn error(&self, status: u16, message: &str) -> Response<Reply> {
        self.whole(status, self.dialect.error(status, message))
    }

    fn whole(&self, status: u16, text: String) -> Response<Reply> {
        self.shared.log.update(self.number, |entry| {
            entry.status = status;
            entry.sent = text.clone().into_bytes();
            entry.outcome = Outcome::Finished;
        });
        let mut response = self.head("application/json");
        *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
        response.map(|()| Either::Left(Full::new(Bytes::from(text))))
    }

    fn stream(self, ask: Ask) -> Response<Reply> {
        self.shared.log.update(self.number, |entry| entry.status = 200);
        let (send, events) = mpsc::channel(1);
        let mut response = self.head(self.dialect.stream_type());
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        if ask.script.trailers {
            response.headers_mut().insert(header::TRAILER, HeaderValue::from_static("x-sim-deltas"));
        }
        let shared = self.shared.clone();
        shared.spawn(async move {
            let outcome = self.write(&ask, &send).await;
            self.shared.log.tell(self.number, None);
            self.shared.log.update(self.number, |entry| entry.outcome = outcome);
        });
        response.map(|()| Either::Right(Events(events)))
    }

    /// Writes the parts of a streamed answer one by one, each only when the transport took the one before.
    async fn write(&self, ask: &Ask, send: &Sender) -> Outcome {
        let call = ask.calls_tool();
        let mut said = Said::default();
        if !self.put(ask, send, &mut said, if call { Part::ToolOpening } else { Part::Opening }).await {
            return Outcome::Cancelled;
        }
        let pieces = ask.pieces();
        for (count, piece) in pieces.iter().enumerate() {
            if ask.script.reset_after == Some(count) {
                let _ = send.send(Err(io::Error::other("reset by script"))).await;
                return Outcome::Reset;
            }
            if ask.script.stop_after == Some(count) {
                return Outcome::Finished;
            }
            if count > 0 && !ask.script.pace.is_zero() {
                tokio::select! {
                    () = tokio::time::sleep(ask.script.pace) => {}
                    () = send.closed() => return Outcome::Cancelled,
                }
            }
            let part = if call { Part::ToolArguments(piece) } else { Part::Text(piece) };
            if !self.put(ask, send, &mut said, part).await {
                return Outcome::Cancelled;
            }
        }
        if !self.put(ask, send, &mut said, Part::Closing { output: pieces.len() as u64 }).await {
            return Outcome::Cancelled;
        }
        if ask.script.trailers {
            let mut trailers = HeaderMap::new();
            trailers.insert("x-sim-deltas", HeaderValue::from(pieces.len()));
            let _ = send.send(Ok(Frame::trailers(trailers))).await;
        }
        Outcome::Finished
    }

    /// Hands one part to the transport; false when the caller is gone.
    async fn put(&self, ask: &Ask, send: &Sender, said: &mut Said, part: Part<'_>) -> bool {
        // The place is taken first, so that a stamp is the time of writing and not that of waiting.
        let Ok(place) = send.reserve().await else { return false };
        let stamp;
        let part = match part {
            Part::Text(_) if ask.script.say == super::Say::Stamps => {
                stamp = ask.script.stamp();
                Part::Text(&stamp)
            }
            other => other,
        };
        if let Part::Text(text) | Part::ToolArguments(text) = part {
            self.shared.log.tell(self.number, Some(text));
        }
        let bytes = Bytes::from(self.dialect.event(ask, part, said));
        if bytes.is_empty() {
            return true;
        }
        self.shared.log.update(self.number, |entry| entry.sent.extend_from_slice(&bytes));
        place.send(Ok(Frame::data(bytes)));
        true
    }

    /// The head all answers share.
    fn head(&self, kind: &'static str) -> Response<()> {
        let mut response = Response::new(());
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        response.headers_mut().insert(self.dialect.id_header(), HeaderValue::from_static("req_sim1"));
        response
    }
}

type Sender = mpsc::Sender<Result<Frame<Bytes>, io::Error>>;

/// A body fed by a channel, one frame per part.
pub(super) struct Events(mpsc::Receiver<Result<Frame<Bytes>, io::Error>>);

impl Body for Events {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0.poll_recv(cx)
    }
}
