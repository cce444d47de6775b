//! Clients that open connections and do nothing, or next to nothing, with them.

use super::stage::Stage;

/// As many as the issue of the day asks for.
const CROWD: usize = 1_000;

#[tokio::test]
async fn a_thousand_idle_connections_cost_little() {
    raise_limit();
    let stage = Stage::new().await;
    let before = stage.gateway.memory().1;
    let mut idle = Vec::new();
    for _ in 0..CROWD {
        idle.push(stage.secure(&["http/1.1"]).await);
    }
    stage.check(before, 96).await;
    drop(idle);
}

#[tokio::test]
async fn half_open_tunnels_and_half_sent_hellos_cost_little() {
    raise_limit();
    let stage = Stage::new().await;
    let before = stage.gateway.memory().1;
    let mut half = Vec::new();
    for number in 0..CROWD {
        let mut tunnel = stage.tunnel().await;
        if number % 2 == 0 {
            // The record says 512 bytes and holds one.
            tunnel.send(b"\x16\x03\x01\x02\x00\x01").await;
        }
        half.push(tunnel);
    }
    stage.check(before, 48).await;
    drop(half);
}

#[tokio::test]
async fn slow_heads_keep_nobody_else_waiting() {
    raise_limit();
    let stage = Stage::new().await;
    let before = stage.gateway.memory().1;
    let mut slow = Vec::new();
    for _ in 0..CROWD / 2 {
        let mut connection = stage.secure(&["http/1.1"]).await;
        connection.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nX-a: ").await;
        slow.push(connection);
    }
    for _ in 0..20 {
        for connection in &mut slow {
            connection.send(b"b").await;
        }
    }
    let served = stage.ask().await;
    assert_eq!(served.status, 200, "{}", served.text());
    assert_eq!(stage.provider.received().len(), 1, "an unfinished request went on");
    stage.check(before, 64).await;
    drop(slow);
}

/// Client and gateway need a few thousand descriptors; the gateway inherits this limit.
fn raise_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("readable limit");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("the soft limit may be raised to the hard one");
}
