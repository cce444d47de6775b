//! Certificates and trust: the client's hello, our CA and its leaves, and how upstreams are verified.

pub mod ca;
pub mod files;
#[cfg(test)]
mod folder;
pub mod hello;
pub mod leaf;
pub mod pkcs12;
pub mod system;
pub mod trust;
pub mod verify;

pub use ca::{Authority, AuthorityError};
pub use hello::{Hello, Peek, peek};
pub use leaf::{LeafError, Leaves};
pub use trust::{Trust, TrustError};
pub use verify::{Offer, Upstreams, VerifyError};

use std::sync::{Arc, OnceLock};

use rustls::NamedGroup;
use rustls::crypto::{CryptoProvider, aws_lc_rs};

/// The cipher suites and key exchanges used towards clients. Post-quantum exchange is spoken when a client insists;
/// this hop does not leave the machine.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(aws_lc_rs::default_provider())).clone()
}

/// The same towards upstreams, with the post-quantum exchange first: a client that would have used it itself must
/// not be worse off. The hello carries a classical share as well, so that no upstream needs a second round trip.
pub fn upstream_provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    let make = || {
        let mut provider = aws_lc_rs::default_provider();
        provider.kx_groups.sort_by_key(|group| group.name() != NamedGroup::X25519MLKEM768);
        Arc::new(provider)
    };
    PROVIDER.get_or_init(make).clone()
}

/// A random certificate serial number of 127 bits: positive, and never used twice by one issuer (RFC 5280 §4.1.2.2).
fn serial() -> Result<rcgen::SerialNumber, rcgen::Error> {
    let mut bytes = [0u8; 16];
    ::aws_lc_rs::rand::fill(&mut bytes).map_err(|_| rcgen::Error::RingUnspecified)?;
    bytes[0] = bytes[0] & 0x7f | 0x01;
    Ok(rcgen::SerialNumber::from_slice(&bytes))
}
