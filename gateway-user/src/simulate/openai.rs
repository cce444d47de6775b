//! Answers in the shapes of OpenAI's Chat Completions (platform.openai.com/docs/api-reference/chat).

use super::ask::{Ask, quoted};
use super::serve::Part;

/// Time of every answer; fixed, so that runs compare.
const CREATED: u64 = 1_795_000_000;

/// The whole answer, not streamed.
pub(super) fn whole(ask: &Ask, text: &str, output: u64) -> String {
    let (message, finish) = if ask.calls_tool() {
        let calls = format!(
            r#"[{{"id":"call_sim1","type":"function","function":{{"name":{},"arguments":{}}}}}]"#,
            quoted(ask.tool.as_deref().unwrap_or("")),
            quoted(text)
        );
        (
            format!(r#"{{"role":"assistant","content":null,"tool_calls":{calls},"refusal":null}}"#),
            "tool_calls",
        )
    } else {
        (format!(r#"{{"role":"assistant","content":{},"refusal":null}}"#, quoted(text)), "stop")
    };
    format!(
        concat!(
            r#"{{"id":"chatcmpl-sim1","object":"chat.completion","created":{},"model":{},"#,
            r#""choices":[{{"index":0,"message":{},"logprobs":null,"finish_reason":"{}"}}],"#,
            r#""usage":{},"system_fingerprint":"fp_sim"}}"#
        ),
        CREATED,
        quoted(&ask.model),
        message,
        finish,
        usage(ask, output)
    )
}

/// One part of a streamed answer, as SSE.
pub(super) fn event(ask: &Ask, part: Part<'_>) -> String {
    match part {
        Part::Opening => chunk(ask, r#"{"role":"assistant","content":"","refusal":null}"#, "null"),
        Part::ToolOpening => chunk(
            ask,
            &format!(
                concat!(
                    r#"{{"role":"assistant","content":null,"tool_calls":[{{"index":0,"id":"call_sim1","#,
                    r#""type":"function","function":{{"name":{},"arguments":""}}}}],"refusal":null}}"#
                ),
                quoted(ask.tool.as_deref().unwrap_or(""))
            ),
            "null",
        ),
        Part::Text(text) => chunk(ask, &format!(r#"{{"content":{}}}"#, quoted(text)), "null"),
        Part::ToolArguments(text) => chunk(
            ask,
            &format!(r#"{{"tool_calls":[{{"index":0,"function":{{"arguments":{}}}}}]}}"#, quoted(text)),
            "null",
        ),
        Part::Closing { output } => {
            let finish = if ask.calls_tool() { r#""tool_calls""# } else { r#""stop""# };
            let mut text = chunk(ask, "{}", finish);
            if ask.include_usage {
                text += &format!("data: {}\"choices\":[],\"usage\":{}}}\n\n", head(ask), usage(ask, output));
            }
            text + "data: [DONE]\n\n"
        }
    }
}

/// An error body.
pub(super) fn error(status: u16, message: &str) -> String {
    let kind = if status >= 500 { "server_error" } else { "invalid_request_error" };
    format!(r#"{{"error":{{"message":{},"type":"{kind}","param":null,"code":null}}}}"#, quoted(message))
}

/// The list of models.
pub(super) fn models() -> String {
    let model =
        |id: &str| format!(r#"{{"id":"{id}","object":"model","created":{CREATED},"owned_by":"openai"}}"#);
    format!(r#"{{"object":"list","data":[{},{}]}}"#, model("gpt-4o-mini"), model("gpt-4o"))
}

/// An embedding.
pub(super) fn embedding(ask: &Ask) -> String {
    format!(
        concat!(
            r#"{{"object":"list","data":[{{"object":"embedding","index":0,"embedding":[0.25,-0.5,0.125]}}],"#,
            r#""model":{},"usage":{{"prompt_tokens":{tokens},"total_tokens":{tokens}}}}}"#
        ),
        quoted(&ask.model),
        tokens = ask.input
    )
}

fn chunk(ask: &Ask, delta: &str, finish: &str) -> String {
    let usage = if ask.include_usage { r#","usage":null"# } else { "" };
    format!(
        "data: {}\"choices\":[{{\"index\":0,\"delta\":{delta},\"logprobs\":null,\"finish_reason\":{finish}}}]{usage}}}\n\n",
        head(ask)
    )
}

fn head(ask: &Ask) -> String {
    format!(
        r#"{{"id":"chatcmpl-sim1","object":"chat.completion.chunk","created":{CREATED},"model":{},"service_tier":"default","system_fingerprint":"fp_sim","#,
        quoted(&ask.model)
    )
}

fn usage(ask: &Ask, output: u64) -> String {
    format!(
        concat!(
            r#"{{"prompt_tokens":{},"completion_tokens":{},"total_tokens":{},"#,
            r#""prompt_tokens_details":{{"cached_tokens":{},"audio_tokens":0}},"#,
            r#""completion_tokens_details":{{"reasoning_tokens":0,"audio_tokens":0}}}}"#
        ),
        ask.input,
        output,
        ask.input + output,
        ask.script.cached.min(ask.input)
    )
}
