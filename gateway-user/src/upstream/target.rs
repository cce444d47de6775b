//! Where a request goes: host, address and protocol, which together name a pool of connections.

use std::{net::SocketAddr, sync::Arc};

use super::Tunnel;
use crate::{
    capture::Namespace,
    tls::verify::{H2, HTTP1},
};

/// The HTTP version spoken on a connection, as negotiated by ALPN (RFC 7301).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Alpn {
    /// `http/1.1`, also what peers without ALPN speak.
    Http1,
    /// `h2`.
    Http2,
}

impl Alpn {
    /// The protocol id on the wire.
    pub const fn id(self) -> &'static [u8] {
        match self {
            Alpn::Http1 => HTTP1,
            Alpn::Http2 => H2,
        }
    }

    /// The version a negotiated id stands for; no id means HTTP/1.1.
    pub fn from_id(id: Option<&[u8]>) -> Self {
        if id == Some(Alpn::Http2.id()) { Alpn::Http2 } else { Alpn::Http1 }
    }
}

/// One upstream endpoint. Two requests may share a connection only when all of this is equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// The name that is sent as SNI and that the certificate must match; lower case.
    pub host: Arc<str>,
    /// TCP port, used when `address` is not given.
    pub port: u16,
    /// The address the app itself chose; without one the name is resolved.
    pub address: Option<SocketAddr>,
    /// Whether the connection is TLS. Plain only where the operator configured an `http://` upstream, or the app itself
    /// spoke plain HTTP.
    pub tls: bool,
    /// The tunnel the app itself goes through, in place of `address`.
    pub tunnel: Option<Arc<Tunnel>>,
    /// The network namespace the client lives in, whose routes and source address are used; `None` is our own.
    pub namespace: Option<Arc<Namespace>>,
}
