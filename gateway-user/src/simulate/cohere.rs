//! Answers in the shapes of Cohere's chat (docs.cohere.com/reference/chat), versions 1 and 2.

use super::ask::{Ask, quoted};
use super::serve::Part;

/// The whole answer, not streamed; of version 1 if `first`.
pub(super) fn whole(ask: &Ask, text: &str, output: u64, first: bool) -> String {
    if first {
        return answer(ask, text, output);
    }
    let (said, finish) = if ask.calls_tool() {
        (format!(r#""tool_calls":[{}]"#, call(ask, text)), "TOOL_CALL")
    } else {
        (format!(r#""content":[{{"type":"text","text":{}}}]"#, quoted(text)), "COMPLETE")
    };
    format!(
        r#"{{"id":"sim1","message":{{"role":"assistant",{said}}},"finish_reason":"{finish}",{}}}"#,
        usage("usage", ask, output)
    )
}

/// One part of a streamed answer: an event, or of version 1 a line.
pub(super) fn event(ask: &Ask, part: Part<'_>, first: bool, said: &str) -> String {
    if first { line(ask, part, said) } else { second(ask, part) }
}

/// An error body.
pub(super) fn error(message: &str) -> String {
    format!(r#"{{"id":"sim1","message":{}}}"#, quoted(message))
}

/// An embedding.
pub(super) fn embedding() -> String {
    r#"{"id":"sim1","embeddings":{"float":[[0.25,-0.5,0.125]]},"texts":[],"response_type":"embeddings_by_type"}"#
        .to_owned()
}

fn line(ask: &Ask, part: Part<'_>, said: &str) -> String {
    let line = match part {
        Part::Opening | Part::ToolOpening => {
            r#"{"is_finished":false,"event_type":"stream-start","generation_id":"sim1"}"#.to_owned()
        }
        Part::Text(text) | Part::ToolArguments(text) => {
            format!(r#"{{"is_finished":false,"event_type":"text-generation","text":{}}}"#, quoted(text))
        }
        Part::Closing { output } => format!(
            r#"{{"is_finished":true,"event_type":"stream-end","finish_reason":"COMPLETE","response":{}}}"#,
            answer(ask, said, output)
        ),
    };
    line + "\n"
}

/// A whole answer of version 1.
fn answer(ask: &Ask, text: &str, output: u64) -> String {
    format!(
        r#"{{"response_id":"sim1","generation_id":"sim1","text":{},"finish_reason":"COMPLETE",{}}}"#,
        quoted(text),
        usage("meta", ask, output)
    )
}

fn second(ask: &Ask, part: Part<'_>) -> String {
    let message = |fields: String| format!(r#""index":0,"delta":{{"message":{{{fields}}}}}"#);
    let start = sse("message-start", r#""id":"sim1","delta":{"message":{"role":"assistant","content":[]}}"#);
    match part {
        Part::Opening => {
            let content = message(r#""content":{"type":"text","text":""}"#.to_owned());
            start + &sse("content-start", &content)
        }
        Part::ToolOpening => {
            let call = message(format!(r#""tool_calls":{}"#, call(ask, "")));
            start + &sse("tool-call-start", &call)
        }
        Part::Text(text) => {
            sse("content-delta", &message(format!(r#""content":{{"text":{}}}"#, quoted(text))))
        }
        Part::ToolArguments(text) => {
            let arguments = format!(r#""tool_calls":{{"function":{{"arguments":{}}}}}"#, quoted(text));
            sse("tool-call-delta", &message(arguments))
        }
        Part::Closing { output } => {
            let (end, finish) =
                if ask.calls_tool() { ("tool-call-end", "TOOL_CALL") } else { ("content-end", "COMPLETE") };
            let last = format!(r#""delta":{{"finish_reason":"{finish}",{}}}"#, usage("usage", ask, output));
            sse(end, r#""index":0"#) + &sse("message-end", &last) + "data: [DONE]\n\n"
        }
    }
}

/// One event; `fields` stand behind its type.
fn sse(name: &str, fields: &str) -> String {
    format!("event: {name}\ndata: {{\"type\":\"{name}\",{fields}}}\n\n")
}

fn call(ask: &Ask, arguments: &str) -> String {
    let name = quoted(ask.tool.as_deref().unwrap_or(""));
    format!(
        r#"{{"id":"call_sim1","type":"function","function":{{"name":{name},"arguments":{}}}}}"#,
        quoted(arguments)
    )
}

fn usage(name: &str, ask: &Ask, output: u64) -> String {
    format!(
        r#""{name}":{{"billed_units":{{"input_tokens":{0},"output_tokens":{output}}},"tokens":{{"input_tokens":{0},"output_tokens":{output}}}}}"#,
        ask.input
    )
}
