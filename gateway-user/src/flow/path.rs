//! The forward path: what happens to a connection, station by station. Start reading here.
//!
//! ```text
//! capture   Accepted   a stream, who opened it, where it wanted to go, through which door
//! arrival   Opening    its first bytes, read but not consumed
//!   decide  ├─ not an LLM host   → splice: relayed untouched, bytes counted, recorded
//!           ├─ refused           → closed, recorded
//!           ├─ CONNECT           → follow: what goes through the other proxy's tunnel is looked at in turn
//!           └─ an LLM host       → terminate: a leaf for that name, ALPN as upstream speaks it
//! serve     Exchange   one request and its reply; HTTP/1.1 and HTTP/2 look the same from here on
//! exchange  Request    route → judge → reserve → send → judge the reply as it streams → settle → record
//! ```

use std::{net::SocketAddr, sync::Arc, time::Instant};

use tokio::net::TcpStream;

use super::{
    arrival::{self, Opening},
    coverage::Fate,
    decide::{self, Asked, Decision, Inside, Policy},
    flow::Flow,
    follow,
    prefixed::Prefixed,
    reach,
    services::Services,
    splice, terminate,
};
use crate::{
    audit::Verdict,
    capture::{Door, Namespace},
    config::Untrusting,
    identity::Principal,
    provider::Host,
    upstream::Tunnel,
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
    /// The tunnel the app itself goes through.
    pub tunnel: Option<Arc<Tunnel>>,
}

/// A client's connection, with the bytes already read in front.
pub(super) type Client = Prefixed<TcpStream>;

/// Carries one connection from its first byte to its end.
pub async fn carry(services: Arc<Services>, accepted: Accepted) {
    let Accepted { stream, origin } = accepted;
    look(services, origin, stream, None).await;
}

/// Looks at a connection and sends it on its way; `server` is a connection to its destination that is open already.
pub(super) async fn look(services: Arc<Services>, origin: Origin, stream: Client, server: Option<TcpStream>) {
    // A client that leaves before it said anything asked for nothing.
    let Ok((opening, stream)) = arrival::look(stream, services.config.limits.handshake).await else { return };
    if !matches!(opening, Opening::Silent) {
        return go(services, origin, opening, stream, server).await;
    }
    match reach::who_speaks_first(&services, &origin, stream, server).await {
        Ok(spoke) => go(services, origin, spoke.opening, spoke.client, Some(spoke.server)).await,
        Err(error) => {
            services.row(&origin, None, Fate::Failed).connection();
            Flow::connection(&services, &origin, None).end(Verdict::Failed, Some(&error.to_string()));
        }
    }
}

async fn go(
    services: Arc<Services>,
    origin: Origin,
    opening: Opening,
    stream: Client,
    server: Option<TcpStream>,
) {
    let destination = &origin.destination;
    let asked = Asked {
        destination,
        known: destination.address.is_some_and(|address| services.is_known(address.ip())),
        engine: services.engine_at(destination.address),
    };
    let is_engine = asked.engine.is_some();
    let policy = Policy::of(&services.config, &services.catalog);
    match decide::decide(&policy, &asked, opening) {
        Decision::Inspect { name, host, inside } => match distrust(&services, &origin, &name, &inside) {
            Some(why) => relay(&services, &origin, Some(name), Some(&why), stream, server).await,
            None => {
                let inspected = Inspected { name, host, is_engine };
                terminate::terminate(services, origin, inspected, inside, stream).await;
            }
        },
        Decision::Follow { host, port, head } => {
            follow::follow(services, origin, follow::Wanted { host, port, head }, stream).await;
        }
        Decision::Refuse { name, reason } => {
            services.counters.connections_refused.one();
            services.row(&origin, name.as_deref(), Fate::Refused).connection();
            Flow::connection(&services, &origin, name).end(Verdict::Refused, Some(reason));
        }
        Decision::Relay { name, uninspected } => {
            relay(&services, &origin, name, uninspected, stream, server).await;
        }
    }
}

/// Why a connection that could be inspected is relayed: its program refused our certificate a moment ago, and policy
/// lets such programs pass.
fn distrust(services: &Services, origin: &Origin, name: &str, inside: &Inside) -> Option<String> {
    let refusing = services.config.untrusted == Untrusting::Relay
        && matches!(inside, Inside::Tls(_))
        && services.untrusted.is_refusing(&origin.principal, name, Instant::now());
    refusing.then(|| {
        let advice = origin.advice();
        format!("the program refused our certificate a moment ago and is relayed uninspected for ten minutes: {advice}")
    })
}

async fn relay(
    services: &Arc<Services>,
    origin: &Origin,
    name: Option<String>,
    uninspected: Option<&str>,
    stream: Client,
    server: Option<TcpStream>,
) {
    services.counters.connections_relayed.one();
    let row = services.row(origin, name.as_deref(), Fate::Relayed);
    row.connection();
    let mut flow = Flow::connection(services, origin, name);
    let server = match server {
        Some(server) => Ok(server),
        None => reach::reach(services, origin).await,
    };
    let passed = match server {
        Ok(server) => splice::relay(stream, server).await,
        Err(error) => Err(error),
    };
    match passed {
        Ok(passed) => {
            services.counters.bytes_relayed.add(passed.up + passed.down);
            row.bytes(passed.up, passed.down);
            flow.bytes(passed.up, passed.down);
            flow.end(Verdict::Relayed, uninspected);
        }
        Err(error) => flow.end(Verdict::Failed, Some(&error.to_string())),
    }
}

/// A connection that is to be inspected.
pub(super) struct Inspected {
    /// The name the app asked for.
    pub name: String,
    /// What the catalog knows about it.
    pub host: Arc<Host>,
    /// It is a local engine, known by its address whatever it is called.
    pub is_engine: bool,
}

impl Origin {
    /// What the operator can do about a program that does not trust our CA.
    pub(super) fn advice(&self) -> String {
        match self.door {
            Door::Transparent => {
                format!("`gateway doctor --cgroup {}` says what it needs to trust our CA", self.principal.app)
            }
            Door::Reverse | Door::Forward => "`gateway doctor` says what it needs to trust our CA".to_owned(),
        }
    }
}
