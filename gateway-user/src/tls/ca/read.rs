//! Reads an authority from its folder and checks that its files belong together.

use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rcgen::{Issuer, KeyPair, PublicKeyData};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use super::{Authority, AuthorityError, ISSUING_FILE, KEY_FILE, ROOT_FILE, Tier};
use crate::tls::files;

/// Our own files take about 1 KB each; the constraints of many hosts some more.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Opens the three files.
pub(super) fn open(folder: &Path) -> Result<Authority, AuthorityError> {
    let damaged = |file: &str, wrong: String| AuthorityError::Damaged { path: folder.join(file), wrong };
    let key = match files::read_text(&folder.join(KEY_FILE), MAX_FILE_BYTES) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(AuthorityError::Missing(folder.to_owned()));
        }
        read => read?,
    };
    let key = KeyPair::from_pem(&key).map_err(|error| damaged(KEY_FILE, error.to_string()))?;
    let root = read_tier(folder, ROOT_FILE)?;
    let issuing = read_tier(folder, ISSUING_FILE)?;
    let permitted = check(&root, &issuing, &key).map_err(|wrong| damaged(ISSUING_FILE, wrong))?;
    let issuer = Issuer::from_ca_cert_der(&issuing.der, key)?;
    Ok(Authority { root, issuing, permitted, issuer })
}

fn read_tier(folder: &Path, file: &str) -> Result<Tier, AuthorityError> {
    let path = folder.join(file);
    let pem = files::read_text(&path, MAX_FILE_BYTES)?;
    tier(pem).map_err(|wrong| AuthorityError::Damaged { path, wrong })
}

fn tier(pem: String) -> Result<Tier, String> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| error.to_string())?;
    let certificate = parse(&der)?;
    let subject = certificate.subject().to_string();
    let moment = |time: x509_parser::time::ASN1Time| {
        SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(time.timestamp()).unwrap_or(0))
    };
    let (not_before, not_after) =
        (moment(certificate.validity().not_before), moment(certificate.validity().not_after));
    Ok(Tier { der, pem, subject, not_before, not_after })
}

/// Checks that root, issuing CA and key are of one making, and gives the permitted DNS subtrees.
fn check(root: &Tier, issuing: &Tier, key: &KeyPair) -> Result<Vec<String>, String> {
    let root = parse(&root.der)?;
    let issuing = parse(&issuing.der)?;
    if issuing.issuer() != root.subject() {
        return Err(format!("it was not signed by the root in {ROOT_FILE}"));
    }
    if issuing.public_key().raw != key.subject_public_key_info() {
        return Err(format!("it does not belong to the key in {KEY_FILE}"));
    }
    let constraints = issuing.name_constraints().map_err(|error| error.to_string())?;
    let permitted = constraints.and_then(|found| found.value.permitted_subtrees.as_ref());
    let mut names: Vec<String> = permitted
        .into_iter()
        .flatten()
        .filter_map(|subtree| match subtree.base {
            GeneralName::DNSName(name) => Some(name.to_owned()),
            _ => None,
        })
        .collect();
    names.sort();
    if names.is_empty() { Err("it is not constrained to any host".to_owned()) } else { Ok(names) }
}

fn parse<'a>(der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, String> {
    X509Certificate::from_der(der).map(|(_, certificate)| certificate).map_err(|error| error.to_string())
}
