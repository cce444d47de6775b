//! Answers in the shapes of Google's generateContent (ai.google.dev/api/generate-content).

use super::ask::{Ask, quoted};
use super::dialect::Said;
use super::serve::Part;

/// The whole answer, not streamed.
pub(super) fn whole(ask: &Ask, text: &str, output: u64) -> String {
    chunk(ask, &piece(ask, text), true, output)
}

/// One part of a streamed answer: an event, or with `array` the next item of a JSON array. A call comes in one piece.
pub(super) fn event(ask: &Ask, part: Part<'_>, array: bool, said: &mut Said) -> String {
    let (chunk, last) = match part {
        Part::Opening | Part::ToolOpening | Part::ToolArguments(_) => return String::new(),
        Part::Text(text) => (chunk(ask, &piece(ask, text), false, said.events + 1), false),
        Part::Closing { output } => {
            let rest = if ask.calls_tool() { piece(ask, &said.text) } else { piece(ask, "") };
            (chunk(ask, &rest, true, output), true)
        }
    };
    said.events += 1;
    if !array {
        return format!("data: {chunk}\r\n\r\n");
    }
    let before = if said.events == 1 { "[" } else { ",\r\n" };
    format!("{before}{chunk}\n{}", if last { "]" } else { "" })
}

/// An error body.
pub(super) fn error(status: u16, message: &str) -> String {
    let name = match status {
        404 => "NOT_FOUND",
        500.. => "INTERNAL",
        _ => "INVALID_ARGUMENT",
    };
    let message = quoted(message);
    format!(r#"{{"error":{{"code":{status},"message":{message},"status":"{name}"}}}}"#)
}

/// The list of models.
pub(super) fn models() -> String {
    let model = |id: &str| {
        format!(
            concat!(
                r#"{{"name":"models/{id}","version":"001","displayName":"{id}","inputTokenLimit":1048576,"#,
                r#""outputTokenLimit":65536,"supportedGenerationMethods":["generateContent","countTokens"]}}"#
            ),
            id = id
        )
    };
    format!(r#"{{"models":[{},{}]}}"#, model("gemini-2.5-flash"), model("gemini-2.5-pro"))
}

/// An embedding.
pub(super) fn embedding() -> String {
    r#"{"embedding":{"values":[0.25,-0.5,0.125]}}"#.to_owned()
}

fn piece(ask: &Ask, text: &str) -> String {
    if ask.calls_tool() {
        let name = quoted(ask.tool.as_deref().unwrap_or(""));
        return format!(r#"{{"functionCall":{{"name":{name},"args":{text}}},"thoughtSignature":"c2ln"}}"#);
    }
    format!(r#"{{"text":{}}}"#, quoted(text))
}

fn chunk(ask: &Ask, part: &str, last: bool, output: u64) -> String {
    let finish = if last { r#","finishReason":"STOP""# } else { "" };
    let (input, cached) = (ask.input, ask.script.cached.min(ask.input));
    format!(
        concat!(
            r#"{{"candidates":[{{"content":{{"parts":[{}],"role":"model"}}{},"index":0}}],"#,
            r#""usageMetadata":{{"promptTokenCount":{},"cachedContentTokenCount":{},"candidatesTokenCount":{},"#,
            r#""totalTokenCount":{}}},"modelVersion":{},"responseId":"sim1"}}"#
        ),
        part,
        finish,
        input,
        cached,
        output,
        input + output,
        quoted(&ask.model)
    )
}
