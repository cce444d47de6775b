//! Answers in the shapes of Bedrock's runtime: Converse, and InvokeModel as Anthropic's models answer it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::anthropic;
use super::ask::{Ask, quoted};
use super::serve::Part;
use crate::wire::frames::frame;

/// The whole answer, not streamed.
pub(super) fn whole(ask: &Ask, text: &str, output: u64, converse: bool) -> String {
    if !converse {
        return anthropic::whole(ask, text, output);
    }
    let (block, stop) = if ask.calls_tool() {
        let name = quoted(ask.tool.as_deref().unwrap_or(""));
        let call = format!(r#"{{"toolUse":{{"toolUseId":"tooluse_sim1","name":{name},"input":{text}}}}}"#);
        (call, "tool_use")
    } else {
        (format!(r#"{{"text":{}}}"#, quoted(text)), "end_turn")
    };
    format!(
        concat!(
            r#"{{"output":{{"message":{{"role":"assistant","content":[{}]}}}},"stopReason":"{}","#,
            r#""metrics":{{"latencyMs":5}},{}}}"#
        ),
        block,
        stop,
        usage(ask, output)
    )
}

/// One part of a streamed answer, as frames.
pub(super) fn event(ask: &Ask, part: Part<'_>, converse: bool) -> Vec<u8> {
    if converse {
        return converse_event(ask, part);
    }
    let events = anthropic::event(ask, part);
    let datas = events.lines().filter_map(|line| line.strip_prefix("data: "));
    datas
        .flat_map(|data| {
            let encoded = STANDARD.encode(data);
            named("chunk", &format!(r#"{{"bytes":"{encoded}","p":"abcdefgh"}}"#))
        })
        .collect()
}

/// An error body.
pub(super) fn error(message: &str) -> String {
    format!(r#"{{"message":{}}}"#, quoted(message))
}

/// The answer to a question for the number of tokens.
pub(super) fn token_count(ask: &Ask) -> String {
    format!(r#"{{"inputTokens":{}}}"#, ask.input)
}

fn converse_event(ask: &Ask, part: Part<'_>) -> Vec<u8> {
    let start = || named("messageStart", r#"{"role":"assistant","p":"abcd"}"#);
    let delta = |delta: String| {
        named("contentBlockDelta", &format!(r#"{{"contentBlockIndex":0,"delta":{delta},"p":"abcdefgh"}}"#))
    };
    match part {
        Part::Opening => start(),
        Part::ToolOpening => {
            let name = quoted(ask.tool.as_deref().unwrap_or(""));
            let call = format!(r#"{{"toolUse":{{"toolUseId":"tooluse_sim1","name":{name}}}}}"#);
            let block = named("contentBlockStart", &format!(r#"{{"contentBlockIndex":0,"start":{call}}}"#));
            [start(), block].concat()
        }
        Part::Text(text) => delta(format!(r#"{{"text":{}}}"#, quoted(text))),
        Part::ToolArguments(text) => delta(format!(r#"{{"toolUse":{{"input":{}}}}}"#, quoted(text))),
        Part::Closing { output } => {
            let stop = if ask.calls_tool() { "tool_use" } else { "end_turn" };
            [
                named("contentBlockStop", r#"{"contentBlockIndex":0}"#),
                named("messageStop", &format!(r#"{{"stopReason":"{stop}"}}"#)),
                named("metadata", &format!(r#"{{"metrics":{{"latencyMs":5}},{}}}"#, usage(ask, output))),
            ]
            .concat()
        }
    }
}

/// A frame that says an event of this name happened.
fn named(name: &str, payload: &str) -> Vec<u8> {
    let headers = [(":event-type", name), (":content-type", "application/json"), (":message-type", "event")];
    frame(&headers, payload.as_bytes())
}

fn usage(ask: &Ask, output: u64) -> String {
    let cached = ask.script.cached.min(ask.input);
    format!(
        r#""usage":{{"inputTokens":{},"outputTokens":{output},"totalTokens":{},"cacheReadInputTokens":{cached}}}"#,
        ask.input - cached,
        ask.input + output
    )
}
