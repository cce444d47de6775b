//! Leaves: short-lived certificates for intercepted hosts, minted on demand and kept ready as TLS server settings.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{NoServerSessionStorage, ProducesTickets};
use rustls::sign::{CertifiedKey, SigningKey, SingleCertAndKey};

use super::{Authority, serial};

/// How long a leaf is valid.
pub const LEAF_VALIDITY: Duration = Duration::from_secs(7 * 24 * 3600);
/// A leaf starts this long before it is minted, for clients whose clock is behind.
pub const LEAF_BACKDATED: Duration = Duration::from_secs(3600);
/// A leaf with less than this left is minted anew.
pub const LEAF_REFRESHED: Duration = Duration::from_secs(24 * 3600);
/// How many hosts are kept ready; beyond it the one used longest ago is dropped.
pub const MAX_LEAVES: usize = 1024;
/// RFC 5280 bounds a common name to 64 characters; a longer host stands in the subject alternative name only.
const MAX_COMMON_NAME: usize = 64;

/// Why there is no leaf for a host.
#[derive(Debug, thiserror::Error)]
pub enum LeafError {
    /// The authority's name constraints exclude the host; clients would refuse the leaf.
    #[error(
        "our certificate authority may not sign for {0}; run `gateway trust init --renew` and install the new root"
    )]
    NotPermitted(String),
    /// The authority has ended.
    #[error(
        "our certificate authority has expired; run `gateway trust init --renew` and install the new root"
    )]
    Expired,
    /// The cryptographic library refused.
    #[error("cannot mint a certificate for {host}: {source}")]
    Mint {
        /// The host.
        host: String,
        /// Its reason.
        source: rcgen::Error,
    },
    /// The system gives no randomness.
    #[error("cannot make the key of our certificates: {0}")]
    Key(rcgen::Error),
    /// The TLS library refused.
    #[error("cannot serve TLS with our own certificate: {0}")]
    Tls(#[from] rustls::Error),
}

/// Mints leaves and keeps the TLS server settings made of them.
///
/// All leaves of a process share one key, made at its start and never written down: whoever could read one could
/// read them all, and minting costs a third.
pub struct Leaves {
    authority: Arc<Authority>,
    key: KeyPair,
    signer: Arc<dyn SigningKey>,
    ticketer: Arc<dyn ProducesTickets>,
    ready: RwLock<HashMap<String, Ready>>,
    clock: AtomicU64,
}

/// A host's leaf and the settings that use it, one for each ALPN answer.
struct Ready {
    key: Arc<CertifiedKey>,
    refresh: SystemTime,
    used: AtomicU64,
    configs: Vec<(Option<&'static [u8]>, Arc<ServerConfig>)>,
}

impl Leaves {
    /// Leaves of this authority. Session tickets are shared by all hosts; rustls binds each to its host name.
    ///
    /// # Errors
    /// When the system gives no randomness for the keys of leaves and tickets.
    pub fn new(authority: Arc<Authority>) -> Result<Leaves, LeafError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(LeafError::Key)?;
        let signer = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let signer = rustls::crypto::aws_lc_rs::sign::any_ecdsa_type(&signer)?;
        let ticketer = rustls::crypto::aws_lc_rs::Ticketer::new()?;
        Ok(Leaves { authority, key, signer, ticketer, ready: RwLock::default(), clock: AtomicU64::new(0) })
    }

    /// The authority that signs.
    pub fn authority(&self) -> &Arc<Authority> {
        &self.authority
    }

    /// TLS server settings for a host (lower case, a valid DNS name), which answer ALPN with `alpn` or not at all.
    ///
    /// TLS 1.2 and 1.3, with tickets. The chain is leaf and issuing CA. Kept: a second call takes well under a
    /// microsecond; the first mints, some tens of microseconds.
    ///
    /// # Errors
    /// As [`LeafError`] says.
    pub fn server_config(
        &self,
        host: &str,
        alpn: Option<&'static [u8]>,
    ) -> Result<Arc<ServerConfig>, LeafError> {
        self.server_config_at(host, alpn, SystemTime::now())
    }

