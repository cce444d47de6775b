//! Tests of `tls::leaf`: real handshakes in memory, caching, refreshing, and the bound.

use rustls::crypto::aws_lc_rs::kx_group;
use rustls::pki_types::ServerName;
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, ProtocolVersion, RootCertStore, ServerConnection,
};

use super::*;
use crate::tls::folder::Folder;
use crate::tls::verify::{H2, HTTP1};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn leaves(folder: &Folder) -> Leaves {
    let hosts = ["api.openai.com", "*.azure.com"].map(str::to_owned);
    Leaves::new(Arc::new(Authority::create(folder, &hosts).unwrap())).unwrap()
}

fn client(
    leaves: &Leaves,
    alpn: &[&[u8]],
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(leaves.authority().root().der.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(crate::tls::provider())
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    Arc::new(config)
}

/// Shakes hands in memory until neither side has more to say.
fn handshake(
    client: &Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    host: &str,
) -> Result<(ClientConnection, ServerConnection), rustls::Error> {
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let mut client = ClientConnection::new(client.clone(), name)?;
    let mut server = ServerConnection::new(server)?;
    while client.wants_write() || server.wants_write() {
        let mut bytes = vec![];
        client.write_tls(&mut bytes).unwrap();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            server.process_new_packets()?;
        }
        let mut bytes = vec![];
        server.write_tls(&mut bytes).unwrap();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets()?;
        }
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    Ok((client, server))
}

#[test]
fn a_client_that_trusts_the_root_shakes_hands_in_each_version_and_protocol() {
    let folder = Folder::new();
    let leaves = leaves(&folder);
    let tls13 = (&rustls::version::TLS13, ProtocolVersion::TLSv1_3);
    let tls12 = (&rustls::version::TLS12, ProtocolVersion::TLSv1_2);
    for (host, answer, (version, spoken)) in [
        ("api.openai.com", Some(H2), tls13),
        ("api.openai.com", Some(HTTP1), tls12),
        ("api.openai.com", None, tls13),
        ("x.y.azure.com", Some(HTTP1), tls13),
    ] {
        let server = leaves.server_config(host, answer).unwrap();
        let (client, server) = handshake(&client(&leaves, &[H2, HTTP1], &[version]), server, host).unwrap();
        assert_eq!((client.alpn_protocol(), client.protocol_version()), (answer, Some(spoken)));
        assert_eq!(server.server_name(), Some(host));
        assert_eq!(client.peer_certificates().unwrap().len(), 2);
    }
}

#[test]
fn a_second_connection_resumes_but_not_under_another_name() {
    let folder = Folder::new();
    let leaves = leaves(&folder);
    let client = client(&leaves, &[HTTP1], rustls::ALL_VERSIONS);
    let kind = |host: &str| {
        let (client, _) = handshake(&client, leaves.server_config(host, Some(HTTP1)).unwrap(), host).unwrap();
        client.handshake_kind().unwrap()
    };
    assert_eq!(kind("api.openai.com"), HandshakeKind::Full);
    assert_eq!(kind("api.openai.com"), HandshakeKind::Resumed);
    assert_eq!(kind("x.azure.com"), HandshakeKind::Full);
}

#[test]
fn upstreams_are_offered_post_quantum_and_classical_key_exchange_at_once() {
    let folder = Folder::new();
    let leaves = leaves(&folder);
    let mut roots = RootCertStore::empty();
    roots.add(leaves.authority().root().der.clone()).unwrap();
    let upstreams = crate::tls::Upstreams::with_roots(roots).unwrap();
    for group in [kx_group::X25519MLKEM768, kx_group::X25519] {
        let mut provider = rustls::crypto::aws_lc_rs::default_provider();
        provider.kx_groups = vec![group];
        let key = leaves.mint("api.openai.com", SystemTime::now()).unwrap().0;
        let server = ServerConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
        let mut client = (*upstreams.client_config(crate::tls::Offer::Both)).clone();
        client.resumption = rustls::client::Resumption::disabled();
        let (client, _) = handshake(&Arc::new(client), Arc::new(server), "api.openai.com").unwrap();
        assert_eq!(client.negotiated_key_exchange_group().unwrap().name(), group.name());
        assert_eq!(client.handshake_kind(), Some(HandshakeKind::Full), "a second round trip was needed");
    }
}

#[test]
fn settings_are_kept_and_minted_anew_before_they_expire() {
    let folder = Folder::new();
    let leaves = leaves(&folder);
    let now = SystemTime::now();
    let at = |alpn, time| leaves.server_config_at("api.openai.com", alpn, time).unwrap();
    let first = at(Some(H2), now);
    assert!(Arc::ptr_eq(&first, &at(Some(H2), now + 5 * DAY)));
    let plain = at(None, now);
    assert!(!Arc::ptr_eq(&first, &plain) && Arc::ptr_eq(&plain, &at(None, now)));
    assert!(Arc::ptr_eq(&leaves.ready.read().unwrap()["api.openai.com"].configs[0].1, &first));
    let refreshed = at(Some(H2), now + LEAF_VALIDITY - LEAF_REFRESHED);
    assert!(!Arc::ptr_eq(&first, &refreshed));
    assert!(Arc::ptr_eq(&refreshed, &at(Some(H2), now + 7 * DAY)));
}

#[test]
fn a_leaf_never_outlives_its_authority() {
    let folder = Folder::new();
    let leaves = leaves(&folder);
    let ends = leaves.authority().issuing().not_after;
    leaves.server_config_at("api.openai.com", None, ends - DAY).unwrap();
    let ready = leaves.ready.read().unwrap()["api.openai.com"].refresh;
    assert_eq!(ready, ends);
    let late = leaves.server_config_at("api.openai.com", None, ends).unwrap_err();
    assert!(matches!(late, LeafError::Expired) && late.to_string().contains("--renew"));
}

#[test]
fn a_host_outside_the_constraints_is_refused() {
    let folder = Folder::new();
    let leaves = leaves(&folder);
    let refused = leaves.server_config("bank.example", None).unwrap_err();
    assert!(matches!(&refused, LeafError::NotPermitted(host) if host == "bank.example"));
    assert!(leaves.ready.read().unwrap().is_empty());
}

#[test]
fn the_host_used_longest_ago_makes_room() {
    let folder = Folder::new();
    let leaves = leaves(&folder);
    let kept = leaves.server_config("api.openai.com", None).unwrap();
    for count in 0..MAX_LEAVES + 10 {
        leaves.server_config(&format!("h{count}.azure.com"), None).unwrap();
        assert!(Arc::ptr_eq(&kept, &leaves.server_config("api.openai.com", None).unwrap()));
    }
    let ready = leaves.ready.read().unwrap();
    assert_eq!(ready.len(), MAX_LEAVES);
    assert!(
        !ready.contains_key("h0.azure.com") && ready.contains_key(&format!("h{}.azure.com", MAX_LEAVES + 9))
    );
}

#[test]
fn a_long_host_name_is_served_too() {
    let folder = Folder::new();
    let leaves = leaves(&folder);
    let host = format!("{}.{}.azure.com", "a".repeat(63), "b".repeat(63));
    let server = leaves.server_config(&host, None).unwrap();
    handshake(&client(&leaves, &[], rustls::ALL_VERSIONS), server, &host).unwrap();
}
