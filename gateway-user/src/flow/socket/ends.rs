//! How a WebSocket ends when it is the gateway that ends it.

use crate::{audit::Verdict, wire::websocket::WebSocketError};

/// Closed as agreed (RFC 6455 §7.4.1).
const NORMAL: u16 = 1000;

/// The gateway goes away.
const AWAY: u16 = 1001;

/// Policy forbids it. Only where the protocol of the messages has no way to say so: Codex repeats its request after it.
const POLICY: u16 = 1008;

/// The other side could not be understood.
const BROKEN: u16 = 1011;

/// What each side is told, and what the record says.
#[derive(Debug)]
pub struct Close {
    /// Code for the client.
    pub client: u16,
    /// Code for the server.
    pub server: u16,
    /// Why, for the client and the record; the server gets no reason.
    pub reason: String,
    /// How the connection is recorded.
    pub verdict: Verdict,
}

impl Close {
    /// After an answer that was cut and whose ending said why.
    pub fn after_cut(reason: &str) -> Close {
        Close { client: NORMAL, server: NORMAL, reason: reason.to_owned(), verdict: Verdict::Allowed }
    }

    /// Where nothing can be said but by closing.
    pub fn for_policy(reason: &str) -> Close {
        Close { client: POLICY, server: NORMAL, reason: reason.to_owned(), verdict: Verdict::Refused }
    }

    /// Nothing comes any more, or the gateway stops.
    pub fn away(reason: &str) -> Close {
        Close { client: AWAY, server: AWAY, reason: reason.to_owned(), verdict: Verdict::Allowed }
    }

    /// The client's bytes cannot be read.
    pub fn for_client(error: WebSocketError) -> Close {
        let reason = error.to_string();
        Close { client: error.close_code(), server: NORMAL, reason, verdict: Verdict::Refused }
    }

    /// The server's bytes cannot be read.
    pub fn for_server(error: WebSocketError) -> Close {
        Close {
            client: BROKEN,
            server: error.close_code(),
            reason: error.to_string(),
            verdict: Verdict::Failed,
        }
    }
}
