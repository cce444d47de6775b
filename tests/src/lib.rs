//! The harness of the tests that run the real binary: the gateway as a process, raw HTTP, recorded traffic, a world.

pub mod corpus;
pub mod cpu;
pub mod gateway;
pub mod http;

use std::time::Duration;

/// How long a test waits for a condition before it fails; long, because machines are shared.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Starts a simulated provider with the usual options.
pub async fn provider() -> ::gateway::simulate::Provider {
    provider_with(::gateway::simulate::ProviderOptions::default()).await
}

/// Starts a simulated provider.
pub async fn provider_with(options: ::gateway::simulate::ProviderOptions) -> ::gateway::simulate::Provider {
    ::gateway::simulate::Provider::start(options).await.expect("the simulated provider starts")
}

/// A provider that plays `replies` byte for byte.
pub async fn playing(replies: ::gateway::simulate::Playback) -> ::gateway::simulate::Provider {
    let playback = Some(std::sync::Arc::new(replies));
    provider_with(::gateway::simulate::ProviderOptions { playback, ..Default::default() }).await
}

/// The body of an OpenAI chat request whose user message is `text` with the script line `#sim script`.
pub fn chat(text: &str, script: &str, stream: bool) -> String {
    let content = format!("{text}\n#sim {script}");
    let message = serde_json::json!({"role": "user", "content": content});
    serde_json::json!({"model": "gpt-4o-mini", "stream": stream, "messages": [message]}).to_string()
}

/// The body of an Anthropic messages request, as [`chat`].
pub fn messages(text: &str, script: &str, stream: bool) -> String {
    let content = format!("{text}\n#sim {script}");
    let message = serde_json::json!({"role": "user", "content": content});
    serde_json::json!({"model": "claude-sonnet-4-5", "max_tokens": 1024, "stream": stream, "messages": [message]})
        .to_string()
}
pub mod websocket;
pub mod world;
