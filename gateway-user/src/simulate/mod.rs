//! The simulated provider: a stand-in for the APIs of LLM providers, for the demo and for every test, with its own root.
//!
//! It speaks HTTP/1.1 and HTTP/2, in plain text and over TLS, needs no key and no network, and answers as the
//! request asks it to (see [`Script`]). It keeps what it received and sent, so that "this never left the machine"
//! is an assertion over bytes. For replies no HTTP library would write there is [`Playback`].

mod anthropic;
mod ask;
mod bedrock;
mod chatgpt;
mod cohere;
mod dialect;
mod gemini;
mod log;
mod mcp;
mod ollama;
mod openai;
mod playback;
mod responses;
mod root;
mod script;
mod serve;
mod server;
mod tap;
#[cfg(test)]
mod tests;
mod websocket;
pub mod world;

pub use log::{Outcome, Received, Sent};
pub use playback::{Playback, Step};
pub use root::Root;
pub use script::{Say, Script, sample_key};
pub use server::{Provider, ProviderOptions};

/// What can go wrong in the simulated provider.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// The address could not be listened on.
    #[error("the simulated provider cannot listen on {address}: {source}; choose another address")]
    Listen {
        /// The address that was asked for.
        address: std::net::SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The root or the server certificate could not be made.
    #[error("the simulated provider cannot make its certificates: {0}")]
    Certificate(String),
    /// A task of the provider panicked; its connection is lost.
    #[error("a task of the simulated provider panicked: {0}")]
    Panicked(String),
    /// A condition a caller waited for did not come true in time.
    #[error("the simulated provider waited {0:?} for a condition that did not come")]
    TimedOut(std::time::Duration),
}
