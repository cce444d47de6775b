//! Requests to switch protocols: WebSockets are inspected; others are relayed in warn mode, told to use plain HTTP in strict.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;

use super::{
    body::ReplyBody, exchange::Outcome, fault::Fault, flow::Flow, refusal::Stop, reply, site::Site, socket,
    splice,
};
use crate::{
    audit::Verdict,
    config::{Mode, WebSocket},
    upstream::{SendBody, Sent},
};

/// What the record says about a relayed upgrade.
const UNINSPECTED: &str = "the connection was upgraded and is not inspected";

/// Whether a request asks to switch protocols (RFC 9110 §7.8).
pub fn is_wanted<B>(request: &Request<B>) -> bool {
    request.headers().contains_key(header::UPGRADE)
}

/// Carries a WebSocket message by message, unless the configuration says otherwise.
///
/// Other upgraded connections are relayed in warn mode. Strict mode answers 426, at which clients that open a WebSocket
/// first fall back to POST at once.
pub async fn carry(site: &Arc<Site>, mut flow: Flow, mut request: Request<Incoming>) -> Outcome {
    if site.services.config.websocket == WebSocket::Inspect && socket::is_wanted(&request) {
        return socket::carry(site, flow, request).await;
    }
    if site.services.config.mode == Mode::Strict {
        let message =
            "connections that switch to this protocol are not inspected; use plain HTTP requests".to_owned();
        return Err((flow, Stop::Unfit { status: StatusCode::UPGRADE_REQUIRED, message }));
    }
    let downstream = hyper::upgrade::on(&mut request);
    let request = request.map(|rest| SendBody::Through { head: Bytes::new(), rest });
    let Sent { mut reply, lease } =
        match site.services.pool.send(&site.target, site.alpn, site.offer, request).await {
            Ok(sent) => sent,
            Err(error) => return Err((flow, Fault::from(error).into())),
        };
    if reply.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(reply::through(site, flow, reply, lease, Verdict::Warned, None));
    }
    flow.note(|record| record.status = StatusCode::SWITCHING_PROTOCOLS.as_u16());
    let upstream = hyper::upgrade::on(&mut reply);
    let services = Arc::clone(&site.services);
    tokio::spawn(async move {
        // The lease lives as long as the connection it stands for.
        let _lease = lease;
        match tokio::try_join!(downstream, upstream) {
            Ok((client, server)) => {
                let passed = splice::copy(&mut TokioIo::new(client), TokioIo::new(server)).await;
                services.counters.bytes_relayed.add(passed.up + passed.down);
                flow.bytes(passed.up, passed.down);
                flow.end(Verdict::Warned, Some(UNINSPECTED));
            }
            Err(error) => flow.end(Verdict::Failed, Some(&format!("the upgrade broke off: {error}"))),
        }
    });
    Ok(reply.map(|_| ReplyBody::whole(Bytes::new())))
}
