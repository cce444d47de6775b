//! How a running Responses answer ends early: the reason as text of its message, and all that repeats that text.
//!
//! Codex shows the text of `response.output_item.done`, SDKs that of the deltas or of the last event: each gets all of
//! it. An item other than a message, which is only begun, stays open: no client acts on it.

use std::fmt::Write as _;

use crate::wire::dialects::answer::{Answer, Message};
use crate::wire::dialects::{CutStyle, Ending, Sent};
use crate::wire::escape::quoted;

/// The one error code that Codex neither repeats the request for nor hides.
const FINAL_CODE: &str = "invalid_prompt";

/// The last events.
pub(super) fn write(sent: &Sent, ending: &Ending<'_>) -> String {
    let mut out = Out { text: String::new(), number: sent.answer.next_event };
    if !sent.started {
        let created = response(sent, "in_progress", "null", "", "null");
        out.event("response.created", &format!("\"response\":{created}"));
    }
    let usage = usage(ending);
    if ending.style == CutStyle::Error {
        let error = format!("{{\"code\":\"{FINAL_CODE}\",\"message\":{}}}", quoted(ending.message));
        let failed = response(sent, "failed", &error, &items(&sent.answer, None), &usage);
        out.event("response.failed", &format!("\"response\":{failed}"));
        return out.text;
    }
    let message = say(sent, ending.message, &mut out);
    let completed = response(sent, "completed", "null", &items(&sent.answer, Some(&message)), &usage);
    out.event("response.completed", &format!("\"response\":{completed}"));
    out.text
}

/// Events, numbered.
struct Out {
    text: String,
    number: u64,
}

impl Out {
    /// One event; `rest` are its other fields.
    fn event(&mut self, name: &str, rest: &str) {
        let number = self.number;
        self.number += 1;
        write!(
            self.text,
            "event: {name}\ndata: {{\"type\":\"{name}\",{rest},\"sequence_number\":{number}}}\n\n"
        )
        .expect("writing to a string cannot fail");
    }
}

/// Says `text` in the open message, else in one of its own, closes the message, and returns it whole.
fn say(sent: &Sent, text: &str, out: &mut Out) -> String {
    let fresh = Message { number: sent.next_block, id: b"msg_cut".to_vec(), ..Message::default() };
    let message = sent.answer.open.as_ref().unwrap_or(&fresh);
    let id = String::from_utf8_lossy(&message.id);
    let at = format!("\"item_id\":\"{id}\",\"output_index\":{}", message.number);
    if sent.answer.open.is_none() {
        let item = item(&id, "in_progress", "");
        out.event(
            "response.output_item.added",
            &format!("\"output_index\":{},\"item\":{item}", message.number),
        );
    }
    let number = message.part.unwrap_or(message.parts.len() as u16);
    let at_part = format!("{at},\"content_index\":{number}");
    if message.part.is_none() {
        out.event("response.content_part.added", &format!("{at_part},\"part\":{}", part("")));
    }
    let quoted = quoted(&format!("\n\n{text}"));
    let all = format!("{}{}", String::from_utf8_lossy(&message.text), &quoted[1..quoted.len() - 1]);
    out.event("response.output_text.delta", &format!("{at_part},\"delta\":{quoted},\"logprobs\":[]"));
    out.event("response.output_text.done", &format!("{at_part},\"text\":\"{all}\",\"logprobs\":[]"));
    out.event("response.content_part.done", &format!("{at_part},\"part\":{}", part(&all)));
    let mut parts: Vec<String> =
        message.parts.iter().map(|part| String::from_utf8_lossy(part).into_owned()).collect();
    parts.push(part(&all));
    let whole = item(&id, "completed", &parts.join(","));
    out.event("response.output_item.done", &format!("\"output_index\":{},\"item\":{whole}", message.number));
    whole
}

/// A part; `text` is the inside of a JSON string.
fn part(text: &str) -> String {
    format!("{{\"type\":\"output_text\",\"annotations\":[],\"logprobs\":[],\"text\":\"{text}\"}}")
}

fn item(id: &str, status: &str, content: &str) -> String {
    format!(
        "{{\"id\":\"{id}\",\"type\":\"message\",\"status\":\"{status}\",\"content\":[{content}],\"role\":\"assistant\"}}"
    )
}

/// The items of the answer, in the order in which they were done.
fn items(answer: &Answer, last: Option<&str>) -> String {
    let done = answer.done.iter().map(|item| String::from_utf8_lossy(item));
    done.chain(last.map(Into::into)).collect::<Vec<_>>().join(",")
}

fn response(sent: &Sent, status: &str, error: &str, output: &str, usage: &str) -> String {
    let Sent { id, model, created, .. } = sent;
    let id = if id.is_empty() { "resp_cut" } else { id };
    format!(
        "{{\"id\":\"{id}\",\"object\":\"response\",\"created_at\":{created},\"status\":\"{status}\",\"error\":{error},\
         \"incomplete_details\":null,\"instructions\":null,\"metadata\":{{}},\"model\":\"{model}\",\"output\":[{output}],\
         \"parallel_tool_calls\":true,\"temperature\":null,\"tool_choice\":\"auto\",\"tools\":[],\"top_p\":null,\
         \"usage\":{usage}}}"
    )
}

fn usage(ending: &Ending<'_>) -> String {
    let usage = &ending.usage;
    let input = usage.input + usage.cached_input + usage.cache_write;
    format!(
        "{{\"input_tokens\":{input},\"input_tokens_details\":{{\"cached_tokens\":{}}},\"output_tokens\":{},\
         \"output_tokens_details\":{{\"reasoning_tokens\":{}}},\"total_tokens\":{}}}",
        usage.cached_input,
        usage.output,
        usage.reasoning,
        input + usage.output
    )
}
