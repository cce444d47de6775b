//! The fields of OpenAI Responses: requests, whole replies and streamed events.

use std::sync::LazyLock;

use crate::wire::event::Kind;
use crate::wire::shape::{Fact, Field, Scope, Shape};

type Row = (&'static str, Field);

/// Fields of an item of a conversation at `$at`, whose plain text is written by `$kind`.
macro_rules! item {
    ($at:literal, $kind:expr) => {
        &[
            (concat!($at, ".type"), Field::Fact(Fact::BlockType)),
            (concat!($at, ".id"), Field::Fact(Fact::ItemId)),
            (concat!($at, ".object"), Field::Exempt),
            (concat!($at, ".call_id"), Field::Fact(Fact::CallId)),
            (concat!($at, ".caller.**"), Field::Exempt),
            (concat!($at, ".container_id"), Field::Exempt),
            (concat!($at, ".approval_request_id"), Field::Exempt),
            (concat!($at, ".status"), Field::Exempt),
            (concat!($at, ".role"), Field::Fact(Fact::Role)),
            (concat!($at, ".phase"), Field::Exempt),
            (concat!($at, ".execution"), Field::Exempt),
            (concat!($at, ".server_label"), Field::Exempt),
            (concat!($at, ".encrypted_content"), Field::Exempt),
            (concat!($at, ".fingerprint"), Field::Exempt),
            (concat!($at, ".background"), Field::Exempt),
            (concat!($at, ".output_format"), Field::Exempt),
            (concat!($at, ".quality"), Field::Exempt),
            (concat!($at, ".size"), Field::Exempt),
            (concat!($at, ".content"), Field::Text($kind)),
            (concat!($at, ".content[].type"), Field::Exempt),
            (concat!($at, ".content[].text"), Field::Text($kind)),
            (concat!($at, ".content[].transcript"), Field::Text($kind)),
            (concat!($at, ".content[].refusal"), Field::Text(Kind::Refusal)),
            (concat!($at, ".content[].image_url"), Field::Url($kind)),
            (concat!($at, ".content[].detail"), Field::Exempt),
            (concat!($at, ".content[].file_id"), Field::Exempt),
            (concat!($at, ".content[].file_data"), Field::Url($kind)),
            (concat!($at, ".content[].audio"), Field::Payload($kind)),
            (concat!($at, ".content[].format"), Field::Exempt),
            (concat!($at, ".content[].input_audio.data"), Field::Payload($kind)),
            (concat!($at, ".content[].input_audio.format"), Field::Exempt),
            (concat!($at, ".content[].logprobs"), Field::Scope(Scope::Logprobs)),
            (concat!($at, ".content[].annotations[].**"), Field::Whole(Kind::ToolResult)),
            (concat!($at, ".content[].annotations[].type"), Field::Exempt),
            (concat!($at, ".content[].annotations[].file_id"), Field::Exempt),
            (concat!($at, ".content[].annotations[].container_id"), Field::Exempt),
            (concat!($at, ".summary[].type"), Field::Exempt),
            (concat!($at, ".summary[].text"), Field::Text(Kind::Thinking)),
            (concat!($at, ".name"), Field::ToolName(Kind::ToolArguments)),
            (concat!($at, ".namespace"), Field::Whole(Kind::ToolArguments)),
            (concat!($at, ".arguments"), Field::Json(Kind::ToolArguments)),
            (concat!($at, ".arguments.**"), Field::Whole(Kind::ToolArguments)),
            (concat!($at, ".input"), Field::Text(Kind::ToolArguments)),
            (concat!($at, ".code"), Field::Text(Kind::ToolArguments)),
            (concat!($at, ".action"), Field::Scope(Scope::Arguments)),
            (concat!($at, ".action.**"), Field::Whole(Kind::ToolArguments)),
            (concat!($at, ".action.type"), Field::Exempt),
            (concat!($at, ".operation"), Field::Scope(Scope::Arguments)),
            (concat!($at, ".operation.**"), Field::Whole(Kind::ToolArguments)),
            (concat!($at, ".operation.type"), Field::Exempt),
            (concat!($at, ".queries[]"), Field::Whole(Kind::ToolArguments)),
            (concat!($at, ".revised_prompt"), Field::Whole(Kind::ToolArguments)),
            (concat!($at, ".result"), Field::Payload(Kind::ToolResult)),
            (concat!($at, ".output"), Field::Whole(Kind::ToolResult)),
            (concat!($at, ".output.**"), Field::Whole(Kind::ToolResult)),
            (concat!($at, ".output.type"), Field::Exempt),
            (concat!($at, ".output.image_url"), Field::Url(Kind::ToolResult)),
            (concat!($at, ".output[].**"), Field::Whole(Kind::ToolResult)),
            (concat!($at, ".output[].type"), Field::Exempt),
            (concat!($at, ".output[].image_url"), Field::Url(Kind::ToolResult)),
            (concat!($at, ".output[].file_id"), Field::Exempt),
            (concat!($at, ".output[].file_data"), Field::Url(Kind::ToolResult)),
            (concat!($at, ".output[].encrypted_content"), Field::Exempt),
            (concat!($at, ".outputs[].**"), Field::Whole(Kind::ToolResult)),
            (concat!($at, ".outputs[].type"), Field::Exempt),
            (concat!($at, ".outputs[].url"), Field::Url(Kind::ToolResult)),
            (concat!($at, ".results[].**"), Field::Whole(Kind::ToolResult)),
            (concat!($at, ".results[].file_id"), Field::Exempt),
            (concat!($at, ".tools[].**"), Field::Whole(Kind::ToolDefinition)),
            (concat!($at, ".tools[].type"), Field::Exempt),
        ]
    };
}

/// Settings at `$at`: what a request asks for and a reply repeats. A first path is empty, so the dot is in `$at`.
macro_rules! settings {
    ($at:literal) => {
        &[
            (concat!($at, "model"), Field::Fact(Fact::Model)),
            (concat!($at, "stream"), Field::Fact(Fact::Stream)),
            (concat!($at, "max_output_tokens"), Field::Fact(Fact::MaxTokens)),
            (concat!($at, "instructions"), Field::Text(Kind::System)),
            (concat!($at, "instructions[].**"), Field::Whole(Kind::System)),
            (concat!($at, "instructions[].type"), Field::Exempt),
            (concat!($at, "instructions[].role"), Field::Exempt),
            (concat!($at, "instructions[].content[].type"), Field::Exempt),
            (concat!($at, "instructions[].content[].file_id"), Field::Exempt),
            (concat!($at, "instructions[].content[].image_url"), Field::Url(Kind::System)),
            (concat!($at, "tools[].**"), Field::Whole(Kind::ToolDefinition)),
            (concat!($at, "tools[].type"), Field::Exempt),
            (concat!($at, "tools[].vector_store_ids[]"), Field::Exempt),
            (concat!($at, "tool_choice"), Field::Exempt),
            (concat!($at, "tool_choice.**"), Field::Whole(Kind::ToolDefinition)),
            (concat!($at, "tool_choice.type"), Field::Exempt),
            (concat!($at, "text.format.**"), Field::Whole(Kind::ToolDefinition)),
            (concat!($at, "text.format.type"), Field::Exempt),
            (concat!($at, "text.verbosity"), Field::Exempt),
            (concat!($at, "reasoning.**"), Field::Exempt),
            (concat!($at, "include[]"), Field::Exempt),
            (concat!($at, "previous_response_id"), Field::Exempt),
            (concat!($at, "conversation"), Field::Exempt),
            (concat!($at, "conversation.id"), Field::Exempt),
            (concat!($at, "prompt.id"), Field::Exempt),
            (concat!($at, "prompt.version"), Field::Exempt),
            (concat!($at, "prompt.variables.**"), Field::Whole(Kind::User)),
            (concat!($at, "prompt_cache_retention"), Field::Exempt),
            (concat!($at, "service_tier"), Field::Exempt),
            (concat!($at, "truncation"), Field::Exempt),
            (concat!($at, "moderation.**"), Field::Exempt),
            (concat!($at, "context_management.**"), Field::Exempt),
        ]
    };
}

/// What a reply at `$at` says about itself.
macro_rules! reply {
    ($at:literal) => {
        &[
            (concat!($at, "id"), Field::Fact(Fact::Id)),
            (concat!($at, "object"), Field::Exempt),
            (concat!($at, "created_at"), Field::Fact(Fact::Created)),
            (concat!($at, "status"), Field::Exempt),
            (concat!($at, "billing.**"), Field::Exempt),
            (concat!($at, "content_filters.**"), Field::Exempt),
            (concat!($at, "content_filters[].**"), Field::Exempt),
            (concat!($at, "incomplete_details.reason"), Field::Exempt),
            (concat!($at, "output_text"), Field::Text(Kind::Assistant)),
            (concat!($at, "output[]"), Field::Scope(Scope::Block)),
            (concat!($at, "error"), Field::Scope(Scope::Error)),
            (concat!($at, "error.code"), Field::Exempt),
            (concat!($at, "error.type"), Field::Exempt),
            (concat!($at, "usage.**"), Field::Exempt),
            (concat!($at, "usage.input_tokens"), Field::Fact(Fact::InputTokens)),
            (concat!($at, "usage.input_tokens_details.cached_tokens"), Field::Fact(Fact::CachedTokens)),
            (
                concat!($at, "usage.input_tokens_details.cache_write_tokens"),
                Field::Fact(Fact::CacheWriteTokens),
            ),
            // Realtime sessions name it so.
            (concat!($at, "usage.input_token_details.cached_tokens"), Field::Fact(Fact::CachedTokens)),
            (concat!($at, "usage.output_tokens"), Field::Fact(Fact::OutputTokens)),
            (
                concat!($at, "usage.output_tokens_details.reasoning_tokens"),
                Field::Fact(Fact::ReasoningTokens),
            ),
        ]
    };
}

/// A request; over a WebSocket it has a type, and Realtime sessions wrap settings and items.
const REQUEST: &[Row] = &[
    ("type", Field::Fact(Fact::EventType)),
    ("event_id", Field::Exempt),
    ("input", Field::Text(Kind::User)),
    ("input[]", Field::Scope(Scope::Message)),
    ("item", Field::Scope(Scope::Message)),
    ("audio", Field::Payload(Kind::User)),
    ("response.modalities[]", Field::Exempt),
    ("response.output_modalities[]", Field::Exempt),
    ("response.input[]", Field::Scope(Scope::Message)),
    ("session.type", Field::Exempt),
    ("session.voice", Field::Exempt),
];

/// What only streamed events have.
const EVENT: &[Row] = &[
    ("type", Field::Fact(Fact::EventType)),
    ("event_id", Field::Exempt),
    ("response_id", Field::Exempt),
    ("sequence_number", Field::Fact(Fact::Sequence)),
    ("output_index", Field::Fact(Fact::Block)),
    ("content_index", Field::Fact(Fact::Part)),
    ("summary_index", Field::Fact(Fact::Part)),
    ("command_index", Field::Fact(Fact::Part)),
    ("item_id", Field::Fact(Fact::ItemId)),
    ("item", Field::Scope(Scope::Item)),
    ("obfuscation", Field::Exempt),
    ("delta", Field::Text(Kind::Assistant)),
    ("text", Field::Text(Kind::Assistant)),
    ("transcript", Field::Text(Kind::Assistant)),
    ("refusal", Field::Text(Kind::Refusal)),
    ("arguments", Field::Json(Kind::ToolArguments)),
    ("input", Field::Text(Kind::ToolArguments)),
    ("code", Field::Text(Kind::ToolArguments)),
    ("command", Field::Text(Kind::ToolArguments)),
    ("name", Field::ToolName(Kind::ToolArguments)),
    ("logprobs", Field::Scope(Scope::Logprobs)),
    ("part", Field::Scope(Scope::Item)),
    ("part.type", Field::Exempt),
    ("part.text", Field::Text(Kind::Assistant)),
    ("part.transcript", Field::Text(Kind::Assistant)),
    ("part.refusal", Field::Text(Kind::Refusal)),
    ("part.logprobs", Field::Scope(Scope::Logprobs)),
    ("part.annotations[].**", Field::Whole(Kind::ToolResult)),
    ("part.annotations[].type", Field::Exempt),
    ("part.annotations[].file_id", Field::Exempt),
    ("part.annotations[].container_id", Field::Exempt),
    ("annotation.**", Field::Whole(Kind::ToolResult)),
    ("annotation.type", Field::Exempt),
    ("annotation.file_id", Field::Exempt),
    ("annotation.container_id", Field::Exempt),
    ("partial_image_b64", Field::Payload(Kind::ToolResult)),
    ("background", Field::Exempt),
    ("output_format", Field::Exempt),
    ("quality", Field::Exempt),
    ("size", Field::Exempt),
    ("copilot_usage.**", Field::Exempt),
    ("error", Field::Scope(Scope::Error)),
    ("error.code", Field::Exempt),
    ("error.type", Field::Exempt),
];

const ASKED: &[Row] = settings!("");
const ASKED_IN_RESPONSE: &[Row] = settings!("response.");
const ASKED_IN_SESSION: &[Row] = settings!("session.");
const INPUT: &[Row] = item!("input[]", Kind::User);
const INPUT_IN_RESPONSE: &[Row] = item!("response.input[]", Kind::User);
const ITEM_SENT: &[Row] = item!("item", Kind::User);
const WHOLE: &[Row] = reply!("");
const OUTPUT: &[Row] = item!("output[]", Kind::Assistant);
const WHOLE_IN_EVENT: &[Row] = reply!("response.");
const OUTPUT_IN_EVENT: &[Row] = item!("response.output[]", Kind::Assistant);
const ITEM: &[Row] = item!("item", Kind::Assistant);

/// A request body, or a message a client sends over a WebSocket.
pub(super) static REQUEST_SHAPE: LazyLock<Shape> = LazyLock::new(|| {
    Shape::new(
        &[REQUEST, ASKED, ASKED_IN_RESPONSE, ASKED_IN_SESSION, INPUT, INPUT_IN_RESPONSE, ITEM_SENT].concat(),
    )
});

/// A whole reply.
pub(super) static REPLY_SHAPE: LazyLock<Shape> =
    LazyLock::new(|| Shape::new(&[ASKED, WHOLE, OUTPUT].concat()));

/// One event of a streamed reply.
pub(super) static EVENT_SHAPE: LazyLock<Shape> =
    LazyLock::new(|| Shape::new(&[EVENT, ASKED_IN_RESPONSE, WHOLE_IN_EVENT, OUTPUT_IN_EVENT, ITEM].concat()));
