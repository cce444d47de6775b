//! OpenAI Chat Completions, as spoken by OpenAI and the many providers compatible with it.
//!
//! Source: <https://platform.openai.com/docs/api-reference/chat>; fields of other providers from recorded traffic.

use std::sync::LazyLock;

use crate::wire::dialects::{CutStyle, Dialect, Ending, Marks, Reason, Refusal, Sent};
use crate::wire::escape::quoted;
use crate::wire::event::{Kind, Usage};
use crate::wire::json::Span;
use crate::wire::reading::{Facts, Tokenised};
use crate::wire::shape::{Fact, Field, Scope, Shape};

/// The dialect `openai_chat`.
#[derive(Debug)]
pub struct OpenAiChat;

pub(super) type Row = (&'static str, Field);

/// Fields of an assistant's message, whole (`message`) or as a part (`delta`).
macro_rules! answer {
    ($at:literal) => {
        &[
            (concat!($at, ".role"), Field::Exempt),
            (concat!($at, ".channel"), Field::Exempt),
            (concat!($at, ".content"), Field::Text(Kind::Assistant)),
            (concat!($at, ".content[].type"), Field::Exempt),
            (concat!($at, ".content[].text"), Field::Text(Kind::Assistant)),
            (concat!($at, ".content[].thinking[].type"), Field::Exempt),
            (concat!($at, ".content[].thinking[].text"), Field::Text(Kind::Thinking)),
            (concat!($at, ".refusal"), Field::Text(Kind::Refusal)),
            (concat!($at, ".reasoning"), Field::Text(Kind::Thinking)),
            (concat!($at, ".reasoning_content"), Field::Lane(Kind::Thinking, 1)),
            (concat!($at, ".reasoning_details[].type"), Field::Exempt),
            (concat!($at, ".reasoning_details[].id"), Field::Exempt),
            (concat!($at, ".reasoning_details[].format"), Field::Exempt),
            (concat!($at, ".reasoning_details[].signature"), Field::Exempt),
            (concat!($at, ".reasoning_details[].data"), Field::Exempt),
            (concat!($at, ".reasoning_details[].text"), Field::Lane(Kind::Thinking, 2)),
            (concat!($at, ".reasoning_details[].summary"), Field::Lane(Kind::Thinking, 3)),
            (concat!($at, ".thought_signature"), Field::Exempt),
            (concat!($at, ".extra_content.google.thought_signature"), Field::Exempt),
            (concat!($at, ".audio.id"), Field::Exempt),
            (concat!($at, ".audio.data"), Field::Exempt),
            (concat!($at, ".audio.transcript"), Field::Lane(Kind::Assistant, 1)),
            (concat!($at, ".function_call"), Field::Scope(Scope::Call)),
            (concat!($at, ".function_call.name"), Field::ToolName(Kind::ToolArguments)),
            (concat!($at, ".function_call.arguments"), Field::Json(Kind::ToolArguments)),
            (concat!($at, ".tool_calls[]"), Field::Scope(Scope::Block)),
            (concat!($at, ".tool_calls[].index"), Field::Fact(Fact::Block)),
            (concat!($at, ".tool_calls[].id"), Field::Fact(Fact::CallId)),
            (concat!($at, ".tool_calls[].type"), Field::Exempt),
            (concat!($at, ".tool_calls[].function.name"), Field::ToolName(Kind::ToolArguments)),
            (concat!($at, ".tool_calls[].function.arguments"), Field::Json(Kind::ToolArguments)),
            (concat!($at, ".tool_calls[].custom.name"), Field::ToolName(Kind::ToolArguments)),
            (concat!($at, ".tool_calls[].custom.input"), Field::Lane(Kind::ToolArguments, 1)),
            (concat!($at, ".tool_calls[].extra_content.google.thought_signature"), Field::Exempt),
        ]
    };
}

pub(super) const MESSAGE: &[Row] = answer!("messages[]");
pub(super) const WHOLE: &[Row] = answer!("choices[].message");
pub(super) const DELTA: &[Row] = answer!("choices[].delta");

pub(super) const REQUEST: &[Row] = &[
    ("model", Field::Fact(Fact::Model)),
    ("models[]", Field::Exempt),
    ("stream", Field::Fact(Fact::Stream)),
    ("stream_options", Field::Scope(Scope::StreamOptions)),
    ("stream_options.include_usage", Field::Fact(Fact::IncludeUsage)),
    ("max_tokens", Field::Fact(Fact::MaxTokens)),
    ("max_completion_tokens", Field::Fact(Fact::MaxTokens)),
    ("messages[]", Field::Scope(Scope::Message)),
    ("messages[].role", Field::Fact(Fact::Role)),
    ("messages[].tool_call_id", Field::Fact(Fact::ResultOf)),
    ("messages[].content", Field::Text(Kind::User)),
    ("messages[].content[].text", Field::Text(Kind::User)),
    ("messages[].content[].refusal", Field::Text(Kind::Refusal)),
    ("messages[].content[].image_url", Field::Url(Kind::User)),
    ("messages[].content[].image_url.url", Field::Url(Kind::User)),
    ("messages[].content[].image_url.detail", Field::Exempt),
    ("messages[].content[].video_url.url", Field::Url(Kind::User)),
    ("messages[].content[].input_audio.data", Field::Exempt),
    ("messages[].content[].input_audio.format", Field::Exempt),
    ("messages[].content[].file.file_data", Field::Url(Kind::User)),
    ("messages[].content[].file.file_id", Field::Exempt),
    ("messages[].content[].cache_control.**", Field::Exempt),
    ("messages[].reasoning_details[].text", Field::Signed(Kind::Thinking)),
    ("tools[].**", Field::Whole(Kind::ToolDefinition)),
    ("tools[].type", Field::Exempt),
    ("tools[].cache_control.**", Field::Exempt),
    ("functions[].**", Field::Whole(Kind::ToolDefinition)),
    ("tool_choice", Field::Exempt),
    ("response_format.type", Field::Exempt),
    ("response_format.json_schema.**", Field::Whole(Kind::ToolDefinition)),
    ("prediction.content", Field::Whole(Kind::User)),
    ("prediction.content[].text", Field::Whole(Kind::User)),
    ("service_tier", Field::Exempt),
    ("reasoning_effort", Field::Exempt),
    ("verbosity", Field::Exempt),
    ("modalities[]", Field::Exempt),
];

pub(super) const REPLY: &[Row] = &[
    ("id", Field::Fact(Fact::Id)),
    ("object", Field::Exempt),
    ("created", Field::Fact(Fact::Created)),
    ("model", Field::Fact(Fact::Model)),
    ("provider", Field::Exempt),
    ("service_tier", Field::Exempt),
    ("system_fingerprint", Field::Exempt),
    ("obfuscation", Field::Exempt),
    ("p", Field::Exempt),
    ("x_groq.id", Field::Exempt),
    ("x_groq.usage_breakdown.**", Field::Exempt),
    ("x_groq.usage.prompt_tokens", Field::Fact(Fact::InputTokens)),
    ("x_groq.usage.completion_tokens", Field::Fact(Fact::OutputTokens)),
    ("metadata.weight_version", Field::Exempt),
    ("prompt_filter_results[].content_filter_results.**", Field::Exempt),
    ("error", Field::Scope(Scope::Error)),
    ("error.type", Field::Exempt),
    ("error.code", Field::Exempt),
    ("error.param", Field::Exempt),
    ("usage", Field::Scope(Scope::Usage)),
    ("usage.**", Field::Exempt),
    ("usage.prompt_tokens", Field::Fact(Fact::InputTokens)),
    ("usage.completion_tokens", Field::Fact(Fact::OutputTokens)),
    ("usage.prompt_tokens_details.cached_tokens", Field::Fact(Fact::CachedTokens)),
    ("usage.completion_tokens_details.reasoning_tokens", Field::Fact(Fact::ReasoningTokens)),
    ("choices[]", Field::Scope(Scope::Choice)),
    ("choices[].index", Field::Fact(Fact::Choice)),
    ("choices[].finish_reason", Field::Fact(Fact::Finish)),
    ("choices[].native_finish_reason", Field::Exempt),
    ("choices[].content_filter_results.**", Field::Exempt),
    ("choices[].logprobs", Field::Scope(Scope::Logprobs)),
];

static REQUEST_SHAPE: LazyLock<Shape> = LazyLock::new(|| Shape::new(&[MESSAGE, REQUEST].concat()));
static REPLY_SHAPE: LazyLock<Shape> = LazyLock::new(|| Shape::new(&[REPLY, WHOLE].concat()));
static EVENT_SHAPE: LazyLock<Shape> = LazyLock::new(|| Shape::new(&[REPLY, DELTA].concat()));

impl Dialect for OpenAiChat {
    fn name(&self) -> &'static str {
        "openai_chat"
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

    fn marks(&self, _event: &[u8], facts: &Facts) -> Marks {
        let usage = facts.tokens.output.is_some();
        Marks {
            start: facts.choices != 0,
            choices: facts.choices,
            finished: facts.finished,
            error: facts.error,
            usage,
            only_usage: usage && facts.choices == 0 && !facts.error,
            ..Marks::default()
        }
    }

    /// `prompt_tokens` includes the cached ones; `completion_tokens` includes the reasoning.
    fn count(&self, tokens: &Tokenised, usage: &mut Usage) {
        if let Some(input) = tokens.input {
            usage.cached_input = tokens.cached.unwrap_or(0).min(input);
            usage.input = input - usage.cached_input;
        }
        if let Some(output) = tokens.output {
            usage.output = output;
            usage.reasoning = tokens.reasoning.unwrap_or(0);
        }
    }

    fn refusal(&self, refusal: &Refusal<'_>) -> Vec<u8> {
        error(refusal.reason, refusal.message).into_bytes()
    }

    fn ending(&self, sent: &Sent, ending: &Ending<'_>) -> Vec<u8> {
        if sent.terminal {
            return Vec::new();
        }
        if ending.style == CutStyle::Error {
            return format!("data: {}\n\n", error(ending.reason, ending.message)).into_bytes();
        }
        let mut out = String::new();
        let open = (0..64).filter(|choice| sent.choices.max(1) & !sent.finished & 1 << choice != 0);
        for choice in open {
            let delta = format!("{{\"content\":{}}}", quoted(&format!("\n\n{}", ending.message)));
            chunk(
                sent,
                &format!("{{\"index\":{choice},\"delta\":{delta},\"finish_reason\":null}}"),
                "",
                &mut out,
            );
            let last = format!("{{\"index\":{choice},\"delta\":{{}},\"finish_reason\":\"stop\"}}");
            chunk(sent, &last, "", &mut out);
        }
        if ending.with_usage {
            chunk(sent, "", &usage(&ending.usage), &mut out);
        }
        out.push_str("data: [DONE]\n\n");
        out.into_bytes()
    }

    fn ask_usage(&self, body: &[u8], facts: &Facts) -> Option<(Span, String)> {
        const ASK: &str = "\"include_usage\":true";
        if !facts.stream {
            return None;
        }
        let behind = |at: u32| Span { start: at + 1, end: at + 1 };
        match (facts.include_usage, facts.stream_options) {
            (Some((_, true)), _) => None,
            (Some((span, false)), _) => Some((span, "true".to_owned())),
            (None, Some(span)) if span.of(body).first() == Some(&b'{') => {
                let inside = &span.of(body)[1..span.len() - 1];
                let comma = if inside.iter().all(u8::is_ascii_whitespace) { "" } else { "," };
                Some((behind(span.start), format!("{ASK}{comma}")))
            }
            (None, Some(span)) => Some((span, format!("{{{ASK}}}"))),
            // `stream` stands in the object, so it is not empty and a comma is due.
            (None, None) => {
                let brace = body.iter().position(|&byte| byte == b'{')?;
                Some((behind(brace as u32), format!("\"stream_options\":{{{ASK}}},")))
            }
        }
    }
}

/// One event of the stream, with the names of the running answer.
fn chunk(sent: &Sent, choice: &str, usage: &str, out: &mut String) {
    let Sent { id, model, created, .. } = sent;
    out.push_str(&format!(
        "data: {{\"id\":\"{id}\",\"object\":\"chat.completion.chunk\",\"created\":{created},\"model\":\"{model}\",\
         \"choices\":[{choice}]{usage}}}\n\n"
    ));
}

fn usage(usage: &Usage) -> String {
    let prompt = usage.input + usage.cached_input + usage.cache_write;
    format!(
        ",\"usage\":{{\"prompt_tokens\":{prompt},\"completion_tokens\":{},\"total_tokens\":{},\
         \"prompt_tokens_details\":{{\"cached_tokens\":{}}},\"completion_tokens_details\":{{\"reasoning_tokens\":{}}}}}",
        usage.output,
        prompt + usage.output,
        usage.cached_input,
        usage.reasoning
    )
}

/// An error body as all of OpenAI's APIs have it.
pub(super) fn error(reason: Reason, message: &str) -> String {
    format!(
        "{{\"error\":{{\"message\":{},\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"{}\"}}}}",
        quoted(message),
        reason.code()
    )
}

#[cfg(test)]
#[path = "openai_chat_tests.rs"]
mod tests;
