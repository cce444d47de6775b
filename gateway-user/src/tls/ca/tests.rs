//! Tests of `tls::ca`: the files, what they permit, and what OpenSSL makes of them.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use rcgen::{CertificateParams, DnType, SanType};

use super::*;
use crate::tls::folder::Folder;

fn hosts(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn the_key_is_private_and_the_authority_opens_again() {
    let folder = Folder::new();
    let at = folder.join("authority");
    let made =
        Authority::create(&at, &hosts(&["api.openai.com", "*.Openai.Azure.com", "eu.openai.azure.com"]))
            .unwrap();
    assert_eq!(made.permitted(), ["api.openai.com", "openai.azure.com"]);
    assert_eq!((mode(&at), mode(&at.join(KEY_FILE))), (0o700, 0o600));
    let mut files: Vec<_> = std::fs::read_dir(&at).unwrap().map(|file| file.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, [".lock", KEY_FILE, ISSUING_FILE, ROOT_FILE]);
    let opened = Authority::open(&at).unwrap();
    assert_eq!((opened.root().der.clone(), opened.permitted()), (made.root().der.clone(), made.permitted()));
    assert_eq!(Authority::create(&at, &hosts(&["other.example"])).unwrap().root().der, made.root().der);
    assert!(!format!("{opened:?}").contains("PRIVATE"));
}

#[test]
fn it_permits_names_and_what_is_below_them() {
    let folder = Folder::new();
    let authority = Authority::create(&folder, &hosts(&["api.openai.com", "*.azure.com"])).unwrap();
    for (host, permitted) in [
        ("api.openai.com", true),
        ("eu.api.openai.com", true),
        ("x.azure.com", true),
        ("openai.com", false),
        ("evilapi.openai.com", false),
        ("api.openai.com.evil.example", false),
        ("", false),
    ] {
        assert_eq!(authority.permits(host), permitted, "{host}");
    }
    assert_eq!(authority.not_permitted(&hosts(&["api.openai.com", "*.new.example"])), ["*.new.example"]);
}

#[test]
fn two_processes_at_once_make_one_authority_and_a_renewal_another() {
    let folder = Folder::new();
    let create = || Authority::create(&folder, &hosts(&["api.openai.com"])).unwrap().root().der.clone();
    let roots: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(create)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(roots.iter().all(|root| *root == roots[0]));
    let renewed = Authority::renew(&folder, &hosts(&["api.anthropic.com"])).unwrap();
    assert_ne!(renewed.root().der, roots[0]);
    assert!(renewed.permits("api.anthropic.com") && !renewed.permits("api.openai.com"));
    let other = Folder::new();
    let elsewhere = Authority::create(&other, &hosts(&["api.anthropic.com"])).unwrap();
    assert_ne!(elsewhere.root().subject, renewed.root().subject);
}

#[test]
fn errors_say_what_to_do() {
    let (first, second) = (Folder::new(), Folder::new());
    let said = |result: Result<Authority, AuthorityError>| result.err().unwrap().to_string();
    assert!(said(Authority::open(&first)).contains("run `gateway trust init`"));
    assert!(said(Authority::create(&first, &[])).contains("no host"));
    for (host, wrong) in [("com", "whole zone"), ("192.0.2.1", "IP address"), ("a b.c", "no DNS name")] {
        let said = said(Authority::create(&first, &hosts(&["api.openai.com", host])));
        assert!(said.contains(wrong) && said.contains(host), "{said}");
    }
    Authority::create(&first, &hosts(&["api.openai.com"])).unwrap();
    Authority::create(&second, &hosts(&["api.openai.com"])).unwrap();
    for (file, wrong) in [(KEY_FILE, "does not belong to the key"), (ROOT_FILE, "not signed by the root")] {
        let kept = std::fs::read(first.join(file)).unwrap();
        std::fs::copy(second.join(file), first.join(file)).unwrap();
        let mixed = said(Authority::open(&first));
        assert!(mixed.contains(wrong) && mixed.contains("--renew"), "{mixed}");
        std::fs::write(first.join(file), b"-----BEGIN nonsense").unwrap();
        let damaged = said(Authority::open(&first));
        assert!(damaged.contains(file) && damaged.contains("damaged"), "{damaged}");
        std::fs::write(first.join(file), kept).unwrap();
    }
    Authority::open(&first).unwrap();
}

/// Signs a leaf past all checks, as a thief of the key would.
fn steal(authority: &Authority, name: SanType, common_name: &str) -> String {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.subject_alt_names = vec![name];
    params.not_before = (SystemTime::now() - std::time::Duration::from_secs(60)).into();
    params.not_after = (SystemTime::now() + std::time::Duration::from_secs(3600)).into();
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate().unwrap();
    params.signed_by(&key, authority.issuer()).unwrap().pem()
}

fn openssl(folder: &Folder, arguments: &[&str]) -> (bool, String) {
    let output = Command::new("openssl").args(arguments).current_dir(&**folder).output();
    let output = output.expect("the test needs the `openssl` command (Debian package openssl)");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn openssl_accepts_permitted_names_and_refuses_all_others() {
    let folder = Folder::new();
    let authority = Authority::create(&folder, &hosts(&["api.openai.com", "*.azure.com"])).unwrap();
    let dns = |name: &str| SanType::DnsName(name.try_into().unwrap());
    for (name, accepted) in [
        (dns("api.openai.com"), true),
        (dns("x.azure.com"), true),
        (dns("bank.example"), false),
        (dns("evilapi.openai.com"), false),
        (SanType::IpAddress([192, 0, 2, 1].into()), false),
        (SanType::IpAddress("2001:db8::1".parse::<std::net::Ipv6Addr>().unwrap().into()), false),
    ] {
        std::fs::write(folder.join("leaf.pem"), steal(&authority, name.clone(), "leaf")).unwrap();
        let chain = [
            "verify",
            "-x509_strict",
            "-purpose",
            "sslserver",
            "-CAfile",
            ROOT_FILE,
            "-untrusted",
            ISSUING_FILE,
        ];
        let (passed, said) = openssl(&folder, &[&chain[..], &["leaf.pem"]].concat());
        assert_eq!(passed, accepted, "{name:?}: {said}");
        assert!(accepted || said.contains("subtree violation"), "{name:?}: {said}");
    }
}

#[test]
fn the_certificates_are_as_strict_clients_want_them() {
    let folder = Folder::new();
    Authority::create(&folder, &hosts(&["api.openai.com"])).unwrap();
    let text = |file| openssl(&folder, &["x509", "-in", file, "-noout", "-text"]).1;
    let (root, issuing) = (text(ROOT_FILE), text(ISSUING_FILE));
    for (certificate, part) in [
        (&root, "X509v3 Basic Constraints: critical"),
        (&root, "CA:TRUE, pathlen:1"),
        (&root, "X509v3 Subject Key Identifier"),
        (&root, "prime256v1"),
        (&issuing, "X509v3 Basic Constraints: critical"),
        (&issuing, "CA:TRUE, pathlen:0"),
        (&issuing, "X509v3 Name Constraints: critical"),
        (&issuing, "DNS:api.openai.com"),
        (&issuing, "IP:0.0.0.0/0.0.0.0"),
        (&issuing, "X509v3 Authority Key Identifier"),
        (&issuing, "X509v3 Subject Key Identifier"),
        (&issuing, "TLS Web Server Authentication"),
    ] {
        assert!(certificate.contains(part), "{part} is missing in {certificate}");
    }
}
