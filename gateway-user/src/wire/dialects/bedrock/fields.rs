//! The fields of Bedrock's runtime: Converse, and what its invocations add to the vendors' own.

use crate::wire::event::Kind;
use crate::wire::shape::{Fact, Field, Scope};

type Row = (&'static str, Field);

/// Fields of a content block at `$at`, whose plain text is written by `$kind`.
macro_rules! block {
    ($at:literal, $kind:expr) => {
        &[
            (concat!($at, ".type"), Field::Exempt),
            (concat!($at, ".text"), Field::Text($kind)),
            (concat!($at, ".cachePoint.**"), Field::Exempt),
            (concat!($at, ".image.format"), Field::Exempt),
            (concat!($at, ".image.source.bytes"), Field::Payload($kind)),
            (concat!($at, ".video.format"), Field::Exempt),
            (concat!($at, ".video.source.bytes"), Field::Payload($kind)),
            (concat!($at, ".audio.format"), Field::Exempt),
            (concat!($at, ".audio.source.bytes"), Field::Payload($kind)),
            (concat!($at, ".document.**"), Field::Whole($kind)),
            (concat!($at, ".document.format"), Field::Exempt),
            (concat!($at, ".document.source.bytes"), Field::Payload($kind)),
            (concat!($at, ".guardContent.**"), Field::Whole($kind)),
            (concat!($at, ".guardContent.text.qualifiers[]"), Field::Exempt),
            (concat!($at, ".guardContent.image.format"), Field::Exempt),
            (concat!($at, ".guardContent.image.source.bytes"), Field::Payload($kind)),
            (concat!($at, ".reasoningContent.reasoningText.text"), Field::Signed(Kind::Thinking)),
            (concat!($at, ".reasoningContent.reasoningText.signature"), Field::Exempt),
            (concat!($at, ".reasoningContent.redactedContent"), Field::Exempt),
            (concat!($at, ".citationsContent.content[].text"), Field::Text($kind)),
            (concat!($at, ".citationsContent.citations[].**"), Field::Whole(Kind::ToolResult)),
            (concat!($at, ".searchResult.**"), Field::Whole(Kind::ToolResult)),
            (concat!($at, ".toolUse"), Field::Scope(Scope::Call)),
            (concat!($at, ".toolUse.toolUseId"), Field::Fact(Fact::CallId)),
            (concat!($at, ".toolUse.type"), Field::Fact(Fact::BlockType)),
            (concat!($at, ".toolUse.name"), Field::ToolName(Kind::ToolArguments)),
            (concat!($at, ".toolUse.input"), Field::Scope(Scope::Arguments)),
            (concat!($at, ".toolUse.input.**"), Field::Whole(Kind::ToolArguments)),
            (concat!($at, ".toolResult"), Field::Scope(Scope::Result)),
            (concat!($at, ".toolResult.toolUseId"), Field::Fact(Fact::ResultOf)),
            (concat!($at, ".toolResult.status"), Field::Exempt),
            (concat!($at, ".toolResult.type"), Field::Exempt),
            (concat!($at, ".toolResult.content[].**"), Field::Whole(Kind::ToolResult)),
            (concat!($at, ".toolResult.content[].image.format"), Field::Exempt),
            (concat!($at, ".toolResult.content[].image.source.bytes"), Field::Payload(Kind::ToolResult)),
            (concat!($at, ".toolResult.content[].video.format"), Field::Exempt),
            (concat!($at, ".toolResult.content[].video.source.bytes"), Field::Payload(Kind::ToolResult)),
            (concat!($at, ".toolResult.content[].document.format"), Field::Exempt),
            (concat!($at, ".toolResult.content[].document.source.bytes"), Field::Payload(Kind::ToolResult)),
        ]
    };
}

/// Blocks of the messages of a request.
pub(super) const MESSAGE: &[Row] = block!("messages[].content[]", Kind::User);

/// Blocks of a whole reply.
pub(super) const WHOLE: &[Row] = block!("output.message.content[]", Kind::Assistant);

/// A request beside its blocks.
pub(super) const REQUEST: &[Row] = &[
    ("messages[]", Field::Scope(Scope::Message)),
    ("messages[].role", Field::Fact(Fact::Role)),
    ("system[].text", Field::Text(Kind::System)),
    ("system[].cachePoint.**", Field::Exempt),
    ("system[].guardContent.**", Field::Whole(Kind::System)),
    ("system[].guardContent.text.qualifiers[]", Field::Exempt),
    ("toolConfig.tools[].**", Field::Whole(Kind::ToolDefinition)),
    ("toolConfig.tools[].cachePoint.**", Field::Exempt),
    ("toolConfig.toolChoice.**", Field::Whole(Kind::ToolDefinition)),
    ("outputConfig.textFormat.**", Field::Whole(Kind::ToolDefinition)),
    ("outputConfig.textFormat.type", Field::Exempt),
    ("outputConfig.textFormat.structure.jsonSchema.schema", Field::Json(Kind::ToolDefinition)),
    ("inferenceConfig.maxTokens", Field::Fact(Fact::MaxTokens)),
    ("inferenceConfig.max_new_tokens", Field::Fact(Fact::MaxTokens)),
    ("additionalModelRequestFields.thinking.type", Field::Exempt),
    ("guardrailConfig.**", Field::Exempt),
    ("performanceConfig.**", Field::Exempt),
    ("serviceTier.**", Field::Exempt),
    ("schemaVersion", Field::Exempt),
];

/// What a question for the number of tokens adds to the request that it holds.
pub(super) const COUNT_TOKENS: &[Row] = &[("input.invokeModel.body", Field::Payload(Kind::User))];

/// The counts of tokens at `$at`.
macro_rules! usage {
    ($at:literal) => {
        &[
            (concat!($at, ".**"), Field::Exempt),
            (concat!($at, ".inputTokens"), Field::Fact(Fact::InputTokens)),
            (concat!($at, ".outputTokens"), Field::Fact(Fact::OutputTokens)),
            (concat!($at, ".cacheReadInputTokens"), Field::Fact(Fact::CachedTokens)),
            (concat!($at, ".cacheReadInputTokenCount"), Field::Fact(Fact::CachedTokens)),
            (concat!($at, ".cacheWriteInputTokens"), Field::Fact(Fact::CacheWriteTokens)),
            (concat!($at, ".cacheWriteInputTokenCount"), Field::Fact(Fact::CacheWriteTokens)),
        ]
    };
}

/// The last event of a stream.
pub(super) const METADATA: &[Row] = usage!("usage");

/// A whole reply beside its blocks.
pub(super) const REPLY: &[Row] = &[
    ("output.message.role", Field::Exempt),
    ("output.message.content[]", Field::Scope(Scope::Block)),
    ("stopReason", Field::Fact(Fact::Finish)),
    ("metrics.**", Field::Exempt),
    ("usage.**", Field::Exempt),
    ("usage.inputTokens", Field::Fact(Fact::InputTokens)),
    ("usage.outputTokens", Field::Fact(Fact::OutputTokens)),
    ("usage.cacheReadInputTokens", Field::Fact(Fact::CachedTokens)),
    ("usage.cacheReadInputTokenCount", Field::Fact(Fact::CachedTokens)),
    ("usage.cacheWriteInputTokens", Field::Fact(Fact::CacheWriteTokens)),
    ("usage.cacheWriteInputTokenCount", Field::Fact(Fact::CacheWriteTokens)),
    ("__type", Field::Exempt),
];

/// An event of a stream.
pub(super) const EVENT: &[Row] = &[
    ("role", Field::Fact(Fact::Role)),
    ("contentBlockIndex", Field::Fact(Fact::Block)),
    ("start", Field::Scope(Scope::Opening)),
    ("start.toolUse", Field::Scope(Scope::Call)),
    ("start.toolUse.toolUseId", Field::Fact(Fact::CallId)),
    ("start.toolUse.type", Field::Fact(Fact::BlockType)),
    ("start.toolUse.name", Field::ToolName(Kind::ToolArguments)),
    ("start.toolResult.toolUseId", Field::Exempt),
    ("start.toolResult.status", Field::Exempt),
    ("start.toolResult.type", Field::Exempt),
    ("start.image.format", Field::Exempt),
    ("delta", Field::Scope(Scope::Delta)),
    ("delta.text", Field::Text(Kind::Assistant)),
    ("delta.toolUse.input", Field::Json(Kind::ToolArguments)),
    ("delta.toolResult[].**", Field::Whole(Kind::ToolResult)),
    ("delta.reasoningContent.text", Field::Signed(Kind::Thinking)),
    ("delta.reasoningContent.signature", Field::Exempt),
    ("delta.reasoningContent.redactedContent", Field::Exempt),
    ("delta.citation.**", Field::Whole(Kind::ToolResult)),
    ("delta.image.source.bytes", Field::Payload(Kind::Assistant)),
    ("stopReason", Field::Fact(Fact::Finish)),
    ("metrics.**", Field::Exempt),
    ("performanceConfig.**", Field::Exempt),
    ("serviceTier.**", Field::Exempt),
    // Letters that hide how long an event is.
    ("p", Field::Exempt),
];

/// An exception, and what hides the length of an event.
pub(super) const ERROR: &[Row] =
    &[("error", Field::Scope(Scope::Error)), ("error.__type", Field::Exempt), ("p", Field::Exempt)];

/// Requests of models that complete a text.
pub(super) const PROMPTS: &[Row] = &[
    ("anthropic_version", Field::Exempt),
    ("anthropic_beta[]", Field::Exempt),
    ("prompt", Field::Text(Kind::User)),
    ("inputText", Field::Text(Kind::User)),
    ("textGenerationConfig.maxTokenCount", Field::Fact(Fact::MaxTokens)),
    ("max_tokens_to_sample", Field::Fact(Fact::MaxTokens)),
    ("max_gen_len", Field::Fact(Fact::MaxTokens)),
    ("texts[]", Field::Whole(Kind::User)),
    ("images[]", Field::Url(Kind::User)),
    ("inputImage", Field::Payload(Kind::User)),
    ("documents[]", Field::Whole(Kind::ToolResult)),
    ("documents[].**", Field::Whole(Kind::ToolResult)),
    ("query", Field::Text(Kind::User)),
    ("input_type", Field::Exempt),
    ("truncate", Field::Exempt),
];

/// Answers of models that complete a text, whole or as events.
pub(super) const COMPLETIONS: &[Row] = &[
    ("completion", Field::Text(Kind::Assistant)),
    ("generation", Field::Text(Kind::Assistant)),
    ("prompt_token_count", Field::Fact(Fact::InputTokens)),
    ("generation_token_count", Field::Fact(Fact::OutputTokens)),
    ("outputText", Field::Text(Kind::Assistant)),
    ("inputTextTokenCount", Field::Fact(Fact::InputTokens)),
    ("totalOutputTextTokenCount", Field::Fact(Fact::OutputTokens)),
    ("completionReason", Field::Fact(Fact::Finish)),
    ("results[].outputText", Field::Text(Kind::Assistant)),
    ("results[].tokenCount", Field::Fact(Fact::OutputTokens)),
    ("results[].completionReason", Field::Fact(Fact::Finish)),
    ("outputs[].text", Field::Text(Kind::Assistant)),
    ("outputs[].stop_reason", Field::Fact(Fact::Finish)),
    ("choices[].text", Field::Text(Kind::Assistant)),
    ("stop_reason", Field::Fact(Fact::Finish)),
    ("stop", Field::Exempt),
    ("embedding[]", Field::Exempt),
    ("embeddings.**", Field::Exempt),
    ("embeddings[][]", Field::Exempt),
    ("embeddingsByType.**", Field::Exempt),
    ("__type", Field::Exempt),
];

/// What an invocation's last event says about it.
pub(super) const METRICS: &[Row] = &[
    ("amazon-bedrock-invocationMetrics.**", Field::Exempt),
    ("amazon-bedrock-invocationMetrics.inputTokenCount", Field::Fact(Fact::InputTokens)),
    ("amazon-bedrock-invocationMetrics.outputTokenCount", Field::Fact(Fact::OutputTokens)),
    ("amazon-bedrock-invocationMetrics.cacheReadInputTokenCount", Field::Fact(Fact::CachedTokens)),
    ("amazon-bedrock-invocationMetrics.cacheWriteInputTokenCount", Field::Fact(Fact::CacheWriteTokens)),
];
