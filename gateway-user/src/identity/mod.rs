//! Who sent a request: the principal whose rules and budgets apply.
//!
//! Invariant: a credential is only ever kept as a keyed digest.

use aws_lc_rs::hmac;
use http::HeaderMap;

/// Headers that carry a client's credential at some provider, in the order they are looked at.
const CREDENTIAL_HEADERS: [&str; 4] = ["authorization", "x-api-key", "api-key", "x-goog-api-key"];

/// Hex digits kept of a credential's digest: enough to tell keys apart, too few to confirm a guess at scale.
const DIGEST_DIGITS: usize = 16;

/// Who pays and whose rules apply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Principal {
    /// The app: the name of its cgroup, or of the door it came through.
    pub app: String,
    /// Process id, 0 when unknown.
    pub pid: u32,
    /// User id, 0 also when unknown.
    pub uid: u32,
    /// The process's short name, empty when unknown.
    pub comm: String,
    /// Keyed digest of the credential it showed.
    pub key: Option<String>,
}

/// Turns credentials into digests that mean nothing outside this installation.
pub struct Digester {
    key: hmac::Key,
}

impl Digester {
    /// A digester keyed with this installation's secret.
    pub fn new(secret: &[u8; 32]) -> Self {
        Digester { key: hmac::Key::new(hmac::HMAC_SHA256, secret) }
    }

    /// The digest of the credential in `headers`, if there is one. `Bearer` and bare keys give the same digest.
    pub fn credential(&self, headers: &HeaderMap) -> Option<String> {
        let value = CREDENTIAL_HEADERS.iter().find_map(|name| headers.get(*name))?.as_bytes();
        let bare = value.strip_prefix(b"Bearer ").unwrap_or(value);
        let tag = hmac::sign(&self.key, bare);
        let hex = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        Some(hex[..DIGEST_DIGITS].to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_key_has_the_same_digest_however_it_is_sent() {
        let digester = Digester::new(&[7; 32]);
        let headers = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            headers
        };
        let bearer = digester.credential(&headers("authorization", "Bearer sk-test")).unwrap();
        assert_eq!(Some(&bearer), digester.credential(&headers("x-api-key", "sk-test")).as_ref());
        assert_ne!(Some(&bearer), digester.credential(&headers("x-api-key", "sk-other")).as_ref());
        assert_ne!(
            Some(&bearer),
            Digester::new(&[8; 32]).credential(&headers("x-api-key", "sk-test")).as_ref()
        );
        assert!(!bearer.contains("sk-test") && bearer.len() == DIGEST_DIGITS);
        assert_eq!(digester.credential(&HeaderMap::new()), None);
    }
}
