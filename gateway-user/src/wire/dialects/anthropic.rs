//! Anthropic Messages.
//!
//! Source: <https://docs.anthropic.com/en/api/messages> and its page on streaming; beta fields from recorded traffic.

use std::fmt::Write as _;
use std::sync::LazyLock;

use crate::wire::dialects::{CutStyle, Dialect, Ending, Marks, Reason, Refusal, Sent};
use crate::wire::escape::quoted;
use crate::wire::event::{Kind, Usage};
use crate::wire::reading::{Facts, Tokenised};
use crate::wire::shape::{Fact, Field, Scope, Shape};

/// The dialect `anthropic`.
#[derive(Debug)]
pub struct Anthropic;

pub(super) type Row = (&'static str, Field);

/// Fields of a content block at `$at`, whose plain text is written by `$kind`.
macro_rules! block {
    ($at:literal, $kind:expr) => {
        &[
            ($at, Field::Scope(Scope::Call)),
            (concat!($at, ".type"), Field::Fact(Fact::BlockType)),
            (concat!($at, ".id"), Field::Fact(Fact::CallId)),
            (concat!($at, ".tool_use_id"), Field::Fact(Fact::ResultOf)),
            (concat!($at, ".file_id"), Field::Exempt),
            (concat!($at, ".caller.**"), Field::Exempt),
            (concat!($at, ".cache_control.**"), Field::Exempt),
            (concat!($at, ".text"), Field::Text($kind)),
            (concat!($at, ".thinking"), Field::Signed(Kind::Thinking)),
            (concat!($at, ".signature"), Field::Exempt),
            (concat!($at, ".data"), Field::Exempt),
            (concat!($at, ".name"), Field::ToolName(Kind::ToolArguments)),
            (concat!($at, ".server_name"), Field::Exempt),
            (concat!($at, ".input"), Field::Scope(Scope::Arguments)),
            (concat!($at, ".input.**"), Field::Whole(Kind::ToolArguments)),
            (concat!($at, ".citations[].**"), Field::Whole(Kind::ToolResult)),
            (concat!($at, ".citations[].type"), Field::Exempt),
            (concat!($at, ".citations[].encrypted_index"), Field::Exempt),
            (concat!($at, ".source"), Field::Scope(Scope::Source)),
            (concat!($at, ".source.type"), Field::Fact(Fact::SourceType)),
            (concat!($at, ".source.media_type"), Field::Exempt),
            (concat!($at, ".source.file_id"), Field::Exempt),
            (concat!($at, ".source.data"), Field::Payload($kind)),
            (concat!($at, ".source.content"), Field::Whole($kind)),
            (concat!($at, ".source.content[].type"), Field::Exempt),
            (concat!($at, ".source.content[].text"), Field::Whole($kind)),
            (concat!($at, ".content"), Field::Whole(Kind::ToolResult)),
            (concat!($at, ".content.**"), Field::Whole(Kind::ToolResult)),
            (concat!($at, ".content.type"), Field::Exempt),
            (concat!($at, ".content.encrypted_content"), Field::Exempt),
            (concat!($at, ".content.content.source"), Field::Scope(Scope::Source)),
            (concat!($at, ".content.content.source.type"), Field::Fact(Fact::SourceType)),
            (concat!($at, ".content.content.source.media_type"), Field::Exempt),
            (concat!($at, ".content.content.source.data"), Field::Payload(Kind::ToolResult)),
            (concat!($at, ".content[].**"), Field::Whole(Kind::ToolResult)),
            (concat!($at, ".content[].type"), Field::Exempt),
            (concat!($at, ".content[].encrypted_content"), Field::Exempt),
            (concat!($at, ".content[].cache_control.**"), Field::Exempt),
            (concat!($at, ".content[].source"), Field::Scope(Scope::Source)),
            (concat!($at, ".content[].source.type"), Field::Fact(Fact::SourceType)),
            (concat!($at, ".content[].source.media_type"), Field::Exempt),
            (concat!($at, ".content[].source.data"), Field::Payload(Kind::ToolResult)),
        ]
    };
}

pub(super) const MESSAGE: &[Row] = block!("messages[].content[]", Kind::User);
pub(super) const WHOLE: &[Row] = block!("content[]", Kind::Assistant);
pub(super) const START: &[Row] = block!("content_block", Kind::Assistant);

pub(super) const REQUEST: &[Row] = &[
    ("model", Field::Fact(Fact::Model)),
    ("stream", Field::Fact(Fact::Stream)),
    ("max_tokens", Field::Fact(Fact::MaxTokens)),
    ("service_tier", Field::Exempt),
    ("container", Field::Exempt),
    ("cache_control.**", Field::Exempt),
    ("thinking.type", Field::Exempt),
    ("tool_choice.type", Field::Exempt),
    ("context_management.**", Field::Exempt),
    ("output_config.effort", Field::Exempt),
    ("output_config.format.**", Field::Whole(Kind::ToolDefinition)),
    ("system", Field::Text(Kind::System)),
    ("system[].type", Field::Exempt),
    ("system[].cache_control.**", Field::Exempt),
    ("system[].text", Field::Text(Kind::System)),
    ("messages[]", Field::Scope(Scope::Message)),
    ("messages[].role", Field::Fact(Fact::Role)),
    ("messages[].content", Field::Text(Kind::User)),
    ("tools[].**", Field::Whole(Kind::ToolDefinition)),
    ("tools[].type", Field::Exempt),
    ("tools[].model", Field::Exempt),
    ("tools[].cache_control.**", Field::Exempt),
];

pub(super) const REPLY: &[Row] = &[
    ("id", Field::Fact(Fact::Id)),
    ("type", Field::Exempt),
    ("role", Field::Exempt),
    ("model", Field::Fact(Fact::Model)),
    ("stop_reason", Field::Fact(Fact::Finish)),
    ("request_id", Field::Exempt),
    ("container.**", Field::Exempt),
    ("error", Field::Scope(Scope::Error)),
    ("error.type", Field::Exempt),
];

/// Fields of the usage object at `$at`.
macro_rules! usage {
    ($at:literal) => {
        &[
            (concat!($at, ".**"), Field::Exempt),
            (concat!($at, ".input_tokens"), Field::Fact(Fact::InputTokens)),
            (concat!($at, ".cache_read_input_tokens"), Field::Fact(Fact::CachedTokens)),
            (concat!($at, ".cache_creation_input_tokens"), Field::Fact(Fact::CacheWriteTokens)),
            (concat!($at, ".output_tokens"), Field::Fact(Fact::OutputTokens)),
        ]
    };
}

pub(super) const USAGE: &[Row] = usage!("usage");
pub(super) const START_USAGE: &[Row] = usage!("message.usage");

pub(super) const EVENT: &[Row] = &[
    ("type", Field::Fact(Fact::EventType)),
    ("index", Field::Fact(Fact::Block)),
    ("message.id", Field::Fact(Fact::Id)),
    ("message.type", Field::Exempt),
    ("message.role", Field::Exempt),
    ("message.model", Field::Fact(Fact::Model)),
    ("message.container.**", Field::Exempt),
    ("delta.type", Field::Exempt),
    ("delta.text", Field::Text(Kind::Assistant)),
    ("delta.partial_json", Field::Json(Kind::ToolArguments)),
    ("delta.thinking", Field::Signed(Kind::Thinking)),
    ("delta.signature", Field::Exempt),
    ("delta.content", Field::Lane(Kind::Assistant, 1)),
    ("delta.encrypted_content", Field::Exempt),
    ("delta.citation.**", Field::Whole(Kind::ToolResult)),
    ("delta.citation.type", Field::Exempt),
    ("delta.citation.encrypted_index", Field::Exempt),
    ("delta.stop_reason", Field::Fact(Fact::Finish)),
    ("delta.container.**", Field::Exempt),
    ("request_id", Field::Exempt),
    ("error", Field::Scope(Scope::Error)),
    ("error.type", Field::Exempt),
];

static REQUEST_SHAPE: LazyLock<Shape> = LazyLock::new(|| Shape::new(&[MESSAGE, REQUEST].concat()));
static REPLY_SHAPE: LazyLock<Shape> = LazyLock::new(|| Shape::new(&[REPLY, USAGE, WHOLE].concat()));
static EVENT_SHAPE: LazyLock<Shape> =
    LazyLock::new(|| Shape::new(&[EVENT, USAGE, START_USAGE, START].concat()));

impl Dialect for Anthropic {
    fn name(&self) -> &'static str {
        "anthropic"
    }

    fn request(&self) -> &'static Shape {
        &REQUEST_SHAPE
    }

    fn reply(&self) -> &'static Shape {
        &REPLY_SHAPE
    }

    fn event(&self) -> &'static Shape {
        &EVENT_SHAPE
    }

    fn marks(&self, event: &[u8], facts: &Facts) -> Marks {
        let kind = facts.event_type.map(|span| span.of(event)).unwrap_or_default();
        let block = facts.block.unwrap_or(0);
        let mut marks =
            Marks { error: facts.error, usage: facts.tokens.output.is_some(), ..Marks::default() };
        match kind {
            b"message_start" => marks.start = true,
            b"content_block_start" => {
                marks.opens = Some((block, facts.block_type.is_some_and(|span| span.of(event) == b"text")));
            }
            b"content_block_stop" => marks.closes = Some(block),
            b"message_delta" => marks.stop = facts.finish,
            b"message_stop" => (marks.stop, marks.terminal) = (true, true),
            _ => {}
        }
        marks
    }

    fn runs(&self, kind: &[u8]) -> bool {
        matches!(kind, b"server_tool_use" | b"mcp_tool_use")
    }

    /// `input_tokens` excludes what was read from or written to the cache; counts in a stream are running totals.
    fn count(&self, tokens: &Tokenised, usage: &mut Usage) {
        let take = |place: &mut u64, value: Option<u64>| *place = value.unwrap_or(*place);
        take(&mut usage.input, tokens.input);
        take(&mut usage.cached_input, tokens.cached);
        take(&mut usage.cache_write, tokens.cache_write);
        take(&mut usage.output, tokens.output);
    }

    fn refusal(&self, refusal: &Refusal<'_>) -> Vec<u8> {
        error(refusal.reason, refusal.message, refusal.flow).into_bytes()
    }

    fn ending(&self, sent: &Sent, ending: &Ending<'_>) -> Vec<u8> {
        if sent.terminal {
            return Vec::new();
        }
        let mut out = String::new();
        if ending.style == CutStyle::Error {
            event("error", &error(ending.reason, ending.message, ""), &mut out);
            return out.into_bytes();
        }
        if !sent.started {
            start(sent, &mut out);
        }
        if !sent.stopped {
            say(sent, ending.message, &mut out);
            let stop = format!(
                "{{\"type\":\"message_delta\",\"delta\":{{\"stop_reason\":\"end_turn\",\"stop_sequence\":null}},\
                 \"usage\":{{\"output_tokens\":{}}}}}",
                ending.usage.output
            );
            event("message_delta", &stop, &mut out);
        }
        event("message_stop", "{\"type\":\"message_stop\"}", &mut out);
        out.into_bytes()
    }
}

