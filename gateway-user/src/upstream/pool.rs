//! Keeps idle upstream connections and sends requests on them.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use http::{Request, Response, Uri, Version};
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http1, http2},
};
use tokio::time::timeout;

use super::{Alpn, SendBody, Target, UpstreamError, dial::Dialer};
use crate::{
    capture::Exempt,
    tls::verify::{Offer, Upstreams},
};

/// Bounds of the pool.
#[derive(Clone, Copy, Debug)]
pub struct PoolLimits {
    /// Idle HTTP/1.1 connections kept per target; more are closed.
    pub idle_per_target: usize,
    /// How long an idle connection is kept.
    pub idle: Duration,
    /// How long connecting and the TLS handshake may take, each.
    pub connect: Duration,
    /// How long upstream may take to send the head of its answer.
    pub first_byte: Duration,
}

/// A connection's sending half.
pub(super) enum Sender {
    Http1(http1::SendRequest<SendBody>),
    Http2(http2::SendRequest<SendBody>),
}

struct Idle {
    sender: http1::SendRequest<SendBody>,
    since: Instant,
}

#[derive(Default)]
struct Connections {
    idle: Vec<Idle>,
    shared: Option<http2::SendRequest<SendBody>>,
}

/// All upstream connections of the gateway.
pub struct Pool {
    dialer: Dialer,
    limits: PoolLimits,
    connections: Mutex<HashMap<(Target, Alpn), Connections>>,
}

/// An HTTP/1.1 connection in use; hand it back with [`Pool::give_back`] once the answer was read to its end.
/// Dropping it closes the connection, which cancels what upstream is still doing.
pub struct Lease {
    key: Option<(Target, Alpn)>,
    sender: Option<http1::SendRequest<SendBody>>,
}

/// An answer's head and streaming body, and the connection it came on.
pub struct Sent {
    /// The answer as upstream gave it.
    pub reply: Response<Incoming>,
    /// The connection it occupies.
    pub lease: Lease,
}

impl Pool {
    /// A pool that verifies upstreams with `tls` and keeps its sockets out of reach of all steering.
    pub fn new(tls: Upstreams, exempt: Exempt, limits: PoolLimits) -> Self {
        let dialer = Dialer { tls, exempt, connect: limits.connect };
        Pool { dialer, limits, connections: Mutex::new(HashMap::new()) }
    }

    /// Opens a connection, keeps it for the first request, and says which protocol upstream chose of `offer`.
    ///
    /// # Errors
    /// When `target` cannot be connected or verified.
    pub async fn probe(&self, target: &Target, offer: Offer) -> Result<Alpn, UpstreamError> {
        let (sender, alpn) = self.dialer.open(target, offer).await?;
        self.keep((target.clone(), alpn), sender);
        Ok(alpn)
    }

    /// Sends `request` over a pooled connection that speaks `alpn`, or a new one that offers `offer`.
    ///
    /// A request that a pooled connection refused because it was just closing is sent once more on a new one; it
    /// never reached upstream.
    ///
    /// # Errors
    /// When no connection can be had, the answer's head does not come in time, or the connection breaks.
    pub async fn send(
        &self,
        target: &Target,
        alpn: Alpn,
        offer: Offer,
        mut request: Request<SendBody>,
    ) -> Result<Sent, UpstreamError> {
        let key = (target.clone(), alpn);
        shape(&mut request, target, alpn);
        while let Some(sender) = self.take(&key) {
            match self.exchange(&key, sender, request).await {
                Ok(sent) => return Ok(sent),
                Err(Broken { unsent: Some(back), .. }) => request = *back,
                Err(Broken { error, .. }) => return Err(error),
            }
        }
        let (sender, got) = self.dialer.open(target, offer).await?;
        let key = (target.clone(), got);
        if got != alpn {
            shape(&mut request, target, got);
        }
        if let Sender::Http2(sender) = &sender {
            self.keep(key.clone(), Sender::Http2(sender.clone()));
        }
        self.exchange(&key, sender, request).await.map_err(|broken| broken.error)
    }

    /// Takes a connection back whose answer has been read to its end.
    pub fn give_back(&self, mut lease: Lease) {
        if let (Some(key), Some(sender)) = (lease.key.take(), lease.sender.take()) {
            self.keep(key, Sender::Http1(sender));
        }
    }

    /// Closes connections that were idle for too long. Called from time to time.
    pub fn sweep(&self, now: Instant) {
        let mut all = self.lock();
        for connections in all.values_mut() {
            connections.idle.retain(|idle| !idle.sender.is_closed() && now - idle.since < self.limits.idle);
            connections.shared = connections.shared.take().filter(|shared| !shared.is_closed());
        }
        all.retain(|_, connections| !connections.idle.is_empty() || connections.shared.is_some());
    }

