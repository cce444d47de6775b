//! What is written down about one flow. Never a secret, a value that a rule found, or a query string.

use std::net::SocketAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::chain::Digest;
use super::id::FlowId;
use crate::inspect::Action;
use crate::inspect::tools::Used;
use crate::ledger::Nanos;
use crate::wire::event::{Direction, Kind, Usage};

/// One flow: a request and its reply, or a connection that was relayed or refused.
///
/// Absent fields were never learned: a relayed connection has no model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The flow.
    pub id: FlowId,
    /// When its request, or its connection, arrived; UTC.
    pub start: Timestamp,
    /// When its last byte had passed; UTC.
    pub end: Timestamp,
    /// The door it came through: `transparent`, `reverse` or `forward`.
    pub door: String,
    /// Who it belongs to.
    pub principal: Principal,
    /// The host that the program named, in its request or its TLS hello.
    pub host: String,
    /// The address that the program connected to, before it was steered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<SocketAddr>,
    /// The HTTP method.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub method: String,
    /// The path without its query.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// Who serves the host, as the catalog calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The wire API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dialect: Option<String>,
    /// The model as the client named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Whether the reply was streamed.
    #[serde(default)]
    pub stream: bool,
    /// The status sent downstream; 0 where none was.
    #[serde(default)]
    pub status: u16,
    /// Bytes received from downstream.
    #[serde(default)]
    pub bytes_up: u64,
    /// Bytes sent downstream.
    #[serde(default)]
    pub bytes_down: u64,
    /// Tokens, reported or estimated.
    #[serde(default)]
    pub tokens: Usage,
    /// The cost in nano-dollars.
    #[serde(default)]
    pub cost: Nanos,
    /// Whether tokens and cost are estimates.
    #[serde(default)]
    pub estimated: bool,
    /// What the rules found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// The tools the model called, and the results it was given since its last call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Used>,
    /// How the flow ended.
    pub verdict: Verdict,
    /// The WebSocket connection this exchange ran on, by its own record's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<FlowId>,
    /// Messages that passed on a WebSocket connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<Messages>,
    /// Why, in a sentence; empty for ordinary ends.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Digests of the request's body.
    #[serde(default)]
    pub request: Bodies,
    /// Digests of the reply's body.
    #[serde(default)]
    pub reply: Bodies,
    /// How long it took.
    #[serde(default)]
    pub timings: Timings,
}

impl Record {
    /// A record of a flow that has just begun; the rest is filled in as it is learned.
    pub fn begin(id: FlowId, start: Timestamp, door: &str, principal: Principal, host: &str) -> Record {
        Record {
            id,
            start,
            end: start,
            door: door.to_owned(),
            principal,
            host: host.to_owned(),
            original: None,
            method: String::new(),
            path: String::new(),
            provider: None,
            dialect: None,
            model: None,
            stream: false,
            status: 0,
            bytes_up: 0,
            bytes_down: 0,
            tokens: Usage::default(),
            cost: Nanos::ZERO,
            estimated: false,
            findings: Vec::new(),
            tools: Vec::new(),
            verdict: Verdict::Allowed,
            connection: None,
            messages: None,
            reason: String::new(),
            request: Bodies::default(),
            reply: Bodies::default(),
            timings: Timings::default(),
        }
    }
}

/// Who a flow belongs to, as far as the kernel and the request told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// The app, whose budget and rules apply.
    pub app: String,
    /// The process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Its user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Its command name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comm: Option<String>,
    /// The keyed digest of the API key that it sent, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// One thing that a rule found. The value itself is never kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The rule's id.
    pub rule: String,
    /// Where: in the request or the reply.
    pub direction: Direction,
    /// In which sort of text.
    pub kind: Kind,
    /// What was done about it.
    pub action: Action,
    /// How often the same value was found there.
    pub count: u32,
    /// The keyed digest of the value, in hex: equal values have equal digests in one installation.
    pub digest: String,
}

/// How a flow ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It passed, and no rule found anything.
    Allowed,
    /// It passed, and a rule or a budget has something to report.
    Warned,
    /// It passed with masks in place of what rules found.
    Redacted,
    /// A rule stopped it.
    Blocked,
    /// Its reply was ended early, with a reason the client sees.
    Cut,
    /// It went through untouched and unread: the host is not an LLM host.
    Relayed,
    /// Policy or a budget refused it before it left.
    Refused,
    /// Something broke: upstream, downstream or here.
    Failed,
}

impl Verdict {
    /// The word in records and displays.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Allowed => "allowed",
            Verdict::Warned => "warned",
            Verdict::Redacted => "redacted",
            Verdict::Blocked => "blocked",
            Verdict::Cut => "cut",
            Verdict::Relayed => "relayed",
            Verdict::Refused => "refused",
            Verdict::Failed => "failed",
        }
    }
}

/// Messages that passed on one WebSocket connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Messages {
    /// From the program.
    pub up: u64,
    /// To the program.
    pub down: u64,
}

/// SHA-256 of a body as it came in and as it went out; equal where nothing was changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bodies {
    /// As received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Digest>,
    /// As sent on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Digest>,
}

/// Durations in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timings {
    /// First byte of the request to last byte of the reply.
    pub total: u64,
    /// First byte of the request to first byte of the reply's body; 0 where none came.
    pub ttft: u64,
    /// What the gateway itself added.
    pub added: u64,
}
