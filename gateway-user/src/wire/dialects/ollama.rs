//! Ollama's own API: chat and generate, whole or as lines of JSON, and embeddings.
//!
//! Source: <https://github.com/ollama/ollama/blob/main/docs/api.md>. Every line of a stream is a whole reply object with
//! the next part of the text; the last one says `done`. The time at which an answer was made stands for its id.

use std::sync::LazyLock;

use crate::wire::dialects::{CutStyle, Dialect, Ending, Marks, Refusal, Sent, thoughts};
use crate::wire::escape::quoted;
use crate::wire::event::{Kind, Usage};
use crate::wire::reading::{Facts, Reading, Tokenised};
use crate::wire::shape::{Fact, Field, Scope, Shape};

/// Ollama's API, in its two forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ollama {
    /// The dialect `ollama`: conversations.
    Chat,
    /// The dialect `ollama_generate`: one prompt, one answer; also embeddings.
    Generate,
}

type Row = (&'static str, Field);

const REQUEST: &[Row] = &[
    ("model", Field::Fact(Fact::Model)),
    ("stream", Field::Fact(Fact::Stream)),
    ("options.num_predict", Field::Fact(Fact::MaxTokens)),
    ("messages[]", Field::Scope(Scope::Message)),
    ("messages[].role", Field::Fact(Fact::Role)),
    ("messages[].content", Field::Text(Kind::User)),
    ("messages[].thinking", Field::Text(Kind::Thinking)),
    ("messages[].images[]", Field::Payload(Kind::User)),
    ("messages[].tool_name", Field::Whole(Kind::ToolResult)),
    ("messages[].tool_call_id", Field::Fact(Fact::ResultOf)),
    ("messages[].tool_calls[]", Field::Scope(Scope::Call)),
    ("messages[].tool_calls[].id", Field::Fact(Fact::CallId)),
    ("messages[].tool_calls[].type", Field::Exempt),
    ("messages[].tool_calls[].function.**", Field::Whole(Kind::ToolArguments)),
    ("messages[].tool_calls[].function.name", Field::ToolName(Kind::ToolArguments)),
    ("messages[].tool_calls[].function.arguments", Field::Scope(Scope::Arguments)),
    ("tools[].**", Field::Whole(Kind::ToolDefinition)),
    ("tools[].type", Field::Exempt),
    ("format", Field::Whole(Kind::ToolDefinition)),
    ("format.**", Field::Whole(Kind::ToolDefinition)),
    ("system", Field::Text(Kind::System)),
    ("template", Field::Text(Kind::System)),
    ("prompt", Field::Text(Kind::User)),
    ("suffix", Field::Text(Kind::User)),
    ("input", Field::Text(Kind::User)),
    ("input[]", Field::Text(Kind::User)),
    ("images[]", Field::Payload(Kind::User)),
    ("keep_alive", Field::Exempt),
    // The state of a conversation, as numbers of tokens.
    ("context[]", Field::Exempt),
    ("think", Field::Exempt),
];

const REPLY: &[Row] = &[
    ("model", Field::Fact(Fact::Model)),
    ("remote_model", Field::Exempt),
    ("remote_host", Field::Exempt),
    ("created_at", Field::Fact(Fact::Id)),
    ("message.role", Field::Exempt),
    ("message.content", Field::Text(Kind::Assistant)),
    ("message.thinking", Field::Text(Kind::Thinking)),
    ("message.images[]", Field::Payload(Kind::Assistant)),
    ("message.tool_name", Field::Whole(Kind::ToolArguments)),
    ("message.tool_calls[]", Field::Scope(Scope::Block)),
    ("message.tool_calls[].id", Field::Fact(Fact::CallId)),
    ("message.tool_calls[].type", Field::Exempt),
    ("message.tool_calls[].function.**", Field::Whole(Kind::ToolArguments)),
    ("message.tool_calls[].function.name", Field::ToolName(Kind::ToolArguments)),
    ("message.tool_calls[].function.arguments", Field::Scope(Scope::Arguments)),
    ("response", Field::Text(Kind::Assistant)),
    ("thinking", Field::Text(Kind::Thinking)),
    ("context[]", Field::Exempt),
    ("logprobs", Field::Scope(Scope::Logprobs)),
    ("done", Field::Fact(Fact::Finish)),
    ("done_reason", Field::Exempt),
    ("total_duration", Field::Exempt),
    ("load_duration", Field::Exempt),
    ("prompt_eval_duration", Field::Exempt),
    ("eval_duration", Field::Exempt),
    ("prompt_eval_count", Field::Fact(Fact::InputTokens)),
    ("eval_count", Field::Fact(Fact::OutputTokens)),
    ("embedding[]", Field::Exempt),
    ("embeddings[][]", Field::Exempt),
    ("error", Field::Scope(Scope::Error)),
];

static REQUEST_SHAPE: LazyLock<Shape> = LazyLock::new(|| Shape::new(REQUEST));
static REPLY_SHAPE: LazyLock<Shape> = LazyLock::new(|| Shape::new(REPLY));

impl Dialect for Ollama {
    fn name(&self) -> &'static str {
        match self {
            Ollama::Chat => "ollama",
            Ollama::Generate => "ollama_generate",
        }
    }

    fn request(&self) -> &'static Shape {
        &REQUEST_SHAPE
    }

    fn reply(&self) -> &'static Shape {
        &REPLY_SHAPE
    }

    fn event(&self) -> &'static Shape {
        &REPLY_SHAPE
    }

    fn refine(&self, _event: &[u8], reading: &mut Reading) {
        thoughts::set_apart(reading);
    }

    fn marks(&self, _event: &[u8], facts: &Facts) -> Marks {
        Marks {
            start: !facts.error,
            closes: facts.block,
            ends_first: facts.block.is_some(),
            stop: facts.finish,
            terminal: facts.finish,
            error: facts.error,
            usage: facts.tokens.output.is_some(),
            ..Marks::default()
        }
    }

    fn calls_are_whole(&self) -> bool {
        true
    }

    fn count(&self, tokens: &Tokenised, usage: &mut Usage) {
        usage.input = tokens.input.unwrap_or(usage.input);
        usage.output = tokens.output.unwrap_or(usage.output);
    }

    fn refusal(&self, refusal: &Refusal<'_>) -> Vec<u8> {
        // Errors have no field for a code, so it leads the message.
        error(&format!("{}: {}", refusal.reason.code(), refusal.message)).into_bytes()
    }

    fn ending(&self, sent: &Sent, ending: &Ending<'_>) -> Vec<u8> {
        if sent.terminal {
            return Vec::new();
        }
        if ending.style == CutStyle::Error {
            return format!("{}\n", error(ending.message)).into_bytes();
        }
        let said = quoted(&format!("\n\n{}", ending.message));
        let Usage { input, cached_input, output, .. } = ending.usage;
        let counts = format!(
            "true,\"done_reason\":\"stop\",\"total_duration\":0,\"load_duration\":0,\"prompt_eval_count\":{},\
             \"prompt_eval_duration\":0,\"eval_count\":{output},\"eval_duration\":0",
            input + cached_input
        );
        [self.line(sent, &said, "false"), self.line(sent, "\"\"", &counts)].concat().into_bytes()
    }
}

impl Ollama {
    /// One line of the stream: a text as it stands in JSON, and what stands behind `done`.
    fn line(self, sent: &Sent, text: &str, done: &str) -> String {
        let said = match self {
            Ollama::Chat => format!("\"message\":{{\"role\":\"assistant\",\"content\":{text}}}"),
            Ollama::Generate => format!("\"response\":{text}"),
        };
        let made = match sent.id.as_str() {
            "" => String::new(),
            time => format!("\"created_at\":\"{time}\","),
        };
        format!("{{\"model\":\"{}\",{made}{said},\"done\":{done}}}\n", sent.model)
    }
}

fn error(message: &str) -> String {
    format!("{{\"error\":{}}}", quoted(message))
}

#[cfg(test)]
#[path = "ollama_tests.rs"]
mod tests;
