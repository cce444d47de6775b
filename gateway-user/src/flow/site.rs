//! One connection's surroundings: who speaks on it, to which host, and how upstream is reached.

use std::sync::Arc;

use http::{Request, Uri, header, uri::PathAndQuery};

use super::{coverage::Row, path::Origin, plain::host_of, services::Services};
use crate::{
    config::Plain,
    provider::Host,
    tls::verify::Offer,
    upstream::{Alpn, Target},
};

/// Shared by all exchanges of one downstream connection.
pub struct Site {
    /// What every flow shares.
    pub services: Arc<Services>,
    /// Who opened the connection, and how.
    pub origin: Origin,
    /// Where requests go.
    pub target: Target,
    /// What the catalog knows about the host.
    pub host: Arc<Host>,
    /// The protocol spoken on both sides.
    pub alpn: Alpn,
    /// What a new upstream connection offers.
    pub offer: Offer,
    /// At the reverse door: the configured upstream, which replaces the client's own authority and prefixes its path.
    pub base: Option<Base>,
    /// The destination is a local engine, known by its address whatever it is called.
    pub is_engine: bool,
    /// The destination is on this machine.
    pub local: bool,
    /// Where coverage counts the bodies of the reverse door; the other doors count whole connections.
    pub row: Option<Arc<Row>>,
}

/// The upstream of the reverse door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// Host and port as they go into the `Host` header.
    pub authority: String,
    /// Path prefix without a slash at its end; empty for none.
    pub path: String,
}

impl Site {
    /// Whether a request names another host than the connection was opened and verified for (RFC 9110 §7.4).
    pub fn is_misdirected<B>(&self, request: &Request<B>) -> bool {
        if self.base.is_some() || self.is_engine {
            return false;
        }
        let wanted = |authority: &str| host_of(authority) == *self.target.host;
        // All that name a host must name this one: which of them upstream goes by is not ours to guess.
        let authority = request.uri().authority().map(|authority| wanted(authority.as_str()));
        let mut hosts = request.headers().get_all(header::HOST).iter();
        let named = authority.is_some() || request.headers().contains_key(header::HOST);
        !named || authority == Some(false) || !hosts.all(|host| host.to_str().is_ok_and(wanted))
    }

    /// Whether a request would cross a network in clear that policy does not let cross.
    pub fn is_exposed(&self) -> bool {
        let clear = !self.target.tls && self.base.is_none() && !self.local;
        clear && self.services.config.plain == Plain::Refuse
    }

    /// Points a request of the reverse door at the configured upstream.
    pub fn rebase<B>(&self, request: &mut Request<B>) {
        let Some(base) = &self.base else { return };
        let given = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
        if let Ok(uri) = Uri::try_from(base.join(given)) {
            *request.uri_mut() = uri;
        }
        if let Ok(value) = http::HeaderValue::from_str(&base.authority) {
            request.headers_mut().insert(header::HOST, value);
        }
    }
}

impl Base {
    /// The upstream's path for a path the client asked for. A prefix that both have is not doubled: SDKs are given
    /// `http://127.0.0.1:8000/v1` as often as `http://127.0.0.1:8000`.
    fn join(&self, given: &str) -> String {
        let shared = given.strip_prefix(self.path.as_str());
        match shared {
            Some(rest) if rest.is_empty() || rest.starts_with('/') || rest.starts_with('?') => {
                given.to_owned()
            }
            _ => format!("{}{given}", self.path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_added_once() {
        for (base, given, expected) in [
            ("/v1", "/v1/chat/completions", "/v1/chat/completions"),
            ("/v1", "/chat/completions", "/v1/chat/completions"),
            ("/v1", "/v1", "/v1"),
            ("/v1", "/v1?x=1", "/v1?x=1"),
            ("/v1", "/v10/x", "/v1/v10/x"),
            ("", "/v1/messages?beta=true", "/v1/messages?beta=true"),
            ("/openai", "/v1/models", "/openai/v1/models"),
        ] {
            let base = Base { authority: String::new(), path: base.to_owned() };
            assert_eq!(base.join(given), expected, "{given} under {}", base.path);
        }
    }
}
