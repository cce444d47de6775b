//! The fields of generateContent: requests, and replies, of which a stream has many.
//!
//! Requests may write names in either case, and a list of one as its only item.

use std::sync::LazyLock;

use crate::wire::event::Kind;
use crate::wire::shape::{Fact, Field, Scope, Shape};

type Row = (&'static str, Field);

/// Fields of a part at `$at`, whose text is written by `$kind`.
macro_rules! part {
    ($at:expr, $kind:expr) => {
        &[
            ($at, Field::Scope(Scope::Part)),
            (concat!($at, ".text"), Field::Text($kind)),
            (concat!($at, ".thought"), Field::Fact(Fact::Thought)),
            (concat!($at, ".thoughtSignature"), Field::Exempt),
            (concat!($at, ".thought_signature"), Field::Exempt),
            (concat!($at, ".inlineData.mimeType"), Field::Exempt),
            (concat!($at, ".inlineData.data"), Field::Payload($kind)),
            (concat!($at, ".inline_data.mime_type"), Field::Exempt),
            (concat!($at, ".inline_data.data"), Field::Payload($kind)),
            (concat!($at, ".fileData.**"), Field::Whole($kind)),
            (concat!($at, ".fileData.mimeType"), Field::Exempt),
            (concat!($at, ".file_data.**"), Field::Whole($kind)),
            (concat!($at, ".file_data.mime_type"), Field::Exempt),
            (concat!($at, ".functionCall"), Field::Scope(Scope::Call)),
            (concat!($at, ".functionCall.**"), Field::Whole(Kind::ToolArguments)),
            (concat!($at, ".functionCall.name"), Field::ToolName(Kind::ToolArguments)),
            (concat!($at, ".functionCall.args"), Field::Scope(Scope::Arguments)),
            (concat!($at, ".functionCall.id"), Field::Fact(Fact::CallId)),
            (concat!($at, ".functionCall.partialArgs[].jsonPath"), Field::Exempt),
            (concat!($at, ".functionCall.partialArgs[].stringValue"), Field::Text(Kind::ToolArguments)),
            (concat!($at, ".function_call"), Field::Scope(Scope::Call)),
            (concat!($at, ".function_call.**"), Field::Whole(Kind::ToolArguments)),
            (concat!($at, ".function_call.name"), Field::ToolName(Kind::ToolArguments)),
            (concat!($at, ".function_call.args"), Field::Scope(Scope::Arguments)),
            (concat!($at, ".function_call.id"), Field::Fact(Fact::CallId)),
            (concat!($at, ".functionResponse"), Field::Scope(Scope::Result)),
            (concat!($at, ".functionResponse.**"), Field::Whole(Kind::ToolResult)),
            (concat!($at, ".functionResponse.name"), Field::ToolName(Kind::ToolResult)),
            (concat!($at, ".functionResponse.id"), Field::Fact(Fact::ResultOf)),
            (concat!($at, ".functionResponse.parts[].inlineData.data"), Field::Payload(Kind::ToolResult)),
            (concat!($at, ".function_response"), Field::Scope(Scope::Result)),
            (concat!($at, ".function_response.**"), Field::Whole(Kind::ToolResult)),
            (concat!($at, ".function_response.name"), Field::ToolName(Kind::ToolResult)),
            (concat!($at, ".function_response.id"), Field::Fact(Fact::ResultOf)),
            (concat!($at, ".function_response.parts[].inline_data.data"), Field::Payload(Kind::ToolResult)),
            (concat!($at, ".executableCode.**"), Field::Whole(Kind::ToolArguments)),
            (concat!($at, ".executableCode.language"), Field::Exempt),
            (concat!($at, ".codeExecutionResult.**"), Field::Whole(Kind::ToolResult)),
            (concat!($at, ".codeExecutionResult.outcome"), Field::Exempt),
            (concat!($at, ".toolCall.**"), Field::Whole(Kind::ToolArguments)),
            (concat!($at, ".toolCall.id"), Field::Exempt),
            (concat!($at, ".toolCall.toolType"), Field::Exempt),
            (concat!($at, ".toolResponse.**"), Field::Whole(Kind::ToolResult)),
            (concat!($at, ".toolResponse.id"), Field::Exempt),
            (concat!($at, ".toolResponse.toolType"), Field::Exempt),
        ]
    };
}

/// Fields of a request whose names begin with `$at`.
macro_rules! request {
    ($at:literal) => {
        [
            &[
                (concat!($at, "contents[]"), Field::Scope(Scope::Message)),
                (concat!($at, "contents[].role"), Field::Fact(Fact::Role)),
                (concat!($at, "contents.role"), Field::Exempt),
                (concat!($at, "systemInstruction"), Field::Text(Kind::System)),
                (concat!($at, "systemInstruction.role"), Field::Exempt),
                (concat!($at, "system_instruction"), Field::Text(Kind::System)),
                (concat!($at, "system_instruction.role"), Field::Exempt),
                (concat!($at, "cachedContent"), Field::Exempt),
                (concat!($at, "cached_content"), Field::Exempt),
                (concat!($at, "tools[].**"), Field::Whole(Kind::ToolDefinition)),
                (concat!($at, "tools.**"), Field::Whole(Kind::ToolDefinition)),
                (concat!($at, "toolConfig.**"), Field::Whole(Kind::ToolDefinition)),
                (concat!($at, "tool_config.**"), Field::Whole(Kind::ToolDefinition)),
                (concat!($at, "safetySettings[].**"), Field::Exempt),
                (concat!($at, "safety_settings[].**"), Field::Exempt),
                (concat!($at, "generationConfig.maxOutputTokens"), Field::Fact(Fact::MaxTokens)),
                (concat!($at, "generationConfig.max_output_tokens"), Field::Fact(Fact::MaxTokens)),
                (concat!($at, "generation_config.max_output_tokens"), Field::Fact(Fact::MaxTokens)),
                (concat!($at, "generationConfig.responseMimeType"), Field::Exempt),
                (concat!($at, "generationConfig.responseModalities[]"), Field::Exempt),
                (concat!($at, "generationConfig.responseSchema.**"), Field::Whole(Kind::ToolDefinition)),
                (concat!($at, "generationConfig.responseJsonSchema.**"), Field::Whole(Kind::ToolDefinition)),
                (concat!($at, "generationConfig.thinkingConfig.**"), Field::Exempt),
                (concat!($at, "model"), Field::Fact(Fact::Model)),
            ] as &[Row],
            part!(concat!($at, "contents[].parts[]"), Kind::User),
            part!(concat!($at, "contents[].parts"), Kind::User),
            part!(concat!($at, "contents.parts[]"), Kind::User),
            part!(concat!($at, "contents.parts"), Kind::User),
            part!(concat!($at, "content.parts[]"), Kind::User),
            part!(concat!($at, "systemInstruction.parts[]"), Kind::System),
            part!(concat!($at, "systemInstruction.parts"), Kind::System),
            part!(concat!($at, "system_instruction.parts[]"), Kind::System),
            part!(concat!($at, "system_instruction.parts"), Kind::System),
        ]
    };
}

/// Fields of a reply whose names begin with `$at`.
macro_rules! reply {
    ($at:literal) => {
        [
            &[
                (concat!($at, "candidates[]"), Field::Scope(Scope::Choice)),
                (concat!($at, "candidates[].index"), Field::Fact(Fact::Choice)),
                (concat!($at, "candidates[].content.role"), Field::Exempt),
                (concat!($at, "candidates[].finishReason"), Field::Fact(Fact::Finish)),
                (concat!($at, "candidates[].safetyRatings[].**"), Field::Exempt),
                (concat!($at, "candidates[].citationMetadata.**"), Field::Whole(Kind::ToolResult)),
                (concat!($at, "candidates[].groundingMetadata.**"), Field::Whole(Kind::ToolResult)),
                (concat!($at, "candidates[].groundingAttributions[].**"), Field::Whole(Kind::ToolResult)),
                (concat!($at, "candidates[].urlContextMetadata.**"), Field::Whole(Kind::ToolResult)),
                (concat!($at, "candidates[].logprobsResult"), Field::Scope(Scope::Logprobs)),
                (concat!($at, "promptFeedback.blockReason"), Field::Exempt),
                (concat!($at, "promptFeedback.safetyRatings[].**"), Field::Exempt),
                (concat!($at, "usageMetadata.**"), Field::Exempt),
                (concat!($at, "usageMetadata.promptTokenCount"), Field::Fact(Fact::InputTokens)),
                (concat!($at, "usageMetadata.cachedContentTokenCount"), Field::Fact(Fact::CachedTokens)),
                (concat!($at, "usageMetadata.toolUsePromptTokenCount"), Field::Fact(Fact::ExtraInputTokens)),
                (concat!($at, "usageMetadata.candidatesTokenCount"), Field::Fact(Fact::OutputTokens)),
                (concat!($at, "usageMetadata.thoughtsTokenCount"), Field::Fact(Fact::ReasoningTokens)),
                (concat!($at, "modelVersion"), Field::Fact(Fact::Model)),
                (concat!($at, "responseId"), Field::Fact(Fact::Id)),
                (concat!($at, "createTime"), Field::Exempt),
            ] as &[Row],
            part!(concat!($at, "candidates[].content.parts[]"), Kind::Assistant),
        ]
    };
}

/// Errors stand in no envelope.
const ERROR: &[Row] = &[
    ("error", Field::Scope(Scope::Error)),
    ("error.status", Field::Exempt),
    ("error.details[].@type", Field::Exempt),
];

/// The envelope of a wrapped request and its reply.
const ENVELOPE: &[Row] = &[
    ("model", Field::Fact(Fact::Model)),
    ("project", Field::Exempt),
    ("user_prompt_id", Field::Exempt),
    ("request.session_id", Field::Exempt),
    ("traceId", Field::Exempt),
];

/// What opens a session of the Live API.
pub(super) fn setup() -> Vec<Row> {
    request!("").concat()
}

/// Messages of a Live session's client beside its texts.
pub(super) const LIVE_REQUEST: &[Row] = &[
    ("clientContent.turnComplete", Field::Fact(Fact::Asks)),
    ("client_content.turn_complete", Field::Fact(Fact::Asks)),
    ("client_content.turnComplete", Field::Fact(Fact::Asks)),
    ("clientContent.turns[]", Field::Scope(Scope::Message)),
    ("clientContent.turns[].role", Field::Fact(Fact::Role)),
    ("client_content.turns[]", Field::Scope(Scope::Message)),
    ("client_content.turns[].role", Field::Fact(Fact::Role)),
    ("realtimeInput.text", Field::Text(Kind::User)),
    ("realtimeInput.audio.**", Field::Exempt),
    ("realtimeInput.video.**", Field::Exempt),
    ("realtimeInput.mediaChunks[].mimeType", Field::Exempt),
    ("realtimeInput.mediaChunks[].data", Field::Payload(Kind::User)),
    ("realtime_input.text", Field::Text(Kind::User)),
    ("realtime_input.audio.**", Field::Exempt),
    ("realtime_input.video.**", Field::Exempt),
    ("realtime_input.media_chunks[].mime_type", Field::Exempt),
    ("realtime_input.media_chunks[].mimeType", Field::Exempt),
    ("realtime_input.media_chunks[].data", Field::Payload(Kind::User)),
    ("toolResponse.functionResponses[]", Field::Scope(Scope::Result)),
    ("toolResponse.functionResponses[].**", Field::Whole(Kind::ToolResult)),
    ("toolResponse.functionResponses[].name", Field::ToolName(Kind::ToolResult)),
    ("toolResponse.functionResponses[].id", Field::Fact(Fact::ResultOf)),
    ("tool_response.functionResponses[]", Field::Scope(Scope::Result)),
    ("tool_response.functionResponses[].**", Field::Whole(Kind::ToolResult)),
    ("tool_response.functionResponses[].name", Field::ToolName(Kind::ToolResult)),
    ("tool_response.functionResponses[].id", Field::Fact(Fact::ResultOf)),
    ("tool_response.function_responses[]", Field::Scope(Scope::Result)),
    ("tool_response.function_responses[].**", Field::Whole(Kind::ToolResult)),
    ("tool_response.function_responses[].name", Field::ToolName(Kind::ToolResult)),
    ("tool_response.function_responses[].id", Field::Fact(Fact::ResultOf)),
    ("setup.sessionResumption.handle", Field::Exempt),
    ("setup.generationConfig.speechConfig.**", Field::Exempt),
];

/// Texts of the turns that a Live session's client sends.
pub(super) fn live_turns() -> Vec<Row> {
    let turns: [&[Row]; 2] = [
        part!("clientContent.turns[].parts[]", Kind::User),
        part!("client_content.turns[].parts[]", Kind::User),
    ];
    turns.concat()
}

/// Messages of a Live session's server.
pub(super) fn live_event() -> Vec<Row> {
    const MESSAGE: &[Row] = &[
        ("setupComplete.sessionId", Field::Exempt),
        ("serverContent.modelTurn", Field::Scope(Scope::Delta)),
        ("serverContent.modelTurn.role", Field::Exempt),
        ("serverContent.outputTranscription", Field::Scope(Scope::Delta)),
        ("serverContent.outputTranscription.text", Field::Lane(Kind::Assistant, 1)),
        ("serverContent.outputTranscription.languageCode", Field::Exempt),
        ("serverContent.inputTranscription.text", Field::Text(Kind::User)),
        ("serverContent.inputTranscription.languageCode", Field::Exempt),
        ("serverContent.groundingMetadata.**", Field::Whole(Kind::ToolResult)),
        ("serverContent.urlContextMetadata.**", Field::Whole(Kind::ToolResult)),
        ("serverContent.turnComplete", Field::Fact(Fact::Finish)),
        ("toolCall", Field::Scope(Scope::Delta)),
        ("toolCall.functionCalls[]", Field::Scope(Scope::Block)),
        ("toolCall.functionCalls[].**", Field::Whole(Kind::ToolArguments)),
        ("toolCall.functionCalls[].id", Field::Fact(Fact::CallId)),
        ("toolCall.functionCalls[].name", Field::ToolName(Kind::ToolArguments)),
        ("toolCall.functionCalls[].args", Field::Scope(Scope::Arguments)),
        ("toolCallCancellation.ids[]", Field::Exempt),
        ("sessionResumptionUpdate.newHandle", Field::Exempt),
        ("goAway.timeLeft", Field::Exempt),
        ("usageMetadata.**", Field::Exempt),
        ("usageMetadata.promptTokenCount", Field::Fact(Fact::InputTokens)),
        ("usageMetadata.cachedContentTokenCount", Field::Fact(Fact::CachedTokens)),
        ("usageMetadata.toolUsePromptTokenCount", Field::Fact(Fact::ExtraInputTokens)),
        ("usageMetadata.responseTokenCount", Field::Fact(Fact::OutputTokens)),
        ("usageMetadata.candidatesTokenCount", Field::Fact(Fact::OutputTokens)),
        ("usageMetadata.thoughtsTokenCount", Field::Fact(Fact::ReasoningTokens)),
    ];
    let turn: &[Row] = part!("serverContent.modelTurn.parts[]", Kind::Assistant);
    [MESSAGE, turn, ERROR].concat()
}

/// A request body.
pub(super) static REQUEST_SHAPE: LazyLock<Shape> = LazyLock::new(|| Shape::new(&request!("").concat()));

/// A reply, whole or as one item of a stream.
pub(super) static REPLY_SHAPE: LazyLock<Shape> =
    LazyLock::new(|| Shape::new(&[&reply!("").concat(), ERROR].concat()));

/// A request in its envelope.
pub(super) static WRAPPED_REQUEST_SHAPE: LazyLock<Shape> =
    LazyLock::new(|| Shape::new(&[ENVELOPE, &request!("request.").concat()].concat()));

/// A reply in its envelope.
pub(super) static WRAPPED_REPLY_SHAPE: LazyLock<Shape> =
    LazyLock::new(|| Shape::new(&[&reply!("response.").concat(), ERROR, ENVELOPE].concat()));
