//! Tells of the connections an app opened before it was steered: on standard error, in records, in coverage.

use std::{io::Write, net::SocketAddrV4};

use super::{App, Served};
use crate::{
    audit::Verdict,
    capture::{
        Door,
        diag::Protocol,
        existing::{self, Earlier, Outcome, Search},
    },
    config::{Config, Mode, SteerScope},
    flow::{
        Flow,
        coverage::Fate,
        path::{Destination, Origin},
    },
    identity::Principal,
};

/// Most connections told one by one on standard error; the records hold all.
const MOST_TOLD: usize = 20;

impl App {
    /// Looks for connections from before in every app, and closes them in strict mode. To be called once everything
    /// steers, before the rights go.
    pub fn look_back(&self, listeners: &[SocketAddrV4]) {
        for (served, listener) in self.served.iter().zip(listeners) {
            look_back(served, listener.port());
        }
    }
}

/// The same for one app, whose connections are steered to the port `listener`. Blocks.
pub fn look_back(served: &Served, listener: u16) {
    let Some(cgroup) = served.cgroup.clone() else { return };
    let (config, endpoints) = (&served.services.config, served.services.catalog.endpoints());
    let search = Search { cgroup, ports: config.ports.clone(), endpoints, listener, close: closes(config) };
    match existing::look(search) {
        Ok(found) => tell(served, &found),
        Err(error) => {
            tracing::warn!(%error, "connections from before are not found: the kernel does not list sockets");
        }
    }
}

/// With `steer: known` most connections are none of ours, and none can be told apart.
fn closes(config: &Config) -> bool {
    config.mode == Mode::Strict && config.steer == SteerScope::Tls
}

fn tell(served: &Served, found: &[Earlier]) {
    let app = &served.services.app;
    let mut stderr = std::io::stderr();
    for earlier in found {
        record(served, earlier);
    }
    for earlier in found.iter().take(MOST_TOLD) {
        let who = match earlier.who.pid {
            0 => format!("a process of user {}", earlier.who.uid),
            pid => format!("{} (pid {pid})", earlier.who.comm),
        };
        let kind = if earlier.protocol == Protocol::Udp { "QUIC (UDP) " } else { "" };
        let said = reason(earlier);
        // When standard error is closed nobody is left to be told.
        let _ = writeln!(stderr, "gateway: {app}: {who} has a {kind}connection to {}, {said}", earlier.to);
    }
    if found.len() > MOST_TOLD {
        let _ = writeln!(stderr, "gateway: {app}: and {} more, see `gateway list`", found.len() - MOST_TOLD);
    }
}

fn reason(earlier: &Earlier) -> String {
    match &earlier.outcome {
        Outcome::Closed => {
            "opened before the gateway was attached: closed, so that it comes back through the gateway"
                .to_owned()
        }
        Outcome::Left => {
            "opened before the gateway was attached: not inspected until the program connects again"
                .to_owned()
        }
        Outcome::Unclosable(why) => format!(
            "opened before the gateway was attached: not inspected, and not to be closed ({why}); restart the program"
        ),
    }
}

fn record(served: &Served, earlier: &Earlier) {
    let (services, who) = (&served.services, &earlier.who);
    let row = services.coverage.row(&services.app, &who.comm, &earlier.to.to_string(), Fate::Before);
    row.connection();
    let principal = Principal {
        app: services.app.to_string(),
        pid: who.pid,
        uid: who.uid,
        comm: who.comm.clone(),
        key: None,
    };
    let destination =
        Destination { name: None, address: Some(earlier.to), port: earlier.to.port(), tunnel: None };
    let origin = Origin { principal, door: Door::Transparent, destination, namespace: None };
    let verdict = match earlier.outcome {
        Outcome::Closed => Verdict::Refused,
        Outcome::Left | Outcome::Unclosable(_) => Verdict::Relayed,
    };
    Flow::connection(services, &origin, None).end(verdict, Some(&reason(earlier)));
}
