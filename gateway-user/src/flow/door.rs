//! The doors: steered connections, and the proxy's port, which answers requests and CONNECT alike.

use std::{
    convert::Infallible,
    net::SocketAddr,
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Uri};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;

use super::{
    body::ReplyBody,
    coverage::Fate,
    decide, exchange,
    flow::Flow,
    path::{self, Accepted, Destination, Origin},
    prefixed::Prefixed,
    refusal::Stop,
    serve,
    services::Services,
    site::{Base, Site},
};
use crate::{
    audit::Verdict,
    capture::{Door, Namespace},
    config::Treatment,
    identity::Principal,
    provider::Host,
    tls::verify::Offer,
    upstream::{Alpn, Target},
    wire::dialects,
};

/// The name connections of the proxy doors are booked under.
pub const PROXY_APP: &str = "proxy";

/// Where the reverse door sends requests.
#[derive(Clone)]
pub struct Upstream {
    target: Target,
    host: Arc<Host>,
    base: Base,
}

/// Why an upstream URL cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("upstream {url} cannot be used: {why}")]
pub struct BadUpstream {
    url: String,
    why: &'static str,
}

impl Upstream {
    /// Reads an upstream URL, such as `https://api.openai.com/v1`.
    ///
    /// # Errors
    /// When it is no absolute `http` or `https` URL.
    pub fn new(services: &Services, url: &Uri) -> Result<Upstream, BadUpstream> {
        let bad = |why| BadUpstream { url: url.to_string(), why };
        let tls = match url.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(bad("it does not begin with https:// or http://")),
        };
        let authority = url.authority().ok_or_else(|| bad("it names no host"))?;
        let name = authority.host().to_ascii_lowercase();
        let host = services.catalog.host_or_compatible(&name);
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let target =
            Target { host: Arc::from(name), port, address: None, tls, namespace: None, tunnel: None };
        let base =
            Base { authority: authority.to_string(), path: url.path().trim_end_matches('/').to_owned() };
        Ok(Upstream { target, host, base })
    }
}

/// Carries a steered connection that was accepted in `namespace` (`None`: the gateway's own); one the kernel knows nothing about is closed.
pub async fn steered(
    services: Arc<Services>,
    stream: TcpStream,
    peer: SocketAddr,
    namespace: Option<Arc<Namespace>>,
) {
    let captured = services.steer.as_ref().and_then(|steer| steer.captured(stream.as_fd(), peer));
    let Some(captured) = captured else {
        services.counters.connections_refused.one();
        tracing::warn!(%peer, "a connection that was not steered reached the transparent door and was closed");
        return;
    };
    let who = captured.who;
    let origin = Origin {
        principal: Principal {
            app: services.app.to_string(),
            pid: who.pid,
            uid: who.uid,
            comm: who.comm,
            key: None,
        },
        door: Door::Transparent,
        destination: Destination {
            name: None,
            address: Some(captured.original),
            port: captured.original.port(),
            tunnel: None,
        },
        namespace,
    };
    path::carry(services, Accepted { stream: Prefixed::new(Bytes::new(), stream), origin }).await;
}

/// Serves one connection of the proxy's port.
pub async fn proxied(services: Arc<Services>, stream: TcpStream, upstream: Upstream) {
    let limits = &services.config.limits;
    let header_bytes = limits.header_bytes;
    let site = Arc::new(reverse_site(&services, upstream));
    let counted = AtomicBool::new(false);
    let service = service_fn(move |request: Request<Incoming>| {
        let site = Arc::clone(&site);
        // A tunnel is counted by itself, where it leads.
        if request.method() != Method::CONNECT
            && !counted.swap(true, Ordering::Relaxed)
            && let Some(row) = &site.row
        {
            row.connection();
        }
        async move { Ok::<_, Infallible>(answer(site, request).await) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .preserve_header_case(true)
        .auto_date_header(false)
        .header_read_timeout(serve::HEAD_WAIT)
        .max_buf_size(header_bytes)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection of the proxy's port ended badly");
    }
}

fn reverse_site(services: &Arc<Services>, upstream: Upstream) -> Site {
    let Upstream { target, host, base } = upstream;
    let port = target.port;
    let origin = origin(
        Door::Reverse,
        Destination { name: Some(target.host.to_string()), address: None, port, tunnel: None },
    );
    let offer = Offer::Http1;
    let fate = match decide::treatment(&services.config.hosts, &target.host) {
        Treatment::Inspect => Fate::Inspected,
        Treatment::Relay => Fate::Relayed,
        Treatment::Refuse => Fate::Refused,
    };
    let row = Some(services.row(&origin, None, fate));
    Site {
        services: Arc::clone(services),
        origin,
        target,
        host,
        alpn: Alpn::Http1,
        offer,
        base: Some(base),
        is_engine: false,
        local: false,
        row,
    }
}

fn origin(door: Door, destination: Destination) -> Origin {
    let principal = Principal { app: PROXY_APP.to_owned(), ..Principal::default() };
    Origin { principal, door, destination, namespace: None }
}

async fn answer(site: Arc<Site>, request: Request<Incoming>) -> Response<ReplyBody> {
    if request.method() == Method::CONNECT {
        return connect(&site, request);
    }
    if request.uri().authority().is_some() {
        // Absolute form is what a client of a plain HTTP proxy sends (RFC 9112 §3.2.2).
        let message =
            "this port proxies https by CONNECT, and plain requests only for its own base URL".to_owned();
        let stop = Stop::Unfit { status: StatusCode::BAD_REQUEST, message };
        let mut flow = Flow::exchange(&site, &request);
        let answer = stop.answer(&dialects::opaque::Opaque, &flow.id(), None);
        flow.end(Verdict::Refused, Some(&stop.message()));
        return answer;
    }
    exchange::exchange(site, request).await
}

/// Opens a tunnel; what is inside takes the same path as a steered connection.
fn connect(site: &Arc<Site>, request: Request<Incoming>) -> Response<ReplyBody> {
    let target =
        request.uri().authority().and_then(|authority| Some((authority.host(), authority.port_u16()?)));
    let Some((host, port)) = target else {
        let message = "CONNECT wants host:port".to_owned();
        let stop = Stop::Unfit { status: StatusCode::BAD_REQUEST, message };
        return stop.answer(&dialects::opaque::Opaque, "", None);
    };
    let destination = match host.trim_matches(['[', ']']).parse() {
        Ok(ip) => Destination { name: None, address: Some(SocketAddr::new(ip, port)), port, tunnel: None },
        Err(_) => Destination { name: Some(host.to_ascii_lowercase()), address: None, port, tunnel: None },
    };
    let services = Arc::clone(&site.services);
    tokio::spawn(async move {
        // A client that goes away before its tunnel stands asked for nothing.
        let Ok(stream) = hyper::upgrade::on(request).await else { return };
        let parts = stream
            .downcast::<TokioIo<TcpStream>>()
            .expect("this listener serves its TCP streams as they are");
        let stream = Prefixed::new(parts.read_buf, parts.io.into_inner());
        path::carry(services, Accepted { stream, origin: origin(Door::Forward, destination) }).await;
    });
    Response::new(ReplyBody::whole(Bytes::new()))
}
