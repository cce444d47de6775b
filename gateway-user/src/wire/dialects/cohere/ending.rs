//! How Cohere's streams end early.

use std::fmt::Write as _;

use crate::wire::dialects::cohere::CALLS;
use crate::wire::dialects::{CutStyle, Ending, Sent};
use crate::wire::escape::quoted;
use crate::wire::framer::Framing;

/// The last events of a stream of version 1: a text with the reason, and an ordinary end.
pub(super) fn v1(sent: &Sent, ending: &Ending<'_>) -> String {
    let mut out = String::new();
    let (id, said) = (quoted(&sent.id), quoted(&format!("\n\n{}", ending.message)));
    let finish = match ending.style {
        CutStyle::Text => {
            let text =
                format!("{{\"is_finished\":false,\"event_type\":\"text-generation\",\"text\":{said}}}");
            one(sent, &text, &mut out);
            "COMPLETE"
        }
        CutStyle::Error => "ERROR",
    };
    let usage = ending.usage;
    let last = format!(
        "{{\"is_finished\":true,\"event_type\":\"stream-end\",\"finish_reason\":\"{finish}\",\"response\":{{\
         \"response_id\":{id},\"generation_id\":{id},\"text\":{said},\"finish_reason\":\"{finish}\",\"meta\":{{\
         \"billed_units\":{{\"input_tokens\":{},\"output_tokens\":{}}}}}}}}}",
        usage.input + usage.cached_input,
        usage.output
    );
    one(sent, &last, &mut out);
    out
}

/// One event of version 1, as the stream has them.
fn one(sent: &Sent, data: &str, out: &mut String) {
    let written = match sent.framing {
        Framing::Lines => writeln!(out, "{data}"),
        _ => write!(out, "data: {data}\n\n"),
    };
    written.expect("writing to a string cannot fail");
}

/// The last events of a stream of version 2: the reason as text, in the open content or in one of its own, every open
/// block closed, and an ordinary end. Errors are the reason of an end, with the message beside it.
pub(super) fn v2(sent: &Sent, ending: &Ending<'_>) -> String {
    let mut out = String::new();
    let said = quoted(&format!("\n\n{}", ending.message));
    let usage = ending.usage;
    let usage = format!(
        "\"usage\":{{\"billed_units\":{{\"input_tokens\":{0},\"output_tokens\":{1}}},\"tokens\":{{\"input_tokens\":{0},\
         \"output_tokens\":{1}}}}}",
        usage.input + usage.cached_input,
        usage.output
    );
    if !sent.started {
        let start = "\"delta\":{\"message\":{\"role\":\"assistant\",\"content\":[],\"tool_plan\":\"\",\"tool_calls\":[],\
                     \"citations\":[]}}";
        event("message-start", &format!("\"id\":{},{start}", quoted(&sent.id)), &mut out);
    }
    if ending.style == CutStyle::Error {
        let finish = format!("\"error\":{},\"finish_reason\":\"ERROR\",{usage}", quoted(ending.message));
        event("message-end", &format!("\"delta\":{{{finish}}}"), &mut out);
        return out + "data: [DONE]\n\n";
    }
    let text = sent.open.iter().rfind(|(_, text)| *text).map(|&(number, _)| number);
    for &(number, _) in sent.open.iter().filter(|&&(number, _)| Some(number) != text) {
        close(number, &mut out);
    }
    let number = text.unwrap_or(sent.next_block % CALLS);
    if text.is_none() {
        let open = "\"delta\":{\"message\":{\"content\":{\"type\":\"text\",\"text\":\"\"}}}";
        event("content-start", &format!("\"index\":{number},{open}"), &mut out);
    }
    let delta = format!("\"index\":{number},\"delta\":{{\"message\":{{\"content\":{{\"text\":{said}}}}}}}");
    event("content-delta", &delta, &mut out);
    close(number, &mut out);
    event("message-end", &format!("\"delta\":{{\"finish_reason\":\"COMPLETE\",{usage}}}"), &mut out);
    out + "data: [DONE]\n\n"
}

fn close(number: u16, out: &mut String) {
    let name = if number >= CALLS { "tool-call-end" } else { "content-end" };
    event(name, &format!("\"index\":{}", number % CALLS), out);
}

/// One event of version 2; `fields` stand behind its type.
fn event(name: &str, fields: &str, out: &mut String) {
    write!(out, "event: {name}\ndata: {{\"type\":\"{name}\",{fields}}}\n\n")
        .expect("writing to a string cannot fail");
}
