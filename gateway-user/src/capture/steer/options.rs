//! What is asked of steering, checked and put into the kernel's form.

use super::maps::Maps;
use super::{SteerError, endpoint, namespaces};
use crate::config::{Fail, Quic, SteerScope};
use gateway_ebpf::{
    Endpoint, FAIL_CLOSED, FAIL_OPEN, Listener, MAX_ENDPOINTS, MAX_HOSTS, Name, QUIC_ALL, QUIC_KNOWN,
    SCOPE_KNOWN, SCOPE_TLS, Settings,
};
use std::collections::HashMap;
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::path::PathBuf;

/// Longest host name (RFC 1035, section 2.3.4, without the length bytes).
const MAX_NAME: usize = 253;

/// What to steer, and where to.
#[derive(Clone, Debug)]
pub struct SteerOptions {
    /// The cgroup's directory; its descendants are included.
    pub cgroup: PathBuf,
    /// The gateway's listener for IPv4.
    pub listen_v4: SocketAddrV4,
    /// Its listener for IPv6; without one, IPv6 is steered to the IPv4 listener, which IPv6-only sockets cannot reach.
    pub listen_v6: Option<SocketAddrV6>,
    /// Steered ports; usually `[80, 443]`.
    pub ports: Vec<u16>,
    /// Destinations that are always steered, such as engines on this machine; at most 256. All of loopback counts as
    /// one host here.
    pub endpoints: Vec<SocketAddr>,
    /// Which connections to the ports. Those to addresses learned for known hosts are steered on every port but
    /// 21, 22, 23, 25, 53, 110, 119, 143, 465, 587, 993 and 995, where the server speaks first or no LLM is served:
    /// a CDN may share the address with such a server. To name one of them among the ports steers it, too.
    pub scope: SteerScope,
    /// Which UDP is refused, so that QUIC falls back to TCP.
    pub quic: Quic,
    /// What happens when no gateway runs.
    pub fail: Fail,
    /// Hosts whose addresses are learned: `api.example.com`, or `*.example.com` for every name below it; at most 4096.
    pub known_hosts: Vec<String>,
}

/// [`SteerOptions`] in the kernel's form.
pub(super) struct Compiled {
    pub(super) settings: Settings,
    /// The patterns by their number, to name what was learned.
    pub(super) patterns: HashMap<u64, String>,
    hosts: Vec<(Name, u32, u64)>,
    ports: Vec<u16>,
    endpoints: Vec<(Endpoint, u32)>,
    listener: Listener,
}

impl SteerOptions {
    pub(super) fn compile(&self, object: u64) -> Result<Compiled, SteerError> {
        bounded("endpoints", self.endpoints.len(), MAX_ENDPOINTS)?;
        bounded("known hosts", self.known_hosts.len(), MAX_HOSTS)?;
        let mut hosts = Vec::with_capacity(self.known_hosts.len());
        let mut patterns = HashMap::new();
        for pattern in &self.known_hosts {
            let bad = || SteerError::BadHost(pattern.clone());
            check_host(pattern).then_some(()).ok_or_else(bad)?;
            let (name, bytes) = Name::of_pattern(pattern).ok_or_else(bad)?;
            hosts.push((name, bytes, pattern_number(pattern)));
            patterns.insert(pattern_number(pattern), pattern.clone());
        }
        let scope = if self.scope == SteerScope::Known { SCOPE_KNOWN } else { SCOPE_TLS };
        let fail = if self.fail == Fail::Open { FAIL_OPEN } else { FAIL_CLOSED };
        let quic = if self.quic == Quic::All { QUIC_ALL } else { QUIC_KNOWN };
        Ok(Compiled {
            settings: Settings { object, scope, fail, quic, endpoints: self.endpoints.len() as u32 },
            patterns,
            hosts,
            ports: self.ports.clone(),
            endpoints: self.endpoints.iter().map(|&to| (endpoint(to).as_key(), 1)).collect(),
            listener: namespaces::listener(self.listen_v4, self.listen_v6),
        })
    }
}

impl Compiled {
    /// Writes the tables; the settings come last, as they say that the rest is there.
    pub(super) fn store(&self, maps: &Maps, netns: u64) -> Result<(), SteerError> {
        maps.listeners.put(netns, self.listener)?;
        maps.set_ports(&self.ports)?;
        maps.endpoints.replace(&self.endpoints)?;
        maps.set_hosts(&self.hosts)?;
        maps.set_settings(self.settings)
    }
}

/// The pattern's number in the kernel's tables: a hash of it, so that what an earlier gateway learned keeps its
/// meaning when the list of patterns changes.
pub(super) fn pattern_number(pattern: &str) -> u64 {
    digest(&pattern.to_ascii_lowercase().into_bytes())
}

/// FNV-1a, 64 bits.
pub(super) fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// A name, or `*.` and a name.
fn check_host(pattern: &str) -> bool {
    let name = pattern.strip_prefix("*.").unwrap_or(pattern);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    name.len() <= MAX_NAME && name.split('.').all(is_label)
}

fn bounded(what: &'static str, count: usize, limit: u32) -> Result<(), SteerError> {
    if count <= limit as usize { Ok(()) } else { Err(SteerError::TooMany { what, count, limit }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(known_hosts: &[&str]) -> SteerOptions {
        SteerOptions {
            cgroup: "/nowhere".into(),
            listen_v4: "127.0.0.1:4443".parse().expect("an address"),
            listen_v6: None,
            ports: vec![443],
            endpoints: vec![],
            scope: SteerScope::Tls,
            quic: Quic::Known,
            fail: Fail::Closed,
            known_hosts: known_hosts.iter().map(|&host| host.to_owned()).collect(),
        }
    }

    #[test]
    fn hosts_are_names_or_suffixes() {
        let check = |host: &str, good: bool| assert_eq!(options(&[host]).compile(0).is_ok(), good, "{host}");
        check("api.openai.com", true);
        check("*.openai.azure.com", true);
        check("xn--bcher-kva.example", true);
        for bad in ["", "*", "*.", "a..b", "a.*.b", "https://a.b", "a.b.", "a b", &"a".repeat(64)] {
            check(bad, false);
        }
    }

    #[test]
    fn names_are_stored_reversed_and_closed() {
        let check = |pattern: &str, expected: &[u8]| {
            let (name, bytes) = Name::of_pattern(pattern).expect("short enough");
            assert_eq!(&name.bytes[..bytes as usize], expected, "{pattern}");
            assert!(name.bytes[bytes as usize..].iter().all(|&byte| byte == 0), "{pattern}");
        };
        check("Api.Example.COM", b"moc.elpmaxe.ipa\0");
        check("*.example.com", b"moc.elpmaxe.");
        check("@Z[`z{\u{e9}", b"\xa9\xc3{z`[z@\0");
    }

    #[test]
    fn more_than_fits_is_an_error() {
        let mut options = options(&[]);
        options.endpoints = (0..=256).map(|port| ([127, 0, 0, 1], port).into()).collect();
        assert!(matches!(options.compile(0), Err(SteerError::TooMany { limit: 256, .. })));
    }
}
