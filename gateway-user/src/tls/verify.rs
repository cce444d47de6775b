//! Verifies upstreams: the roots they must chain to, and the TLS client settings that check it every time.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::{
    ClientSessionMemoryCache, Resumption, WebPkiServerVerifier, danger::ServerCertVerifier,
};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};

use super::system;

/// How many upstream TLS sessions are kept for resumption, over all hosts.
pub const MAX_SESSIONS: usize = 256;

/// What went wrong with the roots that upstreams are verified by.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The file of extra roots cannot be read.
    #[error("cannot read the upstream CA file {path}: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// The reader's reason.
        reason: String,
    },
    /// The file of extra roots holds no usable certificate.
    #[error("the upstream CA file {path} holds no usable certificate; it must hold PEM certificates of CAs")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The TLS library refused the roots.
    #[error("cannot set up the verification of upstreams: {0}")]
    Tls(String),
}

/// What ALPN offers an upstream: mirrors what the client offered, so that both ends agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Offer {
    /// No ALPN at all, as Codex does; the connection speaks HTTP/1.1.
    Nothing,
    /// `http/1.1` only.
    Http1,
    /// `h2` only.
    Http2,
    /// `h2`, then `http/1.1`.
    Both,
}

impl Offer {
    /// The offer that mirrors a client's; protocols we cannot speak are left out.
    pub fn mirror(hello: &super::Hello) -> Offer {
        match (hello.offers(H2), hello.offers(HTTP1)) {
            (true, true) => Offer::Both,
            (true, false) => Offer::Http2,
            (false, true) => Offer::Http1,
            (false, false) => Offer::Nothing,
        }
    }

    fn protocols(self) -> Vec<Vec<u8>> {
        match self {
            Offer::Nothing => vec![],
            Offer::Http1 => vec![HTTP1.to_vec()],
            Offer::Http2 => vec![H2.to_vec()],
            Offer::Both => vec![H2.to_vec(), HTTP1.to_vec()],
        }
    }
}

/// The ALPN name of HTTP/2 (RFC 9113 §3.2).
pub const H2: &[u8] = b"h2";
/// The ALPN name of HTTP/1.1 (RFC 7301 §6).
pub const HTTP1: &[u8] = b"http/1.1";

const OFFERS: [Offer; 4] = [Offer::Nothing, Offer::Http1, Offer::Http2, Offer::Both];

/// TLS client settings for upstreams, one for each [`Offer`], all with the same roots and the same session cache.
pub struct Upstreams {
    configs: [Arc<ClientConfig>; 4],
    roots: usize,
}

impl Upstreams {
    /// Trusts the public roots compiled in, the system's store, and the certificates in `extra` (PEM), if given.
    ///
    /// An unreadable system store is left out: the compiled-in roots remain, and verification is never skipped.
    ///
    /// # Errors
    /// When `extra` cannot be read or holds no certificate.
    pub fn new(extra: Option<&Path>) -> Result<Upstreams, VerifyError> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        add_unknown(&mut roots, system::certificates());
        if let Some(path) = extra {
            add_file(&mut roots, path)?;
        }
        roots.roots.shrink_to_fit();
        Upstreams::with_roots(roots)
    }

    /// Trusts only these roots; for a caller that brings its own provider, such as the demo.
    ///
    /// # Errors
    /// When there are none.
    pub fn with_roots(roots: RootCertStore) -> Result<Upstreams, VerifyError> {
        let count = roots.len();
        let verifier: Arc<dyn ServerCertVerifier> =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), super::upstream_provider())
                .build()
                .map_err(|error| VerifyError::Tls(error.to_string()))?;
        // A resumed session counts as verified, so the cache may only be shared under the same verifier.
        let sessions = Arc::new(ClientSessionMemoryCache::new(MAX_SESSIONS));
        let config = |offer: Offer| -> Result<Arc<ClientConfig>, rustls::Error> {
            let mut config = ClientConfig::builder_with_provider(super::upstream_provider())
                .with_safe_default_protocol_versions()?
                .dangerous()
                .with_custom_certificate_verifier(verifier.clone())
                .with_no_client_auth();
            config.alpn_protocols = offer.protocols();
            config.resumption = Resumption::store(sessions.clone());
            Ok(Arc::new(config))
        };
        let configs = OFFERS.map(config);
        let [nothing, http1, http2, both] = configs;
        let tls = |error: rustls::Error| VerifyError::Tls(error.to_string());
        let configs = [nothing.map_err(tls)?, http1.map_err(tls)?, http2.map_err(tls)?, both.map_err(tls)?];
        Ok(Upstreams { configs, roots: count })
    }

    /// The settings for an offer. Cheap: a reference count.
    pub fn client_config(&self, offer: Offer) -> Arc<ClientConfig> {
        self.configs[offer as usize].clone()
    }

    /// How many roots are trusted.
    pub fn roots(&self) -> usize {
        self.roots
    }
}

/// Adds the certificates that the store does not hold yet; each takes about 400 bytes of memory.
/// Certificates of the system's store that do not parse are left out, as other programs do.
fn add_unknown(roots: &mut RootCertStore, certificates: Vec<CertificateDer<'static>>) {
    for certificate in certificates {
        let mut one = RootCertStore::empty();
        let _ = one.add(certificate);
        if let Some(anchor) = one.roots.pop().filter(|anchor| !roots.roots.contains(anchor)) {
            roots.roots.push(anchor);
        }
    }
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), VerifyError> {
    let file = |reason: String| VerifyError::File { path: path.to_owned(), reason };
    let read = CertificateDer::pem_file_iter(path).map_err(|error| file(error.to_string()))?;
    let certificates: Vec<_> = read.collect::<Result<_, _>>().map_err(|error| file(error.to_string()))?;
    let (added, _ignored) = roots.add_parsable_certificates(certificates);
    if added == 0 { Err(VerifyError::Empty { path: path.to_owned() }) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
