//! What the operator asked for: read in layers, compiled, and for each value where it came from.

mod apps;
mod explain;
mod keys;
mod layers;
mod node;
mod place;
mod problem;
mod read;
mod security;
mod suggest;
#[macro_use]
mod values;
mod tools;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;

pub use apps::{AppConfig, MAX_APPS};
pub use explain::Explained;
pub use layers::{Layers, Overrides};
pub use place::Place;
pub use problem::{Origin, Problem};
pub use security::{ContentCategory, ModelName, PiiType, Security, Switch};
pub use suggest::did_you_mean;
pub use tools::{
    ArgumentRule, MAX_TOOL_PATTERN, MAX_TOOL_RULES, Refused, ToolCalling, ToolPolicy, Tools, argument_pattern,
};
pub use values::{
    Action, Cut, Dictionary, Fail, Limits, LocalEngine, Mode, Plain, Quic, ReportingPaths, RuleActions,
    Rules, SignedRequests, SteerScope, Tokens, Treatment, UnknownModel, Untrusting, Via, WebSocket, dollars,
    nano_dollars,
};

/// The exit code for a command line or configuration that cannot be used (`EX_USAGE` of sysexits.h).
pub const EXIT_USAGE: u8 = 64;

/// The effective configuration. Immutable: a reload makes another one.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whether verdicts are enforced or only reported.
    pub mode: Mode,
    /// The most that may be spent in all, in nano-dollars; `None` only counts.
    pub budget: Option<u64>,
    /// Where the reverse and forward proxy listen.
    pub listen: SocketAddr,
    /// Where the reverse proxy sends requests, first the preferred one; `https` or `http`, with an optional path.
    pub upstream: Vec<Uri>,
    /// More roots that upstreams may chain to, PEM.
    pub upstream_ca: Option<PathBuf>,
    /// Where keys, records and the ledger live.
    pub state: PathBuf,
    /// What happens to steered connections while the gateway is not running.
    pub fail: Fail,
    /// Which connections are steered into the gateway.
    pub steer: SteerScope,
    /// How connections are steered.
    pub via: Via,
    /// The TCP ports that are steered.
    pub ports: Vec<u16>,
    /// Which UDP is refused.
    pub quic: Quic,
    /// What becomes of single LLM hosts: by name, or by `*.` and a name for all below it; the longest match wins.
    pub hosts: BTreeMap<String, Treatment>,
    /// What becomes of plain HTTP to LLM hosts on other machines.
    pub plain: Plain,
    /// What becomes of the paths on which programs report about themselves.
    pub telemetry: ReportingPaths,
    /// What becomes of programs that refuse our certificates.
    pub untrusted: Untrusting,
    /// How a reply ends that is cut in mid-stream.
    pub cut: Cut,
    /// What happens to signed requests that are to be changed.
    pub signed_requests: SignedRequests,
    /// What happens to WebSockets on LLM hosts.
    pub websocket: WebSocket,
    /// What is looked for, and what is done about it.
    pub rules: Rules,
    /// How often tools may be called.
    pub tool_calling: ToolCalling,
    /// Which tools may be called, with which arguments.
    pub tools: Tools,
    /// What is kept of the tokens that rules give.
    pub tokens: Tokens,
    /// The prompt firewall and the content filter.
    pub security: Security,
    /// Provider files beside the built-in ones.
    pub providers: Vec<PathBuf>,
    /// The local engines that are steered and inspected.
    pub local: Vec<LocalEngine>,
    /// Price files beside the built-in ones.
    pub prices: Vec<PathBuf>,
    /// What a model without a price costs.
    pub unknown_model: UnknownModel,
    /// The bounds of everything.
    pub limits: Limits,
    /// Threads of the data plane.
    pub workers: usize,
    /// The apps that are served by one gateway, where the file names them.
    pub apps: Vec<AppConfig>,
    /// Where metrics are served besides the control socket; always a loopback address.
    pub metrics: Option<SocketAddr>,
    origins: Vec<Origin>,
}

impl Config {
    /// What holds when nothing is configured, for the calling user.
    pub fn built_in() -> Config {
        let defaults = Limits {
            connections: 4096,
            header_bytes: 64 * 1024,
            request_bytes: 32 * 1024 * 1024,
            reply_held_bytes: 1024 * 1024,
            handshake: Duration::from_secs(10),
            idle: Duration::from_secs(300),
            upstream_connect: Duration::from_secs(10),
            first_byte: Duration::from_secs(600),
            drain: Duration::from_secs(30),
        };
        Config {
            mode: Mode::Strict,
            budget: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 8000)),
            upstream: vec![],
            upstream_ca: None,
            state: layers::default_state(|_| None),
            fail: Fail::Closed,
            steer: SteerScope::Tls,
            via: Via::Auto,
            ports: vec![80, 443],
            quic: Quic::All,
            hosts: BTreeMap::new(),
            plain: Plain::Refuse,
            telemetry: ReportingPaths::Pass,
            untrusted: Untrusting::Refuse,
            cut: Cut::Text,
            signed_requests: SignedRequests::Block,
            websocket: WebSocket::Inspect,
            rules: Rules::default(),
            security: Security::default(),
            tool_calling: ToolCalling::default(),
            tools: Tools::default(),
            tokens: Tokens { ttl: Duration::from_secs(30 * 86_400), entries: 100_000 },
            providers: vec![],
            local: ["ollama", "lmstudio"].map(|id| LocalEngine { id: id.to_owned(), address: None }).to_vec(),
            prices: vec![],
            unknown_model: UnknownModel::Highest,
            limits: defaults,
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            apps: vec![],
            metrics: None,
            origins: vec![Origin::BuiltIn; keys::KEYS.len()],
        }
    }
}

#[cfg(test)]
mod tests;