    fn server_config_at(
        &self,
        host: &str,
        alpn: Option<&'static [u8]>,
        now: SystemTime,
    ) -> Result<Arc<ServerConfig>, LeafError> {
        let key = {
            let ready = self.ready.read().unwrap_or_else(PoisonError::into_inner);
            match ready.get(host).filter(|kept| now < kept.refresh) {
                Some(kept) => {
                    kept.used.store(self.clock.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
                    if let Some((_, config)) = kept.configs.iter().find(|(answer, _)| *answer == alpn) {
                        return Ok(config.clone());
                    }
                    Some((kept.key.clone(), kept.refresh))
                }
                None => None,
            }
        };
        let (key, refresh) = match key {
            Some(kept) => kept,
            None => self.mint(host, now)?,
        };
        let config = self.config(key.clone(), alpn)?;
        self.keep(host, key, refresh, alpn, config.clone());
        Ok(config)
    }

    fn config(
        &self,
        key: Arc<CertifiedKey>,
        alpn: Option<&'static [u8]>,
    ) -> Result<Arc<ServerConfig>, LeafError> {
        let provider = super::provider();
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
        config.alpn_protocols = alpn.map(<[u8]>::to_vec).into_iter().collect();
        config.ticketer = self.ticketer.clone();
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Arc::new(config))
    }

    /// Puts settings among those kept, dropping the host used longest ago when there are too many.
    fn keep(
        &self,
        host: &str,
        key: Arc<CertifiedKey>,
        refresh: SystemTime,
        alpn: Option<&'static [u8]>,
        config: Arc<ServerConfig>,
    ) {
        let mut ready = self.ready.write().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.fetch_add(1, Ordering::Relaxed);
        if let Some(kept) = ready.get_mut(host).filter(|kept| Arc::ptr_eq(&kept.key, &key)) {
            kept.configs.retain(|(answer, _)| *answer != alpn);
            kept.configs.push((alpn, config));
            return;
        }
        if ready.len() >= MAX_LEAVES && !ready.contains_key(host) {
            let oldest = ready.iter().min_by_key(|(_, kept)| kept.used.load(Ordering::Relaxed));
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                ready.remove(&oldest);
            }
        }
        let fresh = Ready { key, refresh, used: AtomicU64::new(now), configs: vec![(alpn, config)] };
        ready.insert(host.to_owned(), fresh);
    }

    /// Mints a leaf; gives it with the moment from which it is to be minted anew.
    fn mint(&self, host: &str, now: SystemTime) -> Result<(Arc<CertifiedKey>, SystemTime), LeafError> {
        if !self.authority.permits(host) {
            return Err(LeafError::NotPermitted(host.to_owned()));
        }
        let ends = (now + LEAF_VALIDITY).min(self.authority.issuing().not_after);
        if ends <= now {
            return Err(LeafError::Expired);
        }
        let certificate =
            self.sign(host, now, ends).map_err(|source| LeafError::Mint { host: host.to_owned(), source })?;
        let chain = vec![certificate, self.authority.issuing().der.clone()];
        // In the authority's last days there is nothing fresher to be had: then a leaf serves until its end.
        let lasts = ends == now + LEAF_VALIDITY;
        let refresh = if lasts { ends - LEAF_REFRESHED } else { ends };
        Ok((Arc::new(CertifiedKey::new(chain, self.signer.clone())), refresh))
    }

    fn sign(
        &self,
        host: &str,
        now: SystemTime,
        ends: SystemTime,
    ) -> Result<CertificateDer<'static>, rcgen::Error> {
        let mut params = CertificateParams::new(vec![host.to_owned()])?;
        params.distinguished_name = DistinguishedName::new();
        // Java cannot parse a leaf with an empty subject.
        let common_name = if host.len() <= MAX_COMMON_NAME { host } else { "gateway leaf" };
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.serial_number = Some(serial()?);
        params.not_before = (now - LEAF_BACKDATED).into();
        params.not_after = ends.into();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        Ok(params.signed_by(&self.key, self.authority.issuer())?.der().clone())
    }
}

#[cfg(test)]
impl Leaves {
    /// The certificates that a server for this host sends.
    pub(super) fn chain(&self, host: &str) -> Vec<CertificateDer<'static>> {
        self.mint(host, SystemTime::now()).unwrap().0.cert.clone()
    }
}

#[cfg(test)]
mod tests;
