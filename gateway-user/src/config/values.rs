//! The types of configured values.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A value that is one of a few words.
pub(super) trait Choice: Copy + PartialEq + 'static {
    /// Each word and its value.
    const WORDS: &'static [(&'static str, Self)];

    /// The word for this value.
    fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, value)| *value == self).map_or("", |(word, _)| word)
    }
}

macro_rules! choice {
    ($name:ident { $($word:literal => $variant:ident),+ }) => {
        impl $crate::config::values::Choice for $name {
            const WORDS: &'static [(&'static str, Self)] = &[$(($word, $name::$variant)),+];
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str($crate::config::values::Choice::word(*self))
            }
        }
    };
}

/// Whether verdicts are enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Report and let pass: every action counts as `warn` at most.
    Warn,
    /// Enforce, and fail closed.
    Strict,
}
choice!(Mode { "warn" => Warn, "strict" => Strict });

/// What is done about a finding, weakest first; several merge by taking the greatest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Nothing; a rule with this action does not even look.
    #[default]
    Allow,
    /// Report it and let it pass; never delays a byte.
    Warn,
    /// Replace the text by the rule's mask.
    Redact,
    /// Replace the text by a token, for which replies get the text back. Only in requests.
    Tokenize,
    /// Refuse the request, or cut the reply.
    Block,
}

impl Action {
    /// Whether text under this action must not pass as it is.
    pub const fn enforces(self) -> bool {
        matches!(self, Action::Redact | Action::Tokenize | Action::Block)
    }
}
choice!(Action {
    "allow" => Allow, "warn" => Warn, "redact" => Redact, "tokenize" => Tokenize, "block" => Block
});

/// What happens to steered connections while the gateway is not running.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fail {
    /// They are refused.
    #[default]
    Closed,
    /// They go straight to where they were meant to go.
    Open,
}
choice!(Fail { "closed" => Closed, "open" => Open });

/// Which connections the kernel steers into the gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SteerScope {
    /// All to the configured ports; the TLS hello then decides.
    #[default]
    Tls,
    /// Only those to addresses that DNS answers gave for known LLM hosts. An address the app knows without asking the
    /// DNS inside the cgroup (hosts file, DNS over HTTPS, a cache over a unix socket) is not steered.
    Known,
}
choice!(SteerScope { "tls" => Tls, "known" => Known });

/// How connections are steered into the gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// The first of the others that works here.
    #[default]
    Auto,
    /// Kernel programs on the cgroup.
    Ebpf,
    /// A table of nftables rules that matches the cgroup.
    Nftables,
}
choice!(Via { "auto" => Auto, "ebpf" => Ebpf, "nftables" => Nftables });
/// Which UDP the kernel refuses, so that QUIC falls back to TCP, where it is seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quic {
    /// To addresses that DNS answers gave for known LLM hosts.
    Known,
    /// That, and to the steered ports of every host, port 80 excepted: names learned over encrypted DNS do not matter.
    #[default]
    All,
}
choice!(Quic { "all" => All, "known" => Known });

/// What happens to a request that is to be changed, but whose signature covers its body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignedRequests {
    /// It is refused: changed, the provider would refuse it.
    #[default]
    Block,
    /// It is sent as it is, and the record says so.
    Pass,
}

choice!(SignedRequests { "block" => Block, "pass" => Pass });

/// What happens to WebSockets on LLM hosts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WebSocket {
    /// Every message is judged.
    #[default]
    Inspect,
    /// Strict mode answers 426, at which clients fall back to plain HTTP; warn mode relays them unread.
    Refuse,
}
choice!(WebSocket { "inspect" => Inspect, "refuse" => Refuse });

/// How a reply ends that is cut in mid-stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cut {
    /// A last text with the reason, then the dialect's normal ending: shown by every client, retried by none.
    Text,
    /// The dialect's error event, for programs that must see an exception.
    Error,
}
choice!(Cut { "text" => Text, "error" => Error });

/// What becomes of one LLM host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Treatment {
    /// Its traffic is judged, charged and recorded.
    #[default]
    Inspect,
    /// It is passed on unread, and recorded as such.
    Relay,
    /// It is not let through.
    Refuse,
}
choice!(Treatment { "inspect" => Inspect, "relay" => Relay, "refuse" => Refuse });

/// What becomes of plain HTTP to an LLM host on another machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Plain {
    /// It is inspected like any other traffic, and goes on in clear.
    Inspect,
    /// It is answered with a refusal: key and text would cross the network for everyone to read and change.
    #[default]
    Refuse,
}
choice!(Plain { "inspect" => Inspect, "refuse" => Refuse });

