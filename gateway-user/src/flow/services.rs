//! What every flow shares: policy, engine, ledger, journal, and the ways in and out.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    coverage::{Coverage, Fate, Row},
    path::Origin,
    remembered::Remembered,
    running::Running,
    untrusted::Untrusted,
};
use crate::{
    audit::Journal,
    capture::{Exempt, Steering},
    config::Config,
    identity::Digester,
    inspect::{Engine, Vault, tools},
    ledger::Ledger,
    provider::{Catalog, Host},
    telemetry::Counters,
    tls::{leaf::Leaves, verify::Offer},
    upstream::{Alpn, Pool, Target},
};

/// Most endpoints whose protocol is remembered; beyond it all are learned anew.
const MOST_SPOKEN: usize = 4096;

/// Everything a flow of one app needs; immutable but for what counts, caches and stores. Apps of one gateway share
/// what stands in an `Arc`.
pub struct Services {
    /// The app these are for: the name of its cgroup, or of the proxy doors.
    pub app: Arc<str>,
    /// The effective configuration.
    pub config: Config,
    /// Which hosts are LLM providers.
    pub catalog: Catalog,
    /// The compiled rules.
    pub engine: Arc<Engine>,
    /// What tools may be called.
    pub tools: Arc<tools::Policy>,
    /// Tokens and their values, where the rules give tokens.
    pub vault: Option<Arc<Vault>>,
    /// Budgets and prices.
    pub ledger: Arc<Ledger>,
    /// Where every flow is recorded.
    pub journal: Arc<Journal>,
    /// Leaf certificates.
    pub leaves: Arc<Leaves>,
    /// Upstream connections.
    pub pool: Arc<Pool>,
    /// The kernel side, at the transparent door.
    pub steer: Option<Arc<Steering>>,
    /// All steering that must leave the gateway's own sockets alone.
    pub exempt: Exempt,
    /// Everything counted.
    pub counters: Arc<Counters>,
    /// The flows that run.
    pub running: Running,
    /// Cut requests, for the clients that repeat them.
    pub remembered: Remembered,
    /// Which connections were inspected, and which were not.
    pub coverage: Arc<Coverage>,
    /// Who refused our certificate.
    pub untrusted: Arc<Untrusted>,
    /// Digests credentials.
    pub digester: Digester,
    /// Which protocol an endpoint chose, by what it was offered.
    pub spoken: Mutex<HashMap<(Target, Offer), Alpn>>,
}

impl Services {
    /// Whether the kernel saw `address` answered for a known LLM name.
    pub fn is_known(&self, address: IpAddr) -> bool {
        self.steer.as_ref().is_some_and(|steer| steer.host_of(address).is_some())
    }

    /// The local engine that listens at `address`, if one is known there.
    pub fn engine_at(&self, address: Option<SocketAddr>) -> Option<Arc<Host>> {
        self.catalog.endpoint(address?)
    }

    /// Where connections of `origin` that came to `fate` are counted: by the host they named, else by address.
    pub fn row(&self, origin: &Origin, name: Option<&str>, fate: Fate) -> Arc<Row> {
        let destination = &origin.destination;
        let address = || destination.address.map(|address| address.to_string());
        let host = name.map(str::to_owned).or_else(|| destination.name.clone()).or_else(address);
        self.coverage.row(&origin.principal.app, &origin.principal.comm, &host.unwrap_or_default(), fate)
    }

    /// Teaches the kernel that `address` serves a known host, where no DNS answer showed it (cached before the gateway
    /// was attached, or from a hosts file): UDP to it is refused from now on, so that QUIC falls back to TCP.
    pub fn learn(&self, address: Option<SocketAddr>, host: &Host) {
        let (Some(steer), Some(address)) = (&self.steer, address) else { return };
        if steer.host_of(address.ip()).is_some() {
            return;
        }
        if let Err(error) = steer.learn(address.ip(), &host.place().to_string()) {
            tracing::warn!(%address, %error, "the kernel could not be taught an address");
        }
    }

    /// The protocol upstream speaks when offered what the client offered, so that both sides can speak the same.
    ///
    /// The first time this opens the connection the first request then uses. When upstream cannot be reached the
    /// client's own first choice is taken, and its requests are then told what is wrong.
    pub async fn spoken(&self, target: &Target, offer: Offer) -> Alpn {
        match offer {
            Offer::Nothing | Offer::Http1 => return Alpn::Http1,
            Offer::Http2 => return Alpn::Http2,
            Offer::Both => {}
        }
        let key = (target.clone(), offer);
        if let Some(alpn) = self.lock_spoken().get(&key) {
            return *alpn;
        }
        match self.pool.probe(target, offer).await {
            Ok(alpn) => {
                let mut spoken = self.lock_spoken();
                if spoken.len() >= MOST_SPOKEN {
                    spoken.clear();
                }
                spoken.insert(key, alpn);
                alpn
            }
            Err(error) => {
                tracing::warn!(host = %target.host, %error, "upstream could not be probed");
                Alpn::Http2
            }
        }
    }

    /// Forgets a network namespace that has ended, which must not live on in what is remembered of its endpoints.
    pub fn leave(&self, namespace: u64) {
        self.pool.leave(namespace);
        let lives =
            |target: &Target| target.namespace.as_ref().is_none_or(|inside| inside.cookie() != namespace);
        self.lock_spoken().retain(|(target, _), _| lives(target));
    }

    fn lock_spoken(&self) -> std::sync::MutexGuard<'_, HashMap<(Target, Offer), Alpn>> {
        // A single insert or clear cannot leave the map half changed.
        self.spoken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
