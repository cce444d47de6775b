//! Remembers who refused our certificate for which host, so that policy can let them pass or say what to do.

use std::{
    collections::HashMap,
    io,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use rustls::AlertDescription;

use crate::identity::Principal;

/// How long connections are relayed after a refused handshake, where policy says so.
pub const RELAYED_FOR: Duration = Duration::from_secs(600);

/// Most clients remembered; beyond it the one whose last refusal is longest ago is forgotten.
pub const MOST: usize = 1024;

/// Who speaks to whom: what counts as the same client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Client {
    app: String,
    process: String,
    uid: u32,
    host: String,
}

/// Clients that refused our certificate, and when they last did.
#[derive(Default)]
pub struct Untrusted {
    clients: Mutex<HashMap<Client, Instant>>,
    /// How many there are: a handshake that succeeds looks here first, and mostly no further.
    count: AtomicUsize,
}

impl Untrusted {
    /// `who` refused our certificate for `host`.
    pub fn refused(&self, who: &Principal, host: &str, now: Instant) {
        let mut clients = self.lock();
        let client = client(who, host);
        if clients.len() >= MOST
            && !clients.contains_key(&client)
            && let Some(oldest) = clients.iter().min_by_key(|(_, at)| **at).map(|(client, _)| client.clone())
        {
            clients.remove(&oldest);
        }
        clients.insert(client, now);
        self.count.store(clients.len(), Ordering::Relaxed);
    }

    /// `who` accepted our certificate for `host`: what was remembered is forgotten.
    pub fn accepted(&self, who: &Principal, host: &str) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut clients = self.lock();
        clients.remove(&client(who, host));
        self.count.store(clients.len(), Ordering::Relaxed);
    }

    /// Whether `who` refused our certificate for `host` not long ago.
    pub fn is_refusing(&self, who: &Principal, host: &str, now: Instant) -> bool {
        if self.count.load(Ordering::Relaxed) == 0 {
            return false;
        }
        self.lock().get(&client(who, host)).is_some_and(|at| now.duration_since(*at) < RELAYED_FOR)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Client, Instant>> {
        // A single insert or removal cannot leave the map half changed.
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn client(who: &Principal, host: &str) -> Client {
    Client { app: who.app.clone(), process: who.comm.clone(), uid: who.uid, host: host.to_owned() }
}

/// Why a handshake that we had answered with our certificate counts as refused by the client; none when it failed
/// for another reason.
///
/// The client says so by an alert (RFC 8446 §6.2), or goes away after our flight, as some runtimes do without a word.
pub fn why(error: &io::Error) -> Option<&'static str> {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::AlertReceived(alert)) => match alert {
            AlertDescription::UnknownCA => Some("alert unknown_ca"),
            AlertDescription::BadCertificate => Some("alert bad_certificate"),
            AlertDescription::CertificateUnknown => Some("alert certificate_unknown"),
            AlertDescription::UnsupportedCertificate => Some("alert unsupported_certificate"),
            AlertDescription::CertificateExpired => Some("alert certificate_expired"),
            _ => None,
        },
        Some(_) => None,
        None => match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                Some("it went away when it had seen our certificate")
            }
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(process: &str) -> Principal {
        Principal { app: "app".to_owned(), comm: process.to_owned(), uid: 7, ..Principal::default() }
    }

    #[test]
    fn a_refusal_is_remembered_for_ten_minutes_and_forgotten_when_a_handshake_succeeds() {
        let (untrusted, start) = (Untrusted::default(), Instant::now());
        untrusted.refused(&who("java"), "api.openai.com", start);
        let refusing = |process, host, at| untrusted.is_refusing(&who(process), host, at);
        assert!(refusing("java", "api.openai.com", start + RELAYED_FOR / 2));
        assert!(!refusing("java", "api.anthropic.com", start), "another host");
        assert!(!refusing("curl", "api.openai.com", start), "another process");
        assert!(!refusing("java", "api.openai.com", start + RELAYED_FOR));
        untrusted.accepted(&who("java"), "api.openai.com");
        assert!(!refusing("java", "api.openai.com", start));
    }

    #[test]
    fn the_number_of_clients_is_bounded_and_the_oldest_go_first() {
        let (untrusted, start) = (Untrusted::default(), Instant::now());
        for n in 0..MOST as u64 + 3 {
            untrusted.refused(&who(&format!("p{n}")), "api.openai.com", start + Duration::from_millis(n));
        }
        assert_eq!(untrusted.lock().len(), MOST);
        assert!(!untrusted.is_refusing(&who("p0"), "api.openai.com", start));
        assert!(untrusted.is_refusing(&who("p3"), "api.openai.com", start));
    }

    #[test]
    fn only_what_the_client_says_about_our_certificate_counts() {
        let tls = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        let alert = |alert| tls(rustls::Error::AlertReceived(alert));
        for (error, counts) in [
            (alert(AlertDescription::UnknownCA), true),
            (alert(AlertDescription::BadCertificate), true),
            (alert(AlertDescription::CertificateUnknown), true),
            (alert(AlertDescription::HandshakeFailure), false),
            (alert(AlertDescription::ProtocolVersion), false),
            (tls(rustls::Error::DecryptError), false),
            (io::ErrorKind::UnexpectedEof.into(), true),
            (io::ErrorKind::ConnectionReset.into(), true),
            (io::ErrorKind::TimedOut.into(), false),
        ] {
            assert_eq!(why(&error).is_some(), counts, "{error:?}");
        }
    }
}
