//! Many streams at once, their memory, their delay, and what happens when one side goes away.

use std::time::Duration;

use gateway::simulate::{Outcome, Script};
use gateway_tests::gateway::Gateway;
use gateway_tests::http::Connection;
use gateway_tests::{PATIENCE, chat, provider};

const PATH: &str = "/v1/chat/completions";

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_streams_stay_under_128_mb_and_end_with_their_clients() {
    raise_descriptor_limit();
    let provider = provider().await;
    let upstream = format!("https://localhost:{}", provider.https.port());
    let gateway = Gateway::proxy(&provider, &upstream, &["--budget", "1000"]).await;
    let address = gateway.address;
    // The opening and the first delta come at once, the next one long after the measurement.
    let open = |index: usize| {
        tokio::spawn(async move {
            let mut connection = Connection::plain(address).await;
            connection
                .post(PATH, &chat(&format!("stream {index}"), "deltas=1000 pace_us=60000000", true))
                .await;
            while memchr::memmem::find_iter(connection.unread(), b"\"content\":\"").count() < 2 {
                let more = connection.more().await;
                assert!(more, "stream {index} ended: {}", connection.unread().escape_ascii());
            }
            connection
        })
    };
    let mut streams = Vec::new();
    while streams.len() < 1000 {
        let opening: Vec<_> = (streams.len()..streams.len() + 50).map(open).collect();
        for stream in opening {
            streams.push(stream.await.expect("the stream runs"));
        }
    }
    assert_eq!(provider.received().iter().filter(|one| one.outcome == Outcome::Running).count(), 1000);
    let (now, most) = gateway.memory();
    println!("1,000 streams: {} MiB now, {} MiB at most", now >> 10, most >> 10);
    assert!(most < 128 << 10, "{most} KiB for 1,000 streams");
    drop(streams);
    let gone = |one: &gateway::simulate::Received| one.outcome == Outcome::Cancelled;
    provider.until(PATIENCE, |all| all.iter().all(gone)).await.expect("upstream ends with the client");
    gateway.state.records_until(|records| records.len() == 1000).await;
    gateway.stop().await;
}

/// Nagle's algorithm against delayed acknowledgements costs 40 ms a delta, again and again. A busy machine may
/// be late now and then, so one clean run of three is asked for.
#[tokio::test]
async fn no_delta_waits_for_a_delayed_acknowledgement() {
    let provider = provider().await;
    let upstream = format!("https://localhost:{}", provider.https.port());
    let gateway = Gateway::proxy(&provider, &upstream, &[]).await;
    let mut late = Vec::new();
    for _ in 0..3 {
        let delays = delays(&gateway).await;
        late = delays.into_iter().filter(|delay| *delay > Duration::from_millis(30)).collect();
        if late.is_empty() {
            break;
        }
    }
    assert!(late.is_empty(), "in each of three runs deltas were late, in the last by {late:?}");
    gateway.stop().await;
}

/// How long each delta of a paced stream took from the provider to here.
async fn delays(gateway: &Gateway) -> Vec<Duration> {
    let mut connection = Connection::plain(gateway.address).await;
    connection.post(PATH, &chat("x", "say=stamps deltas=100 pace_us=10000", true)).await;
    let (mut delays, mut seen) = (Vec::new(), 0);
    while delays.len() < 100 {
        assert!(connection.more().await, "the stream ended after {} deltas", delays.len());
        let now =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
        let unread = connection.unread();
        while let Some(at) = memchr::memmem::find(&unread[seen..], b"tok") {
            let Some(sent) = unread.get(seen + at + 3..).and_then(Script::read_stamp) else { break };
            delays.push(Duration::from_nanos(now.saturating_sub(sent)));
            seen += at + 19;
        }
    }
    delays
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_request_upstream() {
    let provider = provider().await;
    let gateway =
        Gateway::proxy(&provider, &format!("https://localhost:{}", provider.https.port()), &[]).await;
    let mut connection = Connection::plain(gateway.address).await;
    connection.post(PATH, &chat("x", "deltas=100000 pace_us=1000", true)).await;
    while connection.unread().len() < 2000 {
        assert!(connection.more().await);
    }
    drop(connection);
    provider
        .until(PATIENCE, |all| all[0].outcome == Outcome::Cancelled)
        .await
        .expect("upstream is cancelled");
    let records = gateway.state.records_until(|records| records.len() == 1).await;
    assert!(
        records[0]["cost"].as_u64().is_some_and(|cost| cost > 0),
        "what passed is charged: {}",
        records[0]
    );
    gateway.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_the_provider_back() {
    let provider = provider().await;
    let gateway =
        Gateway::proxy(&provider, &format!("https://localhost:{}", provider.https.port()), &[]).await;
    let mut connection = Connection::plain(gateway.address).await;
    connection.post(PATH, &chat("x", "deltas=1000000", true)).await;
    while connection.unread().is_empty() {
        assert!(connection.more().await);
    }
    // Nothing is read any more: what was sent comes to rest once every buffer on the way is full.
    let mut sent = 0;
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = provider.received()[0].sent.len();
        if now == sent {
            break;
        }
        sent = now;
        assert!(sent < 64 << 20, "{sent} bytes were taken though nobody reads");
    }
    assert!(gateway.memory().1 < 96 << 10, "the gateway holds what the client does not read");
    drop(connection);
    provider
        .until(PATIENCE, |all| all[0].outcome == Outcome::Cancelled)
        .await
        .expect("upstream is cancelled");
    gateway.stop().await;
}

#[tokio::test]
async fn sigterm_lets_running_answers_end() {
    let provider = provider().await;
    let gateway =
        Gateway::proxy(&provider, &format!("https://localhost:{}", provider.https.port()), &[]).await;
    let mut connection = Connection::plain(gateway.address).await;
    connection.post(PATH, &chat("x", "deltas=50 pace_us=20000", true)).await;
    while connection.unread().is_empty() {
        assert!(connection.more().await);
    }
    let (reply, _) = tokio::join!(connection.reply(), gateway.stop());
    assert!(reply.complete && reply.text().contains("[DONE]"), "the answer was cut: {}", reply.text());
}

/// Client and provider of every stream stand in this process: two descriptors each, and the gateway inherits it.
fn raise_descriptor_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("limits can be read");
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(16_384).max(soft), hard)
        .expect("the soft limit can be raised");
}
