//! What every client must see, and what the provider's log must prove.

use gateway::simulate::{Outcome, sample_key};
use gateway_tests::{PATIENCE, world};

use crate::client::{Client, Mode, Scene, Tool};

/// The prose the simulated provider begins with.
const PROSE: &str = "The gateway reads along while the answer streams";

/// A whole answer arrives, over the version of HTTP the client chose.
pub fn whole(client: Client) {
    world::inside(move |_| async move {
        let scene = Scene::new().await;
        let seen =
            scene.run(client, Mode::Whole, &client.prompt("hello", "deltas=20"), &["--budget", "10"]).await;
        assert!(seen.text.starts_with(PROSE) && seen.error.is_none(), "{seen:?}");
        let received = scene.provider.received();
        assert_eq!(received.len(), 1);
        let expected = if client.tool == Tool::Curl { "HTTP/2.0" } else { "HTTP/1.1" };
        assert_eq!(format!("{:?}", received[0].version), expected);
        let host = if client.anthropic { "api.anthropic.com" } else { "api.openai.com" };
        assert_eq!(received[0].authority, host);
        let records = scene.state.records().await;
        assert_eq!(records.len(), 1, "{records:#?}");
        assert_eq!(records[0]["verdict"].as_str(), Some("allowed"), "{}", records[0]);
        assert_eq!(records[0]["host"].as_str(), Some(host));
    });
}

/// A streamed answer arrives, delta by delta.
pub fn streamed(client: Client) {
    world::inside(move |_| async move {
        let scene = Scene::new().await;
        let prompt = client.prompt("hello", "deltas=40 pace_us=1000");
        let seen = scene.run(client, Mode::Stream, &prompt, &["--budget", "10"]).await;
        assert!(seen.text.starts_with(PROSE) && seen.error.is_none(), "{seen:?}");
        assert_eq!(seen.text.split_whitespace().count(), 40);
        assert!(seen.chunks >= 40, "{seen:?}");
        assert_eq!(scene.provider.received().len(), 1);
    });
}

/// A tool call arrives whole, and its result goes up.
pub fn tool(client: Client) {
    world::inside(move |_| async move {
        let scene = Scene::new().await;
        let prompt = client.prompt("What is the weather?", "say=tool");
        let seen = scene.run(client, Mode::Tool, &prompt, &["--budget", "10"]).await;
        assert_eq!(seen.tool.as_deref(), Some("weather"), "{seen:?}");
        let arguments: serde_json::Value = serde_json::from_str(&seen.arguments).expect("whole arguments");
        assert_eq!(arguments["city"], "Paris");
        if client.tool != Tool::Curl {
            assert_eq!(seen.text, "The tool said: sunny");
            assert_eq!(scene.provider.received().len(), 2);
        }
    });
}

/// A key in the prompt does not leave, and a key in the answer does not arrive.
pub fn redaction(client: Client) {
    world::inside(move |_| async move {
        let scene = Scene::new().await;
        let prompt = client.prompt(&format!("My key is {}, keep it.", sample_key()), "say=key deltas=40");
        let seen = scene.run(client, Mode::Stream, &prompt, &["--budget", "10"]).await;
        assert!(seen.text.contains("_REDACTED] and please"), "{seen:?}");
        assert!(!seen.text.contains(&sample_key()), "{seen:?}");
        let received = scene.provider.received();
        assert_eq!(received.len(), 1);
        assert!(!scene.provider.saw(sample_key().as_bytes()), "the key left the machine");
        assert!(received[0].text().contains("_REDACTED], keep it."), "{}", received[0].text());
    });
}

/// A refusal is an error with status 400 whose message the client shows; nothing goes up, nothing is retried.
pub fn refusal(client: Client) {
    world::inside(move |_| async move {
        let scene = Scene::new().await;
        let prompt = client.prompt("hello", "");
        let seen = scene.run(client, Mode::Stream, &prompt, &["--budget", "0.000000001"]).await;
        assert_eq!(seen.status, Some(400), "{seen:?}");
        assert!(seen.error.as_deref().unwrap_or("").to_lowercase().contains("budget"), "{seen:?}");
        assert!(scene.provider.received().is_empty());
        let records = scene.state.records().await;
        assert_eq!(records.len(), 1, "refused once, not retried: {records:#?}");
    });
}

/// A stream is cut at its budget: the text so far and the reason are shown, and it is not asked for again.
pub fn cut(client: Client) {
    world::inside(move |_| async move {
        let scene = Scene::new().await;
        let budget = if client.anthropic { "0.005" } else { "0.0001" };
        let prompt = client.prompt("hello", "deltas=5000 pace_us=200");
        let seen = scene.run(client, Mode::Stream, &prompt, &["--budget", budget]).await;
        assert!(seen.text.starts_with(PROSE) && seen.error.is_none(), "{seen:?}");
        assert!(seen.text.to_lowercase().contains("budget"), "the reason is not shown: {seen:?}");
        assert!(seen.finish.is_some(), "{seen:?}");
        assert_eq!(scene.provider.received().len(), 1);
        let cancelled = |all: &[gateway::simulate::Received]| all[0].outcome == Outcome::Cancelled;
        scene.provider.until(PATIENCE, cancelled).await.expect("upstream is cancelled");
        let records = scene.state.records().await;
        assert_eq!(records[0]["verdict"].as_str(), Some("cut"), "{}", records[0]);
    });
}
