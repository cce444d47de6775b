//! Answers in the shapes of Ollama's own API (github.com/ollama/ollama, docs/api.md).

use super::ask::{Ask, quoted};
use super::serve::Part;

/// When every answer was made.
const TIME: &str = "2026-01-01T00:00:00Z";

/// The whole answer, not streamed; a conversation's if `chat`.
pub(super) fn whole(ask: &Ask, text: &str, output: u64, chat: bool) -> String {
    line(ask, &said(ask, text, chat), &counts(ask, output))
}

/// One part of a streamed answer, as a line. A call comes in one piece.
pub(super) fn event(ask: &Ask, part: Part<'_>, chat: bool, said_so_far: &str) -> String {
    let line = match part {
        Part::Opening | Part::ToolOpening | Part::ToolArguments(_) => return String::new(),
        Part::Text(text) => line(ask, &said(ask, text, chat), "\"done\":false"),
        Part::Closing { output } if ask.calls_tool() => {
            line(ask, &said(ask, said_so_far, chat), &counts(ask, output))
        }
        Part::Closing { output } => line(ask, &said(ask, "", chat), &counts(ask, output)),
    };
    line + "\n"
}

/// An error body.
pub(super) fn error(message: &str) -> String {
    format!(r#"{{"error":{}}}"#, quoted(message))
}

/// Embeddings.
pub(super) fn embedding(ask: &Ask) -> String {
    format!(
        r#"{{"model":{},"embeddings":[[0.25,-0.5,0.125]],"prompt_eval_count":{}}}"#,
        quoted(&ask.model),
        ask.input
    )
}

fn said(ask: &Ask, text: &str, chat: bool) -> String {
    if !chat {
        return format!(r#""response":{}"#, quoted(text));
    }
    if ask.calls_tool() {
        let name = quoted(ask.tool.as_deref().unwrap_or(""));
        return format!(
            r#""message":{{"role":"assistant","content":"","tool_calls":[{{"function":{{"name":{name},"arguments":{text}}}}}]}}"#
        );
    }
    format!(r#""message":{{"role":"assistant","content":{}}}"#, quoted(text))
}

fn line(ask: &Ask, said: &str, done: &str) -> String {
    format!(r#"{{"model":{},"created_at":"{TIME}",{said},{done}}}"#, quoted(&ask.model))
}

fn counts(ask: &Ask, output: u64) -> String {
    format!(
        concat!(
            r#""done":true,"done_reason":"stop","total_duration":5,"load_duration":1,"prompt_eval_count":{},"#,
            r#""prompt_eval_duration":2,"eval_count":{},"eval_duration":2"#
        ),
        ask.input, output
    )
}
