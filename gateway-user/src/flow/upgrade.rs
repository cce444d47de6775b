//! Requests to switch protocols: WebSockets are inspected; others are relayed in warn mode, told to use plain HTTP in strict.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header};
use hyper::body::{Body, Incoming};
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

/// Goes with an `Upgrade: h2c` (RFC 7540 §3.2.1).
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// Whether a request asks to switch protocols (RFC 9110 §7.8) and has nothing in it to be read. One with a body is an
/// ordinary request first: some clients offer h2c with each they send in clear.
pub fn is_wanted<B: Body>(request: &Request<B>) -> bool {
    request.headers().contains_key(header::UPGRADE) && request.body().is_end_stream()
}

/// Takes the wish to switch protocols out of a request's head, as any server may ignore it (RFC 9110 §7.8).
pub fn ignore(headers: &mut HeaderMap) {
    if headers.remove(header::UPGRADE).is_none() {
        return;
    }
    headers.remove(HTTP2_SETTINGS);
    let goes = [header::UPGRADE, HTTP2_SETTINGS];
    let kept: Vec<HeaderValue> = headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|token| !token.is_empty())
        .filter(|token| goes.iter().all(|name| !token.eq_ignore_ascii_case(name.as_str().as_bytes())))
        .filter_map(|token| HeaderValue::from_bytes(token).ok())
        .collect();
    headers.remove(header::CONNECTION);
    for token in kept {
        headers.append(header::CONNECTION, token);
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[(&'static str, &'static str)], expected: &[(&str, &str)]) {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        ignore(&mut headers);
        let left: Vec<_> =
            headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(left, expected);
    }

    #[test]
    fn the_wish_to_switch_goes_and_the_rest_stays() {
        let h2c = [("upgrade", "h2c"), ("http2-settings", "AAEAAEAA")];
        check(&[h2c[0], h2c[1], ("connection", "Upgrade, HTTP2-Settings")], &[]);
        check(
            &[h2c[0], h2c[1], ("connection", "x-a,upgrade ,"), ("connection", "HTTP2-Settings, close")],
            &[("connection", "x-a"), ("connection", "close")],
        );
        check(&[("connection", "keep-alive, x-a")], &[("connection", "keep-alive, x-a")]);
    }

    #[test]
    fn a_request_with_a_body_is_an_ordinary_one() {
        let request = |body: &'static str| {
            let body = http_body_util::Full::new(Bytes::from(body));
            Request::builder().header(header::UPGRADE, "h2c").body(body).unwrap()
        };
        assert!(is_wanted(&request("")));
        assert!(!is_wanted(&request("{}")));
    }
}