    /// Closes idle connections made in a network namespace that has ended: each of them keeps it alive.
    pub fn leave(&self, cookie: u64) {
        let inside =
            |target: &Target| target.namespace.as_ref().is_some_and(|space| space.cookie() == cookie);
        self.lock().retain(|(target, _), _| !inside(target));
    }

    async fn exchange(
        &self,
        key: &(Target, Alpn),
        sender: Sender,
        request: Request<SendBody>,
    ) -> Result<Sent, Broken> {
        let host = || key.0.host.to_string();
        let late = |_| Broken {
            error: UpstreamError::Timeout {
                host: host(),
                step: "start its answer",
                seconds: self.limits.first_byte.as_secs(),
            },
            unsent: None,
        };
        let limit = self.limits.first_byte;
        match sender {
            Sender::Http1(mut sender) => {
                // A connection that was just handed back may still be finishing the exchange before.
                if let Err(error) = sender.ready().await {
                    let error = UpstreamError::Exchange { host: host(), error };
                    return Err(Broken { error, unsent: Some(Box::new(request)) });
                }
                let reply = timeout(limit, sender.try_send_request(request))
                    .await
                    .map_err(late)?
                    .map_err(|e| broken(host(), e))?;
                Ok(Sent { reply, lease: Lease { key: Some(key.clone()), sender: Some(sender) } })
            }
            Sender::Http2(mut sender) => {
                let reply = timeout(limit, sender.try_send_request(request))
                    .await
                    .map_err(late)?
                    .map_err(|e| broken(host(), e))?;
                Ok(Sent { reply, lease: Lease { key: None, sender: None } })
            }
        }
    }

    /// An open connection for `key`, newest first: it is the least likely to be closing.
    fn take(&self, key: &(Target, Alpn)) -> Option<Sender> {
        let mut all = self.lock();
        let connections = all.get_mut(key)?;
        if let Some(shared) = connections.shared.take()
            && !shared.is_closed()
        {
            connections.shared = Some(shared.clone());
            return Some(Sender::Http2(shared));
        }
        while let Some(idle) = connections.idle.pop() {
            if !idle.sender.is_closed() && idle.since.elapsed() < self.limits.idle {
                return Some(Sender::Http1(idle.sender));
            }
        }
        None
    }

    fn keep(&self, key: (Target, Alpn), sender: Sender) {
        let mut all = self.lock();
        let connections = all.entry(key).or_default();
        match sender {
            Sender::Http2(sender) => connections.shared = Some(sender),
            Sender::Http1(sender) if sender.is_closed() => {}
            Sender::Http1(sender) => {
                if connections.idle.len() < self.limits.idle_per_target {
                    connections.idle.push(Idle { sender, since: Instant::now() });
                }
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(Target, Alpn), Connections>> {
        // Every change is a single push or pop, so a panic elsewhere leaves the map whole.
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Broken {
    error: UpstreamError,
    /// The request, when not a byte of it left.
    unsent: Option<Box<Request<SendBody>>>,
}

fn broken(host: String, mut failure: TrySendError<Request<SendBody>>) -> Broken {
    let unsent = failure.take_message().map(Box::new);
    Broken { error: UpstreamError::Exchange { host, error: failure.into_error() }, unsent }
}

/// Puts a request into the form its protocol wants: origin form for HTTP/1.1, scheme and authority for HTTP/2.
fn shape(request: &mut Request<SendBody>, target: &Target, alpn: Alpn) {
    let path =
        request.uri().path_and_query().cloned().unwrap_or_else(|| http::uri::PathAndQuery::from_static("/"));
    match alpn {
        Alpn::Http1 => {
            if !request.headers().contains_key(http::header::HOST)
                && let Some(authority) = request.uri().authority()
                && let Ok(value) = http::HeaderValue::from_str(authority.as_str())
            {
                request.headers_mut().insert(http::header::HOST, value);
            }
            *request.uri_mut() = Uri::from(path);
            *request.version_mut() = Version::HTTP_11;
        }
        Alpn::Http2 => {
            let authority = request
                .uri()
                .authority()
                .map(|authority| authority.as_str().to_owned())
                .or_else(|| request.headers().get(http::header::HOST)?.to_str().ok().map(str::to_owned))
                .unwrap_or_else(|| target.host.to_string());
            let scheme = if target.tls { "https" } else { "http" };
            if let Ok(uri) = Uri::builder().scheme(scheme).authority(authority).path_and_query(path).build() {
                *request.uri_mut() = uri;
            }
            request.headers_mut().remove(http::header::HOST);
            *request.version_mut() = Version::HTTP_2;
        }
    }
}
