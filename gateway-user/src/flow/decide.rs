//! Decides what becomes of a connection from its opening: inspect, relay or refuse. Pure: names and policy in,
//! decision out.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    arrival::Opening,
    path::Destination,
    plain::{Asks, Plain},
};
use crate::{
    config::{Config, Mode, Treatment},
    provider::{Catalog, Host},
    tls::hello::Hello,
    upstream::Alpn,
};

/// Names that stand openly in a hello whose real name is encrypted: public names of ECH configurations (RFC 9849),
/// as their operators publish them. Any host behind them may be meant, LLM hosts included.
const ECH_FRONTENDS: &[&str] = &["cloudflare-ech.com"];

/// What the gateway is set to do.
pub struct Policy<'a> {
    /// The known hosts.
    pub catalog: &'a Catalog,
    /// Whether what cannot be inspected is refused.
    pub mode: Mode,
    /// What becomes of single hosts.
    pub hosts: &'a BTreeMap<String, Treatment>,
}

impl<'a> Policy<'a> {
    /// The policy of a configuration.
    pub fn of(config: &'a Config, catalog: &'a Catalog) -> Self {
        Policy { catalog, mode: config.mode, hosts: &config.hosts }
    }
}

/// A connection as far as it is known before its first byte.
pub struct Asked<'a> {
    /// Where it goes.
    pub destination: &'a Destination,
    /// The dialled address was learned as one of a known LLM host.
    pub known: bool,
    /// The local engine that listens at the dialled address.
    pub engine: Option<Arc<Host>>,
}

/// What is inside a connection that is inspected.
#[derive(Clone, Debug)]
pub enum Inside {
    /// TLS, with this hello.
    Tls(Hello),
    /// HTTP in clear.
    Plain(Alpn),
}

/// What becomes of a connection.
#[derive(Clone)]
pub enum Decision {
    /// Its exchanges are inspected.
    Inspect {
        /// The name the app asked for; the leaf and upstream's certificate are for it.
        name: String,
        /// What the catalog knows about it.
        host: Arc<Host>,
        /// How it speaks.
        inside: Inside,
    },
    /// It asks another proxy for a tunnel: what goes through that is looked at in turn.
    Follow {
        /// Where the tunnel leads: name or address.
        host: String,
        /// TCP port.
        port: u16,
        /// Bytes of the request's head.
        head: usize,
    },
    /// Its bytes are copied and counted.
    Relay {
        /// The name it asked for, where it said one.
        name: Option<String>,
        /// Why it is not inspected, where that needs saying: an LLM host that cannot be looked into.
        uninspected: Option<&'static str>,
    },
    /// It is closed.
    Refuse {
        /// The name it asked for, where it said one.
        name: Option<String>,
        /// Why.
        reason: &'static str,
    },
}

/// Decides.
pub fn decide(policy: &Policy<'_>, asked: &Asked<'_>, opening: Opening) -> Decision {
    let tunnelled = asked.destination.name.as_deref().filter(|name| policy.catalog.host(name).is_some());
    let llm = asked.known || asked.engine.is_some() || tunnelled.is_some();
    let said = asked.destination.name.clone();
    match opening {
        Opening::Tls(hello) => tls(policy, asked, tunnelled, hello),
        Opening::Plain(Plain { alpn, asks }) => plain(policy, asked, tunnelled, alpn, asks),
        // Bytes we cannot read, on their way to a place we must not let anything through to uninspected.
        Opening::Malformed(why) => policy.blind(said, llm, why),
        Opening::Socks => policy.blind(said, true, "a SOCKS greeting: another proxy hides where it goes"),
        Opening::Silent | Opening::ServerFirst => {
            policy.blind(said, llm, "the client did not speak first at the address of an LLM host")
        }
        Opening::Other => policy.blind(said, llm, "an LLM host is spoken to in neither TLS nor HTTP"),
    }
}

