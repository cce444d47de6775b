//! Certificates and trust: the client's hello, our CA and its leaves, and how upstreams are verified.

pub mod ca;
pub mod files;
#[cfg(test)]
mod folder;
pub mod hello;
pub mod leaf;
pub mod system;
pub mod trust;
pub mod verify;

pub use ca::{Authority, AuthorityError};
pub use hello::{Hello, Peek, peek};
pub use leaf::{LeafError, Leaves};
pub use trust::{Trust, TrustError};
pub use verify::{Offer, Upstreams, VerifyError};

use std::sync::{Arc, OnceLock};

use rustls::crypto::CryptoProvider;

/// The one set of cipher suites and key exchanges used on both sides.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider())).clone()
}

/// A random certificate serial number of 127 bits: positive, and never used twice by one issuer (RFC 5280 §4.1.2.2).
fn serial() -> Result<rcgen::SerialNumber, rcgen::Error> {
    let mut bytes = [0u8; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| rcgen::Error::RingUnspecified)?;
    bytes[0] = bytes[0] & 0x7f | 0x01;
    Ok(rcgen::SerialNumber::from_slice(&bytes))
}