/// The text with the reason: in the open text block, else in one of its own; every open block is closed.
fn say(sent: &Sent, message: &str, out: &mut String) {
    let text = sent.open.iter().rfind(|(_, text)| *text).map(|&(number, _)| number);
    for &(number, _) in sent.open.iter().filter(|&&(number, _)| Some(number) != text) {
        close(number, out);
    }
    let number = text.unwrap_or(sent.next_block);
    if text.is_none() {
        let open = format!(
            "{{\"type\":\"content_block_start\",\"index\":{number},\"content_block\":{{\"type\":\"text\",\"text\":\"\"}}}}"
        );
        event("content_block_start", &open, out);
    }
    let delta = format!(
        "{{\"type\":\"content_block_delta\",\"index\":{number},\"delta\":{{\"type\":\"text_delta\",\"text\":{}}}}}",
        quoted(&format!("\n\n{message}"))
    );
    event("content_block_delta", &delta, out);
    close(number, out);
}

fn close(number: u16, out: &mut String) {
    event("content_block_stop", &format!("{{\"type\":\"content_block_stop\",\"index\":{number}}}"), out);
}

/// The first event of an answer of which nothing has gone to the client.
fn start(sent: &Sent, out: &mut String) {
    let id = if sent.id.is_empty() { "msg_cut" } else { &sent.id };
    let start = format!(
        "{{\"type\":\"message_start\",\"message\":{{\"id\":\"{id}\",\"type\":\"message\",\"role\":\"assistant\",\
         \"model\":\"{}\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\
         \"usage\":{{\"input_tokens\":0,\"output_tokens\":0}}}}}}",
        sent.model
    );
    event("message_start", &start, out);
}

fn event(name: &str, data: &str, out: &mut String) {
    write!(out, "event: {name}\ndata: {data}\n\n").expect("writing to a string cannot fail");
}

fn error(reason: Reason, message: &str, flow: &str) -> String {
    // Messages errors have no field for a code, so it leads the message.
    format!(
        "{{\"type\":\"error\",\"error\":{{\"type\":\"invalid_request_error\",\"message\":{}}},\"request_id\":{}}}",
        quoted(&format!("{}: {message}", reason.code())),
        quoted(flow)
    )
}

#[cfg(test)]
#[path = "anthropic_tests.rs"]
mod tests;
