//! The APIs of Amazon Bedrock's runtime: one of its own for all models, and one that carries each vendor's.
//!
//! Source: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock_Runtime.html>.

pub mod converse;
mod fields;
pub mod invoke;

use crate::wire::dialects::{CutStyle, Ending, Marks, Reason, Sent};
use crate::wire::escape::quoted;
use crate::wire::event::Usage;
use crate::wire::frames::frame;
use crate::wire::reading::{Facts, Tokenised};

/// What an event does that is told apart by what stands in it: streams of Converse, and of models that answer alike.
fn marks(facts: &Facts) -> Marks {
    let block = facts.block.unwrap_or(0);
    let mut marks = Marks {
        start: facts.role,
        stop: facts.finish,
        error: facts.error,
        usage: facts.tokens.output.is_some(),
        ..Marks::default()
    };
    // Usage and measurements come after everything else.
    marks.terminal = marks.usage;
    match facts.block {
        Some(_) if facts.opening => marks.opens = Some((block, false)),
        Some(_) if facts.delta => marks.runs = Some((block, true)),
        closed => marks.closes = closed,
    }
    marks
}

/// Token counts: input excludes what was read from or written to the cache; later counts are totals.
fn count(tokens: &Tokenised, usage: &mut Usage) {
    let take = |place: &mut u64, value: Option<u64>| *place = value.unwrap_or(*place);
    take(&mut usage.input, tokens.input);
    take(&mut usage.cached_input, tokens.cached);
    take(&mut usage.cache_write, tokens.cache_write);
    take(&mut usage.output, tokens.output);
}

/// The last events of a stream with numbered blocks, each its name and its fields: the reason as text of the open block,
/// if that is text, else of one of its own.
fn last_events(sent: &Sent, ending: &Ending<'_>) -> Vec<(&'static str, String)> {
    let mut events = Vec::new();
    if !sent.started {
        events.push(("messageStart", "\"role\":\"assistant\"".to_owned()));
    }
    if !sent.stopped {
        let text = sent.open.iter().rfind(|(_, text)| *text).map(|&(number, _)| number);
        let number = text.unwrap_or(sent.next_block);
        let others = sent.open.iter().filter(|&&(other, _)| other != number);
        events
            .extend(others.map(|(other, _)| ("contentBlockStop", format!("\"contentBlockIndex\":{other}"))));
        let said = quoted(&format!("\n\n{}", ending.message));
        let delta = format!("\"contentBlockIndex\":{number},\"delta\":{{\"text\":{said}}}");
        events.push(("contentBlockDelta", delta));
        events.push(("contentBlockStop", format!("\"contentBlockIndex\":{number}")));
        events.push(("messageStop", "\"stopReason\":\"end_turn\"".to_owned()));
    }
    let Usage { input, cached_input, cache_write, output, .. } = ending.usage;
    let usage = format!(
        "\"usage\":{{\"inputTokens\":{input},\"outputTokens\":{output},\"totalTokens\":{},\
         \"cacheReadInputTokens\":{cached_input},\"cacheWriteInputTokens\":{cache_write}}},\"metrics\":{{\"latencyMs\":0}}",
        input + cached_input + cache_write + output
    );
    events.push(("metadata", usage));
    events
}

/// A frame that says an event of this name happened.
fn event(name: &str, payload: &str) -> Vec<u8> {
    let headers = [(":event-type", name), (":content-type", "application/json"), (":message-type", "event")];
    frame(&headers, payload.as_bytes())
}

/// A frame that ends a stream with an exception.
fn exception(ending: &Ending<'_>) -> Vec<u8> {
    let headers = [
        (":exception-type", "validationException"),
        (":content-type", "application/json"),
        (":message-type", "exception"),
    ];
    let message = quoted(&format!("{}: {}", ending.reason.code(), ending.message));
    frame(&headers, format!("{{\"message\":{message}}}").as_bytes())
}

/// Whether a cut can only be shown as an exception.
fn is_error(ending: &Ending<'_>) -> bool {
    ending.style == CutStyle::Error
}

/// An error body. Its type says that the request is at fault, so that nobody repeats it; a code of ours has no field of
/// its own and leads the message.
fn error(reason: Reason, message: &str) -> String {
    let kind = match reason {
        Reason::PolicyBlocked | Reason::BudgetExceeded => "ValidationException",
        Reason::GatewayFault => "ServiceUnavailableException",
    };
    let message = quoted(&format!("{}: {message}", reason.code()));
    format!("{{\"__type\":\"{kind}\",\"message\":{message}}}")
}

#[cfg(test)]
#[path = "bedrock_tests.rs"]
mod tests;
