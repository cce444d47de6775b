//! Tests of `tls::verify`: whom it trusts, whom it refuses, and what it offers.

use std::time::Duration;

use rustls::pki_types::{ServerName, UnixTime};

use super::*;
use crate::tls::folder::Folder;
use crate::tls::{Authority, Hello, Leaves};

#[test]
fn public_roots_are_trusted_without_a_file() {
    let upstreams = Upstreams::new(None).unwrap();
    assert!(upstreams.roots() >= webpki_roots::TLS_SERVER_ROOTS.len());
}

#[test]
fn each_offer_has_its_settings_and_all_share_the_roots() {
    let upstreams = Upstreams::new(None).unwrap();
    for (alpn, offer, expected) in [
        (vec![], Offer::Nothing, vec![]),
        (vec![HTTP1], Offer::Http1, vec![HTTP1]),
        (vec![H2], Offer::Http2, vec![H2]),
        (vec![H2, HTTP1], Offer::Both, vec![H2, HTTP1]),
        (vec![b"spdy/1", HTTP1], Offer::Http1, vec![HTTP1]),
        (vec![b"h3"], Offer::Nothing, vec![]),
    ] {
        let alpn = alpn.into_iter().map(<[u8]>::to_vec).collect();
        let hello = Hello { server_name: None, alpn, encrypted_client_hello: false, bytes: 0 };
        assert_eq!(Offer::mirror(&hello), offer);
        assert_eq!(upstreams.client_config(offer).alpn_protocols, expected);
        assert!(Arc::ptr_eq(&upstreams.client_config(offer), &upstreams.client_config(offer)));
    }
}

#[test]
fn a_private_root_is_trusted_only_when_it_is_given() {
    let folder = Folder::new();
    let authority = Authority::create(&folder, &["api.openai.com".to_owned()]).unwrap();
    let chain = Leaves::new(Arc::new(authority)).unwrap().chain("api.openai.com");
    let verdict = |extra: Option<&Path>, host: &str, later: Duration| {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        if let Some(path) = extra {
            add_file(&mut roots, path).unwrap();
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), crate::tls::provider());
        let name = ServerName::try_from(host.to_owned()).unwrap();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(UnixTime::now().as_secs()) + later);
        verifier.build().unwrap().verify_server_cert(&chain[0], &chain[1..], &name, &[], now).is_ok()
    };
    let root = folder.join(crate::tls::ca::ROOT_FILE);
    assert!(verdict(Some(&root), "api.openai.com", Duration::ZERO));
    assert!(!verdict(None, "api.openai.com", Duration::ZERO), "an unknown root passed");
    assert!(!verdict(Some(&root), "api.anthropic.com", Duration::ZERO), "another name passed");
    assert!(
        !verdict(Some(&root), "api.openai.com", crate::tls::leaf::LEAF_VALIDITY + Duration::from_secs(1)),
        "an expired leaf passed"
    );
}

#[test]
fn a_bad_file_of_roots_is_named() {
    let folder = Folder::new();
    let said = |path: &Path| Upstreams::new(Some(path)).err().unwrap().to_string();
    let missing = folder.join("missing.pem");
    assert!(said(&missing).contains("missing.pem"));
    let empty = folder.join("empty.pem");
    std::fs::write(&empty, "# nothing\n").unwrap();
    assert!(said(&empty).contains("no usable certificate"));
    let broken = folder.join("broken.pem");
    std::fs::write(&broken, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    assert!(said(&broken).contains("no usable certificate"));
}
