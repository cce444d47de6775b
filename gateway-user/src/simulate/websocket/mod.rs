//! WebSockets of the simulated provider: the Responses and Realtime APIs, and an echo at every other path.
//!
//! The query of the request chooses how they are written: `deflate=off` agrees on no compression, `takeover=off` on
//! one whose window ends with each message, and `frame=N` cuts messages into frames of N bytes.

mod answer;
mod live;
mod peer;
mod realtime;

use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;

use super::log::Outcome;
use super::serve::Reply;
use super::server::Shared;
use crate::wire::websocket::{Deflate, limit_offer};
use peer::Peer;

/// What the key of a handshake is joined with before it is hashed (RFC 6455 §1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Whether a request opens a WebSocket.
pub(super) fn is_wanted(request: &Request<Incoming>) -> bool {
    request.method() == Method::GET && request.headers().contains_key(header::SEC_WEBSOCKET_KEY)
}

/// Answers the handshake; the connection then speaks what its path stands for.
pub(super) fn accept(
    mut request: Request<Incoming>,
    shared: Arc<Shared>,
    connection: u64,
) -> Response<Reply> {
    let upgrade = hyper::upgrade::on(&mut request);
    let (parts, _) = request.into_parts();
    let number = shared.log.add(connection, &parts, &[]);
    shared.log.update(number, |entry| entry.status = StatusCode::SWITCHING_PROTOCOLS.as_u16());
    let deflate = agree(&parts);
    let response = head(&parts, deflate);
    let socket = Socket { shared: shared.clone(), connection, parts, handshake: number };
    shared.spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let frame = setting(&socket.parts, "frame").and_then(|value| value.parse().ok());
        let mut peer = Peer::new(TokioIo::new(upgraded), deflate, frame);
        let ended = socket.serve(&mut peer).await;
        let outcome = if ended.is_ok() { Outcome::Finished } else { Outcome::Cancelled };
        socket.shared.log.update(socket.handshake, |entry| entry.outcome = outcome);
    });
    response
}

/// The value of `name` in the query.
fn setting<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    let pairs = parts.uri.query().unwrap_or_default().split('&');
    pairs.filter_map(|pair| pair.split_once('=')).find(|(known, _)| *known == name).map(|(_, value)| value)
}

/// Compression, where it was offered and the query has nothing against it.
fn agree(parts: &Parts) -> Option<Deflate> {
    let offer = parts.headers.get(header::SEC_WEBSOCKET_EXTENSIONS)?.to_str().ok()?;
    limit_offer(offer).filter(|_| setting(parts, "deflate") != Some("off"))?;
    let keeps = setting(parts, "takeover") != Some("off");
    Some(Deflate { client_keeps_context: keeps, server_keeps_context: keeps })
}

/// The head that switches over (RFC 6455 §4.2.2); of offered subprotocols the first is taken.
fn head(parts: &Parts, deflate: Option<Deflate>) -> Response<Reply> {
    let key = parts.headers.get(header::SEC_WEBSOCKET_KEY).map_or(&b""[..], HeaderValue::as_bytes);
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, &[key, GUID].concat());
    let mut response = Response::new(Either::Left(Full::new(Bytes::new())));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Ok(value) = HeaderValue::from_str(&STANDARD.encode(hash)) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, value);
    }
    if let Some(deflate) = deflate {
        let agreed = match deflate.server_keeps_context {
            true => "permessage-deflate",
            false => "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        };
        headers.insert(header::SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_static(agreed));
    }
    let offered = parts.headers.get(header::SEC_WEBSOCKET_PROTOCOL).and_then(|value| value.to_str().ok());
    let first = offered.and_then(|offered| offered.split(',').next()).map(str::trim);
    if let Some(value) = first.and_then(|first| HeaderValue::from_str(first).ok()) {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, value);
    }
    response
}

/// An open WebSocket, and where it is logged.
struct Socket {
    shared: Arc<Shared>,
    connection: u64,
    parts: Parts,
    handshake: Option<usize>,
}

impl Socket {
    /// Serves it to its end; an error when the client went away without closing.
    async fn serve(&self, peer: &mut Peer) -> io::Result<()> {
        let path = self.parts.uri.path();
        if path.ends_with("/responses") {
            return answer::responses(self, peer).await;
        }
        if path.ends_with("/realtime") {
            return realtime::serve(self, peer).await;
        }
        if path.ends_with("BidiGenerateContent") {
            return live::serve(self, peer).await;
        }
        while let Some(message) = peer.next().await? {
            let number = self.log(&message.payload);
            peer.send(message.kind, &message.payload).await?;
            self.sent(number, &message.payload);
            self.done(number, Outcome::Finished);
        }
        Ok(())
    }

    /// Logs a message as a request of its own, whose method is `WEBSOCKET`.
    fn log(&self, payload: &[u8]) -> Option<usize> {
        let mut parts = self.parts.clone();
        parts.method = Method::from_bytes(b"WEBSOCKET").unwrap_or_default();
        self.shared.log.add(self.connection, &parts, payload)
    }

    /// Logs a message that answers message `number`, with a line end behind it.
    fn sent(&self, number: Option<usize>, payload: &[u8]) {
        self.shared.log.update(number, |entry| {
            entry.sent.extend_from_slice(payload);
            entry.sent.push(b'\n');
        });
    }

    fn done(&self, number: Option<usize>, outcome: Outcome) {
        self.shared.log.tell(number, None);
        self.shared.log.update(number, |entry| entry.outcome = outcome);
    }
}
