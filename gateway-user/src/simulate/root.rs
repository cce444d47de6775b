//! The simulated provider's own root and the certificate it signs for the names it plays.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::SimulateError;

/// A certificate authority that lives as long as the process. Its key never touches the disk.
pub struct Root {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
}

impl Root {
    /// Makes a new root with a P-256 key.
    pub fn create() -> Result<Root, SimulateError> {
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "simulated provider root");
        let certificate = params.self_signed(&key).map_err(failed)?;
        Ok(Root {
            pem: certificate.pem(),
            certificate: certificate.der().clone(),
            issuer: Issuer::new(params, key),
        })
    }

    /// The root certificate as PEM: what whoever calls the provider has to trust.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for `names`, already over when `expired`, as PEM: the chain and the key.
    pub fn issue_pem(&self, names: &[String], expired: bool) -> Result<(String, String), SimulateError> {
        let (leaf, key) = self.issue(names, expired)?;
        Ok((leaf.pem() + &self.pem, key.serialize_pem()))
    }

    /// The TLS side of a server with a certificate for `names`, offering `alpn`.
    pub(super) fn server_config(
        &self,
        names: &[String],
        expired: bool,
        alpn: &[&str],
    ) -> Result<Arc<ServerConfig>, SimulateError> {
        let (leaf, key) = self.issue(names, expired)?;
        let chain = vec![leaf.der().clone(), self.certificate.clone()];
        let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(failed)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(failed)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(failed)?;
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Ok(Arc::new(config))
    }

    fn issue(&self, names: &[String], expired: bool) -> Result<(rcgen::Certificate, KeyPair), SimulateError> {
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = CertificateParams::new(names.to_vec()).map_err(failed)?;
        if let Some(name) = names.first() {
            params.distinguished_name.push(DnType::CommonName, name.as_str());
        }
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        if expired {
            params.not_before = rcgen::date_time_ymd(2020, 1, 1);
            params.not_after = rcgen::date_time_ymd(2020, 1, 2);
        }
        let leaf = params.signed_by(&key, &self.issuer).map_err(failed)?;
        Ok((leaf, key))
    }
}

fn failed(error: impl std::fmt::Display) -> SimulateError {
    SimulateError::Certificate(error.to_string())
}