/// What becomes of the paths on which programs report about themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReportingPaths {
    /// They are passed on and recorded.
    #[default]
    Pass,
    /// They are answered with a refusal.
    Refuse,
}
choice!(ReportingPaths { "pass" => Pass, "refuse" => Refuse });

/// What becomes of a program that refused our certificate for a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Untrusting {
    /// Its connections to that host are relayed for some minutes and recorded as uninspected.
    Relay,
    /// Each of its attempts fails.
    #[default]
    Refuse,
}
choice!(Untrusting { "relay" => Relay, "refuse" => Refuse });

/// What a model costs that no price file names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownModel {
    /// It is refused where an enforced budget applies, and counted as [`UnknownModel::Highest`] elsewhere.
    Refuse,
    /// It costs the highest rate of each kind in the price table: never too little.
    #[default]
    Highest,
    /// Nothing: for models that run on one's own machines.
    Free,
}
choice!(UnknownModel { "refuse" => Refuse, "highest" => Highest, "free" => Free });

/// What is looked for beside the built-in rules, and what is changed about them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Rule files, beside the built-in ones.
    pub files: Vec<PathBuf>,
    /// Ids of rules that are switched off.
    pub disable: Vec<String>,
    /// Word lists.
    pub dictionaries: Vec<Dictionary>,
    /// Actions that replace a rule's own, by rule id.
    pub actions: BTreeMap<String, RuleActions>,
}

/// A local engine on plain HTTP that is steered and inspected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalEngine {
    /// Its id in the catalog, such as `ollama`.
    pub id: String,
    /// Where it listens; its usual addresses when absent.
    pub address: Option<SocketAddr>,
}

impl fmt::Display for LocalEngine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => write!(formatter, "{}={address}", self.id),
            None => formatter.write_str(&self.id),
        }
    }
}

/// A word list that acts as one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dictionary {
    /// The rule's id: lower-case letters, digits, `-` and `_`.
    pub name: String,
    /// The words, one a line.
    pub file: PathBuf,
    /// What is done about each, in both directions.
    pub action: Action,
}

/// Actions for one rule; `None` leaves the rule's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleActions {
    /// On requests.
    pub request: Option<Action>,
    /// On replies.
    pub reply: Option<Action>,
}

/// What is kept for giving values back in place of their tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// How long a token is good after its value was last seen.
    pub ttl: Duration,
    /// Most tokens kept; beyond it those not seen for longest go first.
    pub entries: usize,
}

/// The bounds of everything that a peer could make grow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; more wait to be accepted.
    pub connections: usize,
    /// The head of one request, in bytes; that of a reply may have 256 KiB.
    pub header_bytes: usize,
    /// The body of a request that is judged whole, in bytes after decoding; strict mode refuses longer ones.
    pub request_bytes: usize,
    /// What one reply may have held back at once, in bytes; strict mode cuts it beyond.
    pub reply_held_bytes: usize,
    /// From accepting to the end of the TLS handshake.
    pub handshake: Duration,
    /// Without a byte in either direction.
    pub idle: Duration,
    /// From dialling an upstream to the end of its TLS handshake.
    pub upstream_connect: Duration,
    /// From a request's end to the first byte of its reply.
    pub first_byte: Duration,
    /// From the order to stop until running flows are ended.
    pub drain: Duration,
}

/// Reads an amount of dollars, such as `10`, `$5` or `0.000_25`, exactly into nano-dollars.
///
/// # Errors
/// When it is not a plain decimal number of at most nine places, or more than 18 billion dollars.
pub fn nano_dollars(text: &str) -> Result<u64, &'static str> {
    const WRONG: &str = "an amount is dollars in decimal, such as 10.0 or $0.25, with at most nine places";
    let text = text.strip_prefix('$').unwrap_or(text).replace('_', "");
    let (whole, places) = text.split_once('.').unwrap_or((&text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(places) || places.len() > 9 {
        return Err(WRONG);
    }
    let nanos: u64 = format!("{places:0<9}").parse().map_err(|_| WRONG)?;
    let whole: Option<u64> = whole.parse().ok();
    let all = whole.and_then(|whole| whole.checked_mul(1_000_000_000)).and_then(|all| all.checked_add(nanos));
    all.ok_or("the amount is more than 18 billion dollars")
}

/// Writes nano-dollars as dollars, with two places or as many more as it takes: `10.00`, `0.00025`.
pub fn dollars(nanos: u64) -> String {
    let mut places = format!("{:09}", nanos % 1_000_000_000);
    while places.len() > 2 && places.ends_with('0') {
        places.pop();
    }
    format!("{}.{places}", nanos / 1_000_000_000)
}
