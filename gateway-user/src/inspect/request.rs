//! Whole bodies: a request before a byte of it goes upstream, a reply that does not stream.

mod document;
mod payload;
mod string;

use crate::inspect::tools::{Because, Guard, History, Policy, Used, judge_whole};
use crate::inspect::{Action, Engine, Finding, Tokens};
use crate::wire::Dialect;
use crate::wire::edit::Edit;
use crate::wire::event::{Channel, Direction, Usage};
use crate::wire::json::{JsonError, Span};
use crate::wire::reading::Facts;
use document::Document;
pub(super) use document::escaped_for;
pub(super) use string::scan_string;

/// Most findings kept for one body or stream; rules act on the others all the same.
pub const MOST_FINDINGS: usize = 1024;

/// A finding with the channel it stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Located {
    /// The channel; its `block` is the number of the message in a request, of the block or tool call in a reply.
    pub channel: Channel,
    /// The finding. In whole bodies its place counts in the decoded string it stands in.
    pub finding: Finding,
}

/// How a request is judged.
#[derive(Clone, Copy, Debug, Default)]
pub struct JudgeOptions<'a> {
    /// Also make it ask for usage at the end of its stream, see [`Judged::asked_usage`].
    pub ask_usage: bool,
    /// Also read what tools were called before, for this policy.
    pub tools: Option<&'a Policy>,
    /// Whose tokens take the place of values; without them such values are masked.
    pub tokens: Option<&'a Tokens>,
}

/// What became of a request.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The greatest action of all findings.
    pub action: Action,
    /// The body to send, if it differs from the given one. `None` also when the request is blocked.
    pub body: Option<Vec<u8>>,
    /// What was found, in the order of the body; [`MOST_FINDINGS`] at most.
    pub findings: Vec<Located>,
    /// Name of the model.
    pub model: Option<String>,
    /// Whether it is a message on a WebSocket that asks for an answer.
    pub asks: bool,
    /// The id of a call, as it stands in the body, where answers are told apart by it.
    pub call: Option<String>,
    /// Whether a stream is asked for.
    pub stream: bool,
    /// The most output tokens asked for.
    pub max_tokens: Option<u64>,
    /// Whether the client itself asks for usage at the end of the stream.
    pub wants_usage: bool,
    /// The gateway made the request ask for usage: the extra chunk must be taken out of the reply again.
    pub asked_usage: bool,
    /// Decoded bytes of text in the request, for estimating its tokens.
    pub text: u64,
    /// Bytes of base64 payloads (pictures, sound, documents), which are not read as text.
    pub payload: u64,
    /// What tools were called before.
    pub history: History,
    /// Why the body is not what its dialect says. It was judged as raw bytes instead.
    pub broken: Option<JsonError>,
}

/// Judges a whole request.
///
/// Every string is decoded and scanned as a text of its own; where a string holds JSON again, its inner form is
/// scanned too. What is to be redacted is replaced in the raw bytes; everything else keeps its bytes. Thinking blocks
/// are signed by the provider and were judged when they came: they are held to the reply's rules, and since they
/// cannot be rewritten, a redaction there blocks.
pub fn judge(engine: &Engine, dialect: &dyn Dialect, body: &[u8], options: JudgeOptions<'_>) -> Judged {
    let mut document = Document::judge(engine, Direction::Request, options.tokens, dialect.request(), body);
    let facts = &document.reading.facts;
    let wants_usage = matches!(facts.include_usage, Some((_, true)));
    let ask =
        if options.ask_usage && document.broken.is_none() { dialect.ask_usage(body, facts) } else { None };
    let asked_usage = ask.is_some();
    if let Some((span, text)) = ask {
        document.edits.push(Edit { span, text });
    }
    let facts = &document.reading.facts;
    let read = |policy| History::read(policy, body, &document.reading);
    Judged {
        history: options.tools.map(read).unwrap_or_default(),
        action: document.action,
        body: document.edited(body),
        model: text_of(body, facts.model),
        asks: dialect.asks(body, facts),
        call: dialect.call(body, facts),
        stream: facts.stream,
        max_tokens: facts.max_tokens,
        wants_usage,
        asked_usage: asked_usage && document.action < Action::Block,
        text: document.text,
        payload: facts.payload,
        broken: document.broken.filter(|_| dialect.is_known()),
        findings: document.findings,
    }
}

/// What became of a whole reply.
#[derive(Clone, Debug)]
pub struct JudgedReply {
    /// The greatest action of all findings.
    pub action: Action,
    /// The body to hand on, if it differs. `None` also when the reply is blocked.
    pub body: Option<Vec<u8>>,
    /// What was found; [`MOST_FINDINGS`] at most.
    pub findings: Vec<Located>,
    /// Name of the model.
    pub model: Option<String>,
    /// What the provider reports as used.
    pub usage: Option<Usage>,
    /// Decoded bytes of text in the reply.
    pub text: u64,
    /// The tools it calls, as they are recorded.
    pub used: Vec<Used>,
    /// A tool call is refused, and nothing can stand in its place: the reply may not go out.
    pub refused: Option<Because>,
    /// How many tokens became values again.
    pub restored: u64,
    /// Why the body is not what its dialect says. It was judged as raw bytes instead.
    pub broken: Option<JsonError>,
}

/// Judges a whole reply, as [`judge`] does a request. Token probabilities of a choice whose text is changed become
/// `null`, because they repeat the text. The client gets the values of `tokens` in place of the tokens in it. With a
/// `guard` its tool calls are judged, too.
pub fn judge_reply(
    engine: &Engine,
    tokens: Option<&Tokens>,
    dialect: &dyn Dialect,
    body: &[u8],
    guard: Option<&Guard>,
) -> JudgedReply {
    let mut document = Document::judge(engine, Direction::Reply, tokens, dialect.reply(), body);
    let calls = guard.map(|guard| judge_whole(guard, dialect, body, &document.reading)).unwrap_or_default();
    document.edits.extend(calls.edits);
    let facts = &document.reading.facts;
    JudgedReply {
        used: calls.used,
        refused: calls.stop,
        action: document.action,
        body: document.edited(body),
        model: text_of(body, facts.model),
        usage: usage_of(dialect, facts),
        text: document.text,
        restored: document.restored,
        broken: document.broken.filter(|_| dialect.is_known()),
        findings: document.findings,
    }
}

fn usage_of(dialect: &dyn Dialect, facts: &Facts) -> Option<Usage> {
    let mut usage = Usage::default();
    dialect.count(&facts.tokens, &mut usage);
    (facts.tokens.input.is_some() || facts.tokens.output.is_some()).then_some(usage)
}

fn text_of(body: &[u8], span: Option<Span>) -> Option<String> {
    Some(String::from_utf8_lossy(span?.of(body)).into_owned())
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
