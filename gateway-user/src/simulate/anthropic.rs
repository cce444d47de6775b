//! Answers in the shapes of Anthropic's Messages API (docs.anthropic.com/en/api/messages).

use super::ask::{Ask, quoted};
use super::serve::Part;

/// The whole answer, not streamed.
pub(super) fn whole(ask: &Ask, text: &str, output: u64) -> String {
    let (block, stop) = if ask.calls_tool() {
        let name = quoted(ask.tool.as_deref().unwrap_or(""));
        (format!(r#"{{"type":"tool_use","id":"toolu_sim1","name":{name},"input":{text}}}"#), "tool_use")
    } else {
        (format!(r#"{{"type":"text","text":{}}}"#, quoted(text)), "end_turn")
    };
    format!(
        concat!(
            r#"{{"id":"msg_sim1","type":"message","role":"assistant","model":{},"content":[{}],"#,
            r#""stop_reason":"{}","stop_sequence":null,"usage":{}}}"#
        ),
        quoted(&ask.model),
        block,
        stop,
        usage(ask, output)
    )
}

/// One part of a streamed answer, as SSE.
pub(super) fn event(ask: &Ask, part: Part<'_>) -> String {
    match part {
        Part::Opening => start(ask) + &block_start(r#"{"type":"text","text":""}"#) + &sse("ping", ""),
        Part::ToolOpening => {
            let name = quoted(ask.tool.as_deref().unwrap_or(""));
            start(ask)
                + &block_start(&format!(
                    r#"{{"type":"tool_use","id":"toolu_sim1","name":{name},"input":{{}}}}"#
                ))
                + &sse("ping", "")
        }
        Part::Text(text) => delta(&format!(r#"{{"type":"text_delta","text":{}}}"#, quoted(text))),
        Part::ToolArguments(text) => {
            delta(&format!(r#"{{"type":"input_json_delta","partial_json":{}}}"#, quoted(text)))
        }
        Part::Closing { output } => {
            let stop = if ask.calls_tool() { "tool_use" } else { "end_turn" };
            let end = format!(
                r#","delta":{{"stop_reason":"{stop}","stop_sequence":null}},"usage":{{"output_tokens":{output}}}"#
            );
            sse("content_block_stop", r#","index":0"#)
                + &sse("message_delta", &end)
                + &sse("message_stop", "")
        }
    }
}

/// An error body.
pub(super) fn error(status: u16, message: &str) -> String {
    let kind = match status {
        404 => "not_found_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    };
    let message = quoted(message);
    format!(r#"{{"type":"error","error":{{"type":"{kind}","message":{message}}},"request_id":"req_sim1"}}"#)
}

/// The list of models.
pub(super) fn models() -> String {
    let id = "claude-sonnet-4-5";
    format!(
        concat!(
            r#"{{"data":[{{"type":"model","id":"{id}","display_name":"Claude","created_at":"2025-09-29T00:00:00Z"}}],"#,
            r#""has_more":false,"first_id":"{id}","last_id":"{id}"}}"#
        ),
        id = id
    )
}

fn start(ask: &Ask) -> String {
    let message = format!(
        concat!(
            r#","message":{{"id":"msg_sim1","type":"message","role":"assistant","model":{},"content":[],"#,
            r#""stop_reason":null,"stop_sequence":null,"usage":{}}}"#
        ),
        quoted(&ask.model),
        usage(ask, 1)
    );
    sse("message_start", &message)
}

fn block_start(block: &str) -> String {
    sse("content_block_start", &format!(r#","index":0,"content_block":{block}"#))
}

fn delta(delta: &str) -> String {
    sse("content_block_delta", &format!(r#","index":0,"delta":{delta}"#))
}

/// One event; `rest` are its fields after the type, each with a comma before it.
fn sse(name: &str, rest: &str) -> String {
    format!("event: {name}\ndata: {{\"type\":\"{name}\"{rest}}}\n\n")
}

fn usage(ask: &Ask, output: u64) -> String {
    let cached = ask.script.cached.min(ask.input);
    format!(
        concat!(
            r#"{{"input_tokens":{},"cache_creation_input_tokens":0,"cache_read_input_tokens":{},"#,
            r#""output_tokens":{},"service_tier":"standard"}}"#
        ),
        ask.input - cached,
        cached,
        output
    )
}
