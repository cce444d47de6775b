//! WebSockets to LLM hosts: the handshake; behind it every message is judged like a request or like an event.

mod ends;
mod leg;
mod pump;
mod session;
mod turn;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use hyper::body::{Body, Incoming};
use hyper_util::rt::TokioIo;

use super::{
    body::ReplyBody,
    exchange::Outcome,
    fault::Fault,
    flow::Flow,
    refusal::Stop,
    reply::{self, Expected},
    site::Site,
};
use crate::{
    audit::Verdict,
    inspect::tools::{Guard, History},
    provider::{Class, Route},
    tls::verify::Offer,
    upstream::{Alpn, Lease, SendBody, Sent},
    wire::websocket::{Deflate, WebSocketError, agreed, limit_offer},
};

use session::Session;

/// Whether a request opens a WebSocket (RFC 6455 §4.1). Over HTTP/2 (RFC 8441) none can be opened: the gateway does not
/// announce that it could, so clients use HTTP/1.1 for it.
pub fn is_wanted<B: Body>(request: &Request<B>) -> bool {
    let upgrade = request.headers().get(header::UPGRADE).and_then(|value| value.to_str().ok());
    request.method() == Method::GET
        && request.body().is_end_stream()
        && request.headers().contains_key(header::SEC_WEBSOCKET_KEY)
        && upgrade.is_some_and(|name| name.trim().eq_ignore_ascii_case("websocket"))
}

/// Opens the WebSocket upstream as the client asked for it, extensions limited to what can be undone, and carries it.
/// An answer other than 101 goes back as any other would.
pub async fn carry(site: &Arc<Site>, mut flow: Flow, mut request: Request<Incoming>) -> Outcome {
    limit_extensions(request.headers_mut());
    let route = route(site, request.uri().path());
    flow.note(|record| record.dialect = Some(route.dialect.name().to_owned()));
    let model = model(request.uri().query());
    let digest =
        site.services.remembered.digest((&site.origin.principal.app, flow.key()), request.uri().path(), &[]);
    let downstream = hyper::upgrade::on(&mut request);
    let request = request.map(|rest| SendBody::Through { head: Bytes::new(), rest });
    let offer = if site.alpn == Alpn::Http1 { site.offer } else { Offer::Http1 };
    let sent = site.services.pool.send(&site.target, Alpn::Http1, offer, request).await;
    let Sent { mut reply, lease } = match sent {
        Ok(sent) => sent,
        Err(error) => return Err((flow, Fault::from(error).into())),
    };
    if reply.status() != StatusCode::SWITCHING_PROTOCOLS {
        let expected = Expected {
            dialect: route.dialect,
            streams: route.streams,
            strip_usage: false,
            with_usage: true,
            request: digest,
            guard: Guard { policy: Arc::clone(&site.services.tools), history: History::default() },
        };
        return reply::carry(site, flow, expected, Sent { reply, lease }).await;
    }
    let deflate = match extensions(reply.headers()) {
        Ok(deflate) => deflate,
        Err(error) => {
            let message = format!("the provider's answer to a WebSocket is of no use: {error}");
            return Err((flow, Stop::Unfit { status: StatusCode::BAD_GATEWAY, message }));
        }
    };
    flow.note(|record| record.status = StatusCode::SWITCHING_PROTOCOLS.as_u16());
    let upstream = hyper::upgrade::on(&mut reply);
    let session = Session::new(Arc::clone(site), route, flow, model, deflate);
    tokio::spawn(open(session, deflate, lease, downstream, upstream));
    Ok(reply.map(|_| ReplyBody::whole(Bytes::new())))
}

/// Waits until both sides have switched over, and carries their messages.
async fn open(
    session: Session,
    deflate: Option<Deflate>,
    lease: Lease,
    downstream: hyper::upgrade::OnUpgrade,
    upstream: hyper::upgrade::OnUpgrade,
) {
    match tokio::try_join!(downstream, upstream) {
        Ok((client, server)) => pump::run(session, deflate, TokioIo::new(client), TokioIo::new(server)).await,
        Err(error) => session.end(Verdict::Failed, &format!("the upgrade broke off: {error}")),
    }
    // The lease lives as long as the connection it stands for.
    drop(lease);
}

/// What a WebSocket on `path` speaks: what its GET does, else what a POST to the same path would.
fn route(site: &Site, path: &str) -> Route {
    let route = site.host.route("GET", path);
    if route.class == Class::Inference { route } else { site.host.route("POST", path) }
}

/// The model that a query names, as Realtime sessions do.
fn model(query: Option<&str>) -> String {
    let model = query.unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("model="));
    model.unwrap_or_default().to_owned()
}

/// Leaves of the client's offer what can be undone here; what can, stays as it is written.
fn limit_extensions(headers: &mut HeaderMap) {
    let Some(offer) = joined(headers) else { return };
    let limited = limit_offer(&offer);
    if limited.as_deref() == Some(offer.as_str()) {
        return;
    }
    headers.remove(header::SEC_WEBSOCKET_EXTENSIONS);
    if let Some(value) = limited.and_then(|limited| HeaderValue::from_str(&limited).ok()) {
        headers.insert(header::SEC_WEBSOCKET_EXTENSIONS, value);
    }
}

/// What both sides agreed on.
fn extensions(headers: &HeaderMap) -> Result<Option<Deflate>, WebSocketError> {
    let upgraded = headers.get(header::UPGRADE).and_then(|value| value.to_str().ok());
    if !upgraded.is_some_and(|name| name.eq_ignore_ascii_case("websocket")) {
        return Err(WebSocketError::Protocol("it switched to something else"));
    }
    agreed(joined(headers).as_deref())
}

/// The extensions header; several lines mean the same as one with commas (RFC 9110 §5.3).
fn joined(headers: &HeaderMap) -> Option<String> {
    let all: Vec<String> = headers
        .get_all(header::SEC_WEBSOCKET_EXTENSIONS)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .collect();
    (!all.is_empty()).then(|| all.join(", "))
}
