//! The fields of Cohere's API: requests, whole replies and streamed events of both versions.

use std::sync::LazyLock;

use crate::wire::event::Kind;
use crate::wire::shape::{Fact, Field, Scope, Shape};

type Row = (&'static str, Field);

/// Fields of a message at `$at` in version 2, whose text is written by `$kind`.
macro_rules! message {
    ($at:literal, $kind:expr) => {
        &[
            (concat!($at, ".content"), Field::Text($kind)),
            (concat!($at, ".content[].type"), Field::Exempt),
            (concat!($at, ".content[].text"), Field::Text($kind)),
            (concat!($at, ".content[].thinking"), Field::Text(Kind::Thinking)),
            (concat!($at, ".content[].image_url.url"), Field::Url($kind)),
            (concat!($at, ".content[].image_url.detail"), Field::Exempt),
            (concat!($at, ".content[].document.**"), Field::Whole(Kind::ToolResult)),
            (concat!($at, ".content[].document.id"), Field::Exempt),
            (concat!($at, ".tool_call_id"), Field::Fact(Fact::ResultOf)),
            (concat!($at, ".tool_plan"), Field::Text(Kind::Thinking)),
            (concat!($at, ".tool_calls[]"), Field::Scope(Scope::Block)),
            (concat!($at, ".tool_calls[].id"), Field::Fact(Fact::CallId)),
            (concat!($at, ".tool_calls[].type"), Field::Exempt),
            (concat!($at, ".tool_calls[].function.name"), Field::ToolName(Kind::ToolArguments)),
            (concat!($at, ".tool_calls[].function.arguments"), Field::Json(Kind::ToolArguments)),
            (concat!($at, ".citations[].**"), Field::Whole(Kind::ToolResult)),
            (concat!($at, ".citations[].type"), Field::Exempt),
            (concat!($at, ".citations[].sources[].type"), Field::Exempt),
            (concat!($at, ".citations[].sources[].id"), Field::Exempt),
        ]
    };
}

/// What all requests of both versions have.
const COMMON: &[Row] = &[
    ("model", Field::Fact(Fact::Model)),
    ("stream", Field::Fact(Fact::Stream)),
    ("max_tokens", Field::Fact(Fact::MaxTokens)),
    ("tools[].**", Field::Whole(Kind::ToolDefinition)),
    ("tools[].type", Field::Exempt),
    ("response_format.**", Field::Whole(Kind::ToolDefinition)),
    ("response_format.type", Field::Exempt),
    ("tool_choice", Field::Exempt),
    ("safety_mode", Field::Exempt),
    ("priority", Field::Exempt),
    ("thinking.type", Field::Exempt),
    ("citation_options.mode", Field::Exempt),
    ("truncate", Field::Exempt),
    ("input_type", Field::Exempt),
    ("embedding_types[]", Field::Exempt),
    // Retrieved texts, and what is to be ranked or embedded.
    ("documents[]", Field::Whole(Kind::ToolResult)),
    ("documents[].**", Field::Whole(Kind::ToolResult)),
    ("documents[].id", Field::Exempt),
    ("query", Field::Text(Kind::User)),
    ("texts[]", Field::Whole(Kind::User)),
    ("images[]", Field::Url(Kind::User)),
    ("inputs[]", Field::Whole(Kind::User)),
    ("inputs[].content[].type", Field::Exempt),
    ("inputs[].content[].text", Field::Whole(Kind::User)),
    ("inputs[].content[].image_url.url", Field::Url(Kind::User)),
];

const MESSAGES: &[Row] = message!("messages[]", Kind::User);

const REQUEST: &[Row] =
    &[("messages[]", Field::Scope(Scope::Message)), ("messages[].role", Field::Fact(Fact::Role))];

/// Requests of version 1.
pub(in crate::wire::dialects) const V1_REQUEST: &[Row] = &[
    ("message", Field::Text(Kind::User)),
    ("prompt", Field::Text(Kind::User)),
    ("preamble", Field::Text(Kind::System)),
    ("preamble_override", Field::Text(Kind::System)),
    ("conversation_id", Field::Exempt),
    ("prompt_truncation", Field::Exempt),
    ("citation_quality", Field::Exempt),
    ("chat_history[]", Field::Scope(Scope::Message)),
    ("chat_history[].role", Field::Fact(Fact::Role)),
    ("chat_history[].message", Field::Text(Kind::User)),
    ("chat_history[].tool_calls[].**", Field::Whole(Kind::ToolArguments)),
    ("chat_history[].tool_results[].**", Field::Whole(Kind::ToolResult)),
    ("tool_results[].**", Field::Whole(Kind::ToolResult)),
];

/// The counts of tokens at `$at`: what is billed.
macro_rules! usage {
    ($at:literal) => {
        &[
            (concat!($at, ".**"), Field::Exempt),
            (concat!($at, ".billed_units.input_tokens"), Field::Fact(Fact::InputTokens)),
            (concat!($at, ".billed_units.output_tokens"), Field::Fact(Fact::OutputTokens)),
            (concat!($at, ".warnings[]"), Field::Whole(Kind::Opaque)),
        ]
    };
}

const WHOLE: &[Row] = message!("message", Kind::Assistant);
const META: &[Row] = usage!("meta");
const USAGE: &[Row] = usage!("usage");
const DELTA_USAGE: &[Row] = usage!("delta.usage");
const END_META: &[Row] = usage!("response.meta");

const REPLY: &[Row] = &[
    ("id", Field::Fact(Fact::Id)),
    ("message.role", Field::Exempt),
    ("finish_reason", Field::Fact(Fact::Finish)),
    ("response_type", Field::Exempt),
    ("texts[]", Field::Whole(Kind::User)),
    ("embeddings.**", Field::Exempt),
    ("embeddings[][]", Field::Exempt),
    ("results[].document.**", Field::Whole(Kind::ToolResult)),
    ("logprobs", Field::Scope(Scope::Logprobs)),
];

/// Fields of a whole answer of version 1 at `$at`.
macro_rules! v1_answer {
    ($at:literal) => {
        &[
            (concat!($at, "response_id"), Field::Exempt),
            (concat!($at, "generation_id"), Field::Fact(Fact::Id)),
            (concat!($at, "text"), Field::Text(Kind::Assistant)),
            (concat!($at, "finish_reason"), Field::Fact(Fact::Finish)),
            (concat!($at, "prompt"), Field::Whole(Kind::User)),
            (concat!($at, "generations[].id"), Field::Exempt),
            (concat!($at, "generations[].text"), Field::Text(Kind::Assistant)),
            (concat!($at, "generations[].finish_reason"), Field::Fact(Fact::Finish)),
            (concat!($at, "chat_history[]"), Field::Scope(Scope::Message)),
            (concat!($at, "chat_history[].role"), Field::Fact(Fact::Role)),
            (concat!($at, "chat_history[].message"), Field::Whole(Kind::User)),
            (concat!($at, "citations[].**"), Field::Whole(Kind::ToolResult)),
            (concat!($at, "citations[].document_ids[]"), Field::Exempt),
            (concat!($at, "documents[].**"), Field::Whole(Kind::ToolResult)),
            (concat!($at, "documents[].id"), Field::Exempt),
            (concat!($at, "search_results[].**"), Field::Whole(Kind::ToolResult)),
            (concat!($at, "search_queries[].**"), Field::Whole(Kind::ToolArguments)),
            (concat!($at, "search_queries[].generation_id"), Field::Exempt),
            (concat!($at, "tool_calls[]"), Field::Scope(Scope::Block)),
            (concat!($at, "tool_calls[].**"), Field::Whole(Kind::ToolArguments)),
            (concat!($at, "tool_calls[].name"), Field::ToolName(Kind::ToolArguments)),
            (concat!($at, "tool_calls[].parameters"), Field::Scope(Scope::Arguments)),
        ]
    };
}

/// Whole replies of version 1.
pub(in crate::wire::dialects) const V1_REPLY: &[Row] = v1_answer!("");
const V1_END: &[Row] = v1_answer!("response.");

/// Streamed events of version 1 beside the fields of whole replies.
pub(in crate::wire::dialects) const V1_EVENT: &[Row] = &[
    ("event_type", Field::Fact(Fact::EventType)),
    ("is_finished", Field::Fact(Fact::Finish)),
    ("tool_call_delta.index", Field::Fact(Fact::Block)),
    ("tool_call_delta", Field::Scope(Scope::Call)),
    ("tool_call_delta.name", Field::ToolName(Kind::ToolArguments)),
    ("tool_call_delta.parameters", Field::Json(Kind::ToolArguments)),
    ("tool_call_delta.text", Field::Text(Kind::ToolArguments)),
    ("error", Field::Scope(Scope::Error)),
];

const EVENT: &[Row] = &[
    ("id", Field::Fact(Fact::Id)),
    ("type", Field::Fact(Fact::EventType)),
    ("index", Field::Fact(Fact::Block)),
    ("delta.message.role", Field::Exempt),
    ("delta.message.content.type", Field::Fact(Fact::BlockType)),
    ("delta.message.content.text", Field::Text(Kind::Assistant)),
    ("delta.message.content.thinking", Field::Text(Kind::Thinking)),
    ("delta.message.tool_plan", Field::Text(Kind::Thinking)),
    ("delta.message.tool_calls", Field::Scope(Scope::Call)),
    ("delta.message.tool_calls.id", Field::Fact(Fact::CallId)),
    ("delta.message.tool_calls.type", Field::Exempt),
    ("delta.message.tool_calls.function.name", Field::ToolName(Kind::ToolArguments)),
    ("delta.message.tool_calls.function.arguments", Field::Json(Kind::ToolArguments)),
    ("delta.message.citations.**", Field::Whole(Kind::ToolResult)),
    ("delta.message.citations.type", Field::Exempt),
    ("delta.message.citations.sources[].type", Field::Exempt),
    ("delta.message.citations.sources[].id", Field::Exempt),
    ("delta.finish_reason", Field::Fact(Fact::Finish)),
    ("delta.error", Field::Scope(Scope::Error)),
    ("logprobs", Field::Scope(Scope::Logprobs)),
];

/// A request of version 2.
pub(super) static REQUEST_SHAPE: LazyLock<Shape> =
    LazyLock::new(|| Shape::new(&[COMMON, MESSAGES, REQUEST].concat()));

/// A whole reply of version 2.
pub(super) static REPLY_SHAPE: LazyLock<Shape> =
    LazyLock::new(|| Shape::new(&[REPLY, WHOLE, USAGE, META].concat()));

/// An event of version 2.
pub(super) static EVENT_SHAPE: LazyLock<Shape> = LazyLock::new(|| Shape::new(&[EVENT, DELTA_USAGE].concat()));

/// A request of version 1.
pub(super) static V1_REQUEST_SHAPE: LazyLock<Shape> =
    LazyLock::new(|| Shape::new(&[COMMON, V1_REQUEST].concat()));

/// A whole reply of version 1.
pub(super) static V1_REPLY_SHAPE: LazyLock<Shape> =
    LazyLock::new(|| Shape::new(&[REPLY, V1_REPLY, META].concat()));

/// An event of version 1.
pub(super) static V1_EVENT_SHAPE: LazyLock<Shape> =
    LazyLock::new(|| Shape::new(&[V1_REPLY, V1_EVENT, V1_END, END_META].concat()));
