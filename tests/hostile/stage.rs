//! A gateway with its forward door, and a well-behaved client that must be served whatever happens beside it.

use gateway::simulate::Provider;
use gateway_tests::gateway::{Gateway, State};
use gateway_tests::http::{Connection, Reply};
use gateway_tests::{chat, provider};

use super::frames::Frames;

const PATH: &str = "/v1/chat/completions";

/// Gateway, provider, and what a client needs to reach the one through the other.
pub struct Stage {
    pub provider: Provider,
    pub gateway: Gateway,
    root: String,
    host: String,
}

impl Stage {
    pub async fn new() -> Stage {
        let provider = provider().await;
        let state = State::new(&provider);
        let host = format!("localhost:{}", provider.https.port());
        let config = state.local_catalog();
        let gateway = Gateway::proxy_on(state, &format!("https://{host}"), &["--config", &config]).await;
        let root = gateway.state.run(&["trust", "export"]).await;
        Stage { provider, gateway, root, host }
    }

    /// A tunnel to the provider's port, in which the gateway waits for a ClientHello.
    pub async fn tunnel(&self) -> Connection {
        Connection::tunnel(self.gateway.address, &self.host).await.expect("CONNECT is answered")
    }

    /// A connection whose TLS the gateway has ended.
    pub async fn secure(&self, alpn: &[&str]) -> Connection {
        self.tunnel().await.secure("localhost", &self.root, alpn).await.expect("the gateway is trusted")
    }

    /// An HTTP/2 connection with nothing sent but its preface and empty settings.
    pub async fn http2(&self) -> Frames {
        Frames::open(self.secure(&["h2"]).await.into_stream()).await
    }

    /// One request over a connection of its own.
    pub async fn ask(&self) -> Reply {
        let mut connection = self.secure(&["http/1.1"]).await;
        connection.post(PATH, &chat("hello", "deltas=5", true)).await;
        connection.reply().await
    }

    /// Checks that others are served, and that the gateway's memory grew by at most `mebibytes` since `before`
    /// (resident KiB), then ends it and looks for panics.
    pub async fn check(self, before: u64, mebibytes: u64) {
        let reply = self.ask().await;
        assert_eq!((reply.status, reply.complete), (200, true), "others are served: {}", reply.text());
        let grown = self.gateway.memory().1.saturating_sub(before) >> 10;
        assert!(grown <= mebibytes, "the gateway grew by {grown} MiB, more than {mebibytes}");
        self.gateway.stop().await;
    }
}