fn tls(policy: &Policy<'_>, asked: &Asked<'_>, tunnelled: Option<&str>, hello: Hello) -> Decision {
    let name = hello.server_name.as_deref().or(tunnelled);
    if let Some((name, host)) = name.and_then(|name| Some((name, policy.catalog.host(name)?))) {
        return policy.known(name.to_ascii_lowercase(), host, Inside::Tls(hello));
    }
    let said = hello.server_name.clone().or_else(|| asked.destination.name.clone());
    let frontend = hello.server_name.as_deref().is_some_and(|name| ECH_FRONTENDS.contains(&name));
    // Known addresses of CDN-hosted names are shared with other names, so another name there is no sign of hiding.
    let (llm, why) = match &hello.server_name {
        None => (asked.known || tunnelled.is_some(), "the ClientHello names no server"),
        Some(_) if hello.encrypted_client_hello => {
            (asked.known || tunnelled.is_some() || frontend, "the server's name is encrypted (ECH)")
        }
        Some(_) => (tunnelled.is_some(), "the server's name is not that of the LLM host it was opened to"),
    };
    if !llm && asked.known {
        return Decision::Relay { name: said, uninspected: Some(SHARED) };
    }
    policy.blind(said, llm || asked.engine.is_some(), why)
}

fn plain(
    policy: &Policy<'_>,
    asked: &Asked<'_>,
    tunnelled: Option<&str>,
    alpn: Alpn,
    asks: Asks,
) -> Decision {
    let llm = asked.known || tunnelled.is_some();
    match asks {
        // A tunnel inside a tunnel that was followed already.
        Asks::Tunnel { host, .. } if asked.destination.tunnel.is_some() => {
            policy.blind(Some(host), true, "a tunnel inside a tunnel hides where it goes")
        }
        Asks::Tunnel { host, port, head } => Decision::Follow { host, port, head },
        Asks::Url(host) => {
            let llm = llm || policy.catalog.host(&host).is_some();
            policy.blind(Some(host), llm, "another proxy is asked for an LLM host's URL in clear")
        }
        Asks::Host(name) => {
            if let Some(engine) = &asked.engine {
                let name = name.unwrap_or_else(|| engine.provider().to_owned());
                return policy.known(name, Arc::clone(engine), Inside::Plain(alpn));
            }
            let named = name.as_deref().or(tunnelled);
            if let Some((name, host)) = named.and_then(|name| Some((name, policy.catalog.host(name)?))) {
                return policy.known(name.to_owned(), host, Inside::Plain(alpn));
            }
            match name {
                Some(_) if asked.known => Decision::Relay { name, uninspected: Some(SHARED) },
                Some(_) => policy.blind(name, tunnelled.is_some(), MISNAMED),
                None => policy.blind(asked.destination.name.clone(), llm, "plain HTTP that names no host"),
            }
        }
    }
}

/// Why a connection to a known address is relayed: what its name says is all that is seen.
const SHARED: &str =
    "another host's name at an address that was answered for an LLM host: what is inside was not seen";

const MISNAMED: &str = "plain HTTP names another host than the LLM host it was opened to";

impl Policy<'_> {
    /// What becomes of a connection to a known host that can be inspected.
    fn known(&self, name: String, host: Arc<Host>, inside: Inside) -> Decision {
        match treatment(self.hosts, &name) {
            Treatment::Inspect => Decision::Inspect { name, host, inside },
            Treatment::Relay => {
                Decision::Relay { name: Some(name), uninspected: Some("relayed by configuration (hosts)") }
            }
            Treatment::Refuse => {
                Decision::Refuse { name: Some(name), reason: "refused by configuration (hosts)" }
            }
        }
    }

    /// What becomes of bytes that cannot be inspected.
    fn blind(&self, name: Option<String>, llm: bool, why: &'static str) -> Decision {
        match (llm, self.mode) {
            (true, Mode::Strict) => Decision::Refuse { name, reason: why },
            (true, Mode::Warn) => Decision::Relay { name, uninspected: Some(why) },
            (false, _) => Decision::Relay { name, uninspected: None },
        }
    }
}

/// What the configuration says about a host: its own name before any `*.` above it, the longest of those first.
pub fn treatment(hosts: &BTreeMap<String, Treatment>, name: &str) -> Treatment {
    if hosts.is_empty() {
        return Treatment::Inspect;
    }
    let name = name.to_ascii_lowercase();
    if let Some(treatment) = hosts.get(&name) {
        return *treatment;
    }
    let above = name.match_indices('.').find_map(|(at, _)| hosts.get(&format!("*{}", &name[at..])));
    above.copied().unwrap_or_default()
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
