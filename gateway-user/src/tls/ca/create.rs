//! Makes the two tiers and writes them to their folder.

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, PKCS_ECDSA_P256_SHA256,
};
use time::{Duration, OffsetDateTime};

use super::{Authority, AuthorityError, ISSUING_FILE, KEY_FILE, ROOT_FILE, within};
use crate::tls::{files, hello, serial};

/// How long root and issuing CA are valid, in days. The root cannot sign again, so both end together.
pub const VALIDITY_DAYS: i64 = 730;
/// Clocks of clients may be behind ours.
const BACKDATED: Duration = Duration::hours(24);

/// Makes an authority and writes its files; the key last, because a folder without a key counts as empty.
pub(super) fn write(folder: &Path, permitted: &[String]) -> Result<Authority, AuthorityError> {
    let subtrees = subtrees(permitted)?;
    let made = make(&subtrees)?;
    let _ = std::fs::remove_file(folder.join(KEY_FILE));
    files::write_whole(&folder.join(ROOT_FILE), made.root.as_bytes(), 0o644)?;
    files::write_whole(&folder.join(ISSUING_FILE), made.issuing.as_bytes(), 0o644)?;
    files::write_whole(&folder.join(KEY_FILE), made.key.as_bytes(), 0o600)?;
    Authority::open(folder)
}

/// The three files of an authority, PEM.
struct Made {
    root: String,
    issuing: String,
    key: String,
}

/// Makes both tiers. The root's key is dropped on return and exists nowhere else.
fn make(subtrees: &[String]) -> Result<Made, AuthorityError> {
    // The subject is new each time: clients that trust two installations must not mix up their roots.
    let installation: String = serial()?.as_ref().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let root_params = root_params(&installation)?;
    let root_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let root = root_params.self_signed(&root_key)?;
    let issuing_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let issuing = issuing_params(&installation, subtrees)?
        .signed_by(&issuing_key, &Issuer::from_params(&root_params, &root_key))?;
    Ok(Made { root: root.pem(), issuing: issuing.pem(), key: issuing_key.serialize_pem() })
}

fn root_params(installation: &str) -> Result<CertificateParams, rcgen::Error> {
    tier_params(format!("gateway root {installation}"), BasicConstraints::Constrained(1))
}

/// The issuing CA signs servers of the permitted names only: no other names, no addresses, no other purpose.
fn issuing_params(installation: &str, subtrees: &[String]) -> Result<CertificateParams, rcgen::Error> {
    let mut params =
        tier_params(format!("gateway issuing {installation}"), BasicConstraints::Constrained(0))?;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: subtrees.iter().cloned().map(GeneralSubtree::DnsName).collect(),
        // A constraint binds only names of its own type, so addresses must be ruled out in so many words.
        excluded_subtrees: vec![
            GeneralSubtree::IpAddress(CidrSubnet::V4([0; 4], [0; 4])),
            GeneralSubtree::IpAddress(CidrSubnet::V6([0; 16], [0; 16])),
        ],
    });
    Ok(params)
}

fn tier_params(name: String, path: BasicConstraints) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(serial()?);
    params.not_before = OffsetDateTime::now_utc() - BACKDATED;
    params.not_after = OffsetDateTime::now_utc() + Duration::days(VALIDITY_DAYS);
    params.is_ca = IsCa::Ca(path);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

/// The DNS subtrees for hosts and wildcards: checked, lower case, sorted, none inside another.
fn subtrees(permitted: &[String]) -> Result<Vec<String>, AuthorityError> {
    let name = |host: &String| {
        let name = host.strip_prefix("*.").unwrap_or(host);
        match hello::host_name(name.as_bytes()) {
            // RFC 6761 §6.3: the zone `localhost` never leaves the machine.
            Ok(name) if name.contains('.') || name == "localhost" => Ok(name),
            Ok(_) => Err(AuthorityError::Host {
                host: host.clone(),
                wrong: "a single label would permit a whole zone",
            }),
            Err(wrong) => Err(AuthorityError::Host { host: host.clone(), wrong }),
        }
    };
    let mut all: Vec<String> = permitted.iter().map(name).collect::<Result<_, _>>()?;
    all.sort();
    all.dedup();
    let kept: Vec<String> = all
        .iter()
        .filter(|name| !all.iter().any(|other| other != *name && within(name, other)))
        .cloned()
        .collect();
    if kept.is_empty() { Err(AuthorityError::NoHosts) } else { Ok(kept) }
}
