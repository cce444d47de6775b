//! The forward path: what happens to a connection, station by station. Start reading here.
//!
//! ```text
//! capture   Accepted   a stream, who opened it, where it wanted to go, through which door
//! arrival   Opening    the ClientHello, read but not consumed
//!   decide  ├─ not an LLM host   → splice: relayed untouched, bytes counted, recorded
//!           ├─ refused           → closed, recorded
//!           └─ an LLM host       → terminate: a leaf for that name, ALPN as upstream speaks it
//! serve     Exchange   one request and its reply; HTTP/1.1 and HTTP/2 look the same from here on
//! exchange  Request    route → judge → reserve → send → judge the reply as it streams → settle → record
//! ```

use std::{net::SocketAddr, sync::Arc};

use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsAcceptor;

use super::{
    arrival,
    decide::{self, Decision},
    flow::Flow,
    prefixed::Prefixed,
    serve,
    services::Services,
    site::Site,
    splice,
};
use crate::{
    audit::Verdict,
    capture::{Door, Namespace},
    identity::Principal,
    provider::Host,
    tls::{hello::Hello, verify::Offer},
    upstream::{Alpn, Target},
};

/// A connection as it reached us.
pub struct Accepted {
    /// Its bytes, with those already read in front.
    pub stream: Prefixed<TcpStream>,
    /// What is known about it.
    pub origin: Origin,
}

/// Who opened a connection, through which door, and where it wanted to go.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Who opened it.
    pub principal: Principal,
    /// Through which door.
    pub door: Door,
    /// Where it wanted to go.
    pub destination: Destination,
    /// The network namespace it was opened in, from which upstream is connected; `None` is the gateway's own.
    pub namespace: Option<Arc<Namespace>>,
}

/// Where a connection wanted to go.
#[derive(Clone, Debug)]
pub struct Destination {
    /// The name given to CONNECT; steered connections have none.
    pub name: Option<String>,
    /// The address the app dialled; CONNECT by name has none.
    pub address: Option<SocketAddr>,
    /// TCP port.
    pub port: u16,
}

/// Carries one connection from its first byte to its end.
pub async fn carry(services: Arc<Services>, accepted: Accepted) {
    let Accepted { stream, origin } = accepted;
    // A client that leaves before it said anything asked for nothing.
    let Ok((opening, stream)) = arrival::look(stream, services.config.limits.handshake).await else {
        return;
    };
    let destination = &origin.destination;
    let known = destination.address.is_some_and(|address| services.is_known(address.ip()));
    match decide::decide(&services.catalog, services.config.mode, destination, opening, known) {
        Decision::Inspect { name, host, hello } => {
            terminate(services, origin, name, host, hello, stream).await;
        }
        Decision::Refuse { name, reason } => {
            services.counters.connections_refused.one();
            Flow::connection(&services, &origin, name).end(Verdict::Refused, Some(reason));
        }
        Decision::Relay { name, uninspected } => {
            services.counters.connections_relayed.one();
            let mut flow = Flow::connection(&services, &origin, name);
            match relay(&services, &origin, stream).await {
                Ok(passed) => {
                    services.counters.bytes_relayed.add(passed.up + passed.down);
                    flow.bytes(passed.up, passed.down);
                    flow.end(Verdict::Relayed, uninspected);
                }
                Err(error) => flow.end(Verdict::Failed, Some(&error.to_string())),
            }
        }
    }
}

async fn relay(
    services: &Services,
    origin: &Origin,
    stream: Prefixed<TcpStream>,
) -> std::io::Result<splice::Passed> {
    let to = &origin.destination;
    let address = match (to.address, &to.name) {
        (Some(address), _) => address,
        (None, Some(name)) => tokio::net::lookup_host((name.as_str(), to.port))
            .await?
            .next()
            .ok_or_else(|| std::io::Error::other(format!("{name} has no address")))?,
        (None, None) => return Err(std::io::Error::other("the connection names no destination")),
    };
    let limit = services.config.limits.upstream_connect;
    splice::relay(stream, address, &services.exempt, origin.namespace.as_deref(), limit).await
}

/// Ends the client's TLS with a leaf for `name` and serves what is inside.
async fn terminate(
    services: Arc<Services>,
    origin: Origin,
    name: String,
    host: Arc<Host>,
    hello: Hello,
    stream: Prefixed<TcpStream>,
) {
    let Destination { address, port, .. } = origin.destination;
    let target = Target {
        host: Arc::from(name.as_str()),
        port,
        address,
        tls: true,
        namespace: origin.namespace.clone(),
    };
    services.learn(address, &host);
    let offer = Offer::mirror(&hello);
    let alpn = services.spoken(&target, offer).await;
    let named = (offer != Offer::Nothing).then(|| alpn.id());
    let broken = |reason: &str| {
        Flow::connection(&services, &origin, Some(name.clone())).end(Verdict::Failed, Some(reason))
    };
    let config = match services.leaves.server_config(&name, named) {
        Ok(config) => config,
        Err(error) => return broken(&error.to_string()),
    };
    match timeout(services.config.limits.handshake, TlsAcceptor::from(config).accept(stream)).await {
        Ok(Ok(stream)) => {
            services.counters.connections_inspected.one();
            let offer = if offer == Offer::Nothing { offer } else { single(alpn) };
            let site =
                Site { services: Arc::clone(&services), origin, target, host, alpn, offer, base: None };
            if let Err(error) = serve::serve(stream, alpn, Arc::new(site)).await {
                tracing::debug!(host = name, %error, "the client's connection ended badly");
            }
        }
        Ok(Err(error)) => {
            services.counters.handshake_failures.one();
            broken(&format!(
                "the client broke off our TLS handshake ({error}): it may not trust the gateway's CA"
            ));
        }
        Err(_) => broken("the client did not finish its TLS handshake in time"),
    }
}

/// The offer that asks upstream for exactly the protocol the client speaks with us.
fn single(alpn: Alpn) -> Offer {
    match alpn {
        Alpn::Http1 => Offer::Http1,
        Alpn::Http2 => Offer::Http2,
    }
}
