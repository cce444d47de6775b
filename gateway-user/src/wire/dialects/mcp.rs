//! The Model Context Protocol over HTTP: JSON-RPC messages, as whole bodies or as events.
//!
//! Source: <https://modelcontextprotocol.io/specification> (transports: streamable HTTP), JSON-RPC 2.0. Both sides ask and
//! answer, so that one table reads requests and replies. Each event is a whole message: nothing runs on from one to the next.

use std::sync::LazyLock;

use crate::wire::dialects::{Dialect, Ending, Marks, Reason, Refusal, Sent};
use crate::wire::escape::quoted;
use crate::wire::event::{Kind, Usage};
use crate::wire::json::Span;
use crate::wire::reading::{Facts, Reach, Reading, Tokenised};
use crate::wire::shape::{Fact, Field, Scope, Shape};

/// The dialect `mcp`.
#[derive(Debug)]
pub struct Mcp;

type Row = (&'static str, Field);

/// The code of errors that a server defines itself.
const SERVER_ERROR: i32 = -32000;

/// Fields of a piece of content at `$at`, written by `$kind`.
macro_rules! content {
    ($at:literal, $kind:expr) => {
        &[
            (concat!($at, ".**"), Field::Whole($kind)),
            (concat!($at, ".type"), Field::Exempt),
            (concat!($at, ".mimeType"), Field::Exempt),
            (concat!($at, ".data"), Field::Payload($kind)),
            (concat!($at, ".blob"), Field::Payload($kind)),
            (concat!($at, ".resource.mimeType"), Field::Exempt),
            (concat!($at, ".resource.blob"), Field::Payload($kind)),
            (concat!($at, ".toolUseId"), Field::Exempt),
        ]
    };
}

const MESSAGE: &[Row] = &[
    ("jsonrpc", Field::Exempt),
    ("id", Field::Fact(Fact::Id)),
    ("method", Field::Fact(Fact::EventType)),
    ("params._meta.progressToken", Field::Exempt),
    ("params.progressToken", Field::Exempt),
    ("params.requestId", Field::Exempt),
    ("params.protocolVersion", Field::Exempt),
    ("params.cursor", Field::Exempt),
    // Calls of tools, and of prompts with arguments.
    ("params.name", Field::Whole(Kind::ToolArguments)),
    ("params.arguments.**", Field::Whole(Kind::ToolArguments)),
    ("params.uri", Field::Whole(Kind::ToolArguments)),
    // What servers ask of a model.
    ("params.systemPrompt", Field::Whole(Kind::System)),
    ("params.maxTokens", Field::Fact(Fact::MaxTokens)),
    ("params.messages[].role", Field::Exempt),
    ("params.tools[].**", Field::Whole(Kind::ToolDefinition)),
    ("params.requestedSchema.**", Field::Whole(Kind::ToolDefinition)),
    ("result.protocolVersion", Field::Exempt),
    ("result.nextCursor", Field::Exempt),
    ("result.instructions", Field::Whole(Kind::System)),
    ("result.structuredContent.**", Field::Whole(Kind::ToolResult)),
    ("result.tools[].**", Field::Whole(Kind::ToolDefinition)),
    ("result.tools[].icons[].src", Field::Url(Kind::ToolDefinition)),
    ("result.prompts[].**", Field::Whole(Kind::ToolDefinition)),
    ("result.resources[].**", Field::Whole(Kind::ToolDefinition)),
    ("result.resourceTemplates[].**", Field::Whole(Kind::ToolDefinition)),
    ("result.messages[].role", Field::Exempt),
    ("result.role", Field::Exempt),
    ("result.model", Field::Exempt),
    ("error", Field::Scope(Scope::Error)),
    ("error.**", Field::Whole(Kind::ToolResult)),
];

const RESULT: &[Row] = content!("result.content[]", Kind::ToolResult);
const SAMPLED: &[Row] = content!("result.content", Kind::Assistant);
const RESOURCE: &[Row] = content!("result.contents[]", Kind::ToolResult);
const PROMPT: &[Row] = content!("result.messages[].content", Kind::User);
const ASKED: &[Row] = content!("params.messages[].content", Kind::User);
const ASKED_PARTS: &[Row] = content!("params.messages[].content[]", Kind::User);

static SHAPE: LazyLock<Shape> = LazyLock::new(|| {
    let rows = [MESSAGE, SAMPLED, RESULT, RESOURCE, PROMPT, ASKED, ASKED_PARTS].concat();
    // Several messages in one body are an array of them.
    Shape::below(&[("", &rows), ("[]", &rows)])
});

impl Dialect for Mcp {
    fn name(&self) -> &'static str {
        "mcp"
    }

    fn request(&self) -> &'static Shape {
        &SHAPE
    }

    fn reply(&self) -> &'static Shape {
        &SHAPE
    }

    fn event(&self) -> &'static Shape {
        &SHAPE
    }

    fn refine(&self, _event: &[u8], reading: &mut Reading) {
        reading.pieces.iter_mut().for_each(|piece| piece.reach = Reach::Whole);
    }

    /// An error answers one call; the stream goes on.
    fn marks(&self, _event: &[u8], _facts: &Facts) -> Marks {
        Marks { start: true, ..Marks::default() }
    }

    fn count(&self, _tokens: &Tokenised, _usage: &mut Usage) {}

    fn call(&self, body: &[u8], facts: &Facts) -> Option<String> {
        // A client that answers is not waiting for anything.
        facts.event_type?;
        String::from_utf8(literal(body, facts.id?).to_vec()).ok()
    }

    fn refusal(&self, refusal: &Refusal<'_>) -> Vec<u8> {
        error(refusal.call.unwrap_or("null"), refusal.reason, refusal.message).into_bytes()
    }

    /// The id of the call that is being answered: not that of one the server makes itself.
    fn learn(&self, event: &[u8], facts: &Facts, sent: &mut Sent) {
        if let (None, Some(id)) = (facts.event_type, facts.id) {
            sent.id = String::from_utf8_lossy(literal(event, id)).into_owned();
        }
    }

    /// The answer that the last call gets. Nothing can be said while it is not known which that is.
    fn ending(&self, sent: &Sent, ending: &Ending<'_>) -> Vec<u8> {
        if sent.id.is_empty() {
            return Vec::new();
        }
        let data = error(&sent.id, ending.reason, ending.message);
        format!("event: message\ndata: {data}\n\n").into_bytes()
    }
}

/// An id as it stands in JSON: a number, or a string with its quotes.
fn literal(body: &[u8], id: Span) -> &[u8] {
    let (start, end) = (id.start as usize, id.end as usize);
    match start.checked_sub(1).and_then(|before| body.get(before)) {
        Some(b'"') => &body[start - 1..(end + 1).min(body.len())],
        _ => id.of(body),
    }
}

/// An answer that is an error.
fn error(id: &str, reason: Reason, message: &str) -> String {
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{{\"code\":{SERVER_ERROR},\"message\":{},\"data\":{{\"code\":\"{}\"}}}}}}",
        quoted(message),
        reason.code()
    )
}

#[cfg(test)]
#[path = "mcp_tests.rs"]
mod tests;
