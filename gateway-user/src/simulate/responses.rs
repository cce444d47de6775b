//! Answers in the shapes of OpenAI's Responses (platform.openai.com/docs/api-reference/responses).

use super::ask::{Ask, quoted};
use super::dialect::Said;
use super::serve::Part;

/// Time of every answer; fixed, so that runs compare.
const CREATED: u64 = 1_795_000_000;

/// The whole answer, not streamed.
pub(super) fn whole(ask: &Ask, text: &str, output: u64) -> String {
    response(ask, "completed", &item(ask, "completed", text), Some(output))
}

/// The events of one part of a streamed answer, as SSE.
pub(super) fn events(ask: &Ask, part: Part<'_>, said: &mut Said) -> String {
    let mut out = String::new();
    for (kind, rest) in list(ask, part, &said.text) {
        let number = said.events;
        said.events += 1;
        out +=
            &format!("event: {kind}\ndata: {{\"type\":\"{kind}\",{rest},\"sequence_number\":{number}}}\n\n");
    }
    out
}

const AT_TEXT: &str = r#""item_id":"msg_sim1","output_index":0,"content_index":0"#;
const AT_CALL: &str = r#""item_id":"fc_sim1","output_index":0"#;

/// The events of one part: type and fields.
fn list(ask: &Ask, part: Part<'_>, said: &str) -> Vec<(&'static str, String)> {
    let begun = response(ask, "in_progress", "", None);
    let opening = || {
        let item = item(ask, "in_progress", "");
        vec![
            ("response.created", format!(r#""response":{begun}"#)),
            ("response.in_progress", format!(r#""response":{begun}"#)),
            ("response.output_item.added", format!(r#""output_index":0,"item":{item}"#)),
        ]
    };
    match part {
        Part::ToolOpening => opening(),
        Part::Opening => {
            let mut events = opening();
            events.push(("response.content_part.added", format!(r#"{AT_TEXT},"part":{}"#, content(""))));
            events
        }
        Part::Text(text) => vec![(
            "response.output_text.delta",
            format!(r#"{AT_TEXT},"delta":{},"logprobs":[],"obfuscation":"xq""#, quoted(text)),
        )],
        Part::ToolArguments(text) => vec![(
            "response.function_call_arguments.delta",
            format!(r#"{AT_CALL},"delta":{},"obfuscation":"xq""#, quoted(text)),
        )],
        Part::Closing { output } => closing(ask, said, output),
    }
}

fn closing(ask: &Ask, said: &str, output: u64) -> Vec<(&'static str, String)> {
    let mut events = if ask.calls_tool() {
        vec![("response.function_call_arguments.done", format!(r#"{AT_CALL},"arguments":{}"#, quoted(said)))]
    } else {
        vec![
            ("response.output_text.done", format!(r#"{AT_TEXT},"text":{},"logprobs":[]"#, quoted(said))),
            ("response.content_part.done", format!(r#"{AT_TEXT},"part":{}"#, content(said))),
        ]
    };
    let item = item(ask, "completed", said);
    events.push(("response.output_item.done", format!(r#""output_index":0,"item":{item}"#)));
    let all = response(ask, "completed", &item, Some(output));
    events.push(("response.completed", format!(r#""response":{all}"#)));
    events
}

fn content(text: &str) -> String {
    format!(r#"{{"type":"output_text","annotations":[],"logprobs":[],"text":{}}}"#, quoted(text))
}

/// The one item of the answer: a call, or a message.
fn item(ask: &Ask, status: &str, text: &str) -> String {
    if ask.calls_tool() {
        let name = quoted(ask.tool.as_deref().unwrap_or(""));
        let arguments = quoted(text);
        return format!(
            r#"{{"id":"fc_sim1","type":"function_call","status":"{status}","arguments":{arguments},"call_id":"call_sim1","name":{name}}}"#
        );
    }
    let content = if text.is_empty() { String::new() } else { content(text) };
    format!(
        r#"{{"id":"msg_sim1","type":"message","status":"{status}","content":[{content}],"role":"assistant"}}"#
    )
}

fn response(ask: &Ask, status: &str, output: &str, tokens: Option<u64>) -> String {
    format!(
        concat!(
            r#"{{"id":"resp_sim1","object":"response","created_at":{},"status":"{}","background":false,"error":null,"#,
            r#""incomplete_details":null,"instructions":null,"max_output_tokens":null,"model":{},"output":[{}],"#,
            r#""parallel_tool_calls":true,"previous_response_id":null,"reasoning":{{"effort":null,"summary":null}},"#,
            r#""store":false,"temperature":1.0,"text":{{"format":{{"type":"text"}}}},"tool_choice":"auto","tools":[],"#,
            r#""top_p":1.0,"truncation":"disabled","usage":{},"user":null,"metadata":{{}}}}"#
        ),
        CREATED,
        status,
        quoted(&ask.model),
        output,
        tokens.map_or_else(|| "null".to_owned(), |tokens| usage(ask, tokens))
    )
}

fn usage(ask: &Ask, output: u64) -> String {
    let input = ask.input;
    format!(
        concat!(
            r#"{{"input_tokens":{},"input_tokens_details":{{"cached_tokens":{}}},"output_tokens":{},"#,
            r#""output_tokens_details":{{"reasoning_tokens":0}},"total_tokens":{}}}"#
        ),
        input,
        ask.script.cached.min(input),
        output,
        input + output
    )
}
