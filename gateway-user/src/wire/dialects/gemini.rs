//! Google's generateContent, as the Gemini API and Vertex AI speak it.
//!
//! Source: <https://ai.google.dev/api/generate-content> and the Vertex AI reference; fields the pages do not name from
//! recorded traffic. A streamed answer is a sequence of whole reply objects: as events with `alt=sse`, else as the
//! items of one JSON array. Its texts have no numbers: all parts of a candidate, in order, are one running text.
//! Thoughts are summaries that nobody signs; the signatures beside them are opaque, known by their field, and kept.

mod fields;
pub mod live;

use std::fmt::Write as _;

use crate::wire::dialects::{CutStyle, Dialect, Ending, Marks, Reason, Refusal, Sent, thoughts};
use crate::wire::escape::quoted;
use crate::wire::event::Usage;
use crate::wire::framer::Framing;
use crate::wire::reading::{Facts, Reading, Tokenised};
use crate::wire::shape::Shape;

/// Gemini's API, in its two forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gemini {
    /// The dialect `gemini`.
    Bare,
    /// The dialect `gemini_wrapped`: request and reply stand in an envelope, as the Code Assist backend has them.
    Wrapped,
}

impl Gemini {
    fn either<T>(self, bare: T, wrapped: T) -> T {
        match self {
            Gemini::Bare => bare,
            Gemini::Wrapped => wrapped,
        }
    }
}

impl Dialect for Gemini {
    fn name(&self) -> &'static str {
        self.either("gemini", "gemini_wrapped")
    }

    fn request(&self) -> &'static Shape {
        self.either(&fields::REQUEST_SHAPE, &fields::WRAPPED_REQUEST_SHAPE)
    }

    fn reply(&self) -> &'static Shape {
        self.either(&fields::REPLY_SHAPE, &fields::WRAPPED_REPLY_SHAPE)
    }

    fn event(&self) -> &'static Shape {
        self.reply()
    }

    fn refine(&self, _event: &[u8], reading: &mut Reading) {
        thoughts::set_apart(reading);
    }

    fn marks(&self, _event: &[u8], facts: &Facts) -> Marks {
        marks(facts)
    }

    fn calls_are_whole(&self) -> bool {
        true
    }

    fn resumes(&self) -> bool {
        true
    }

    fn count(&self, tokens: &Tokenised, usage: &mut Usage) {
        count(tokens, usage);
    }

    fn refusal(&self, refusal: &Refusal<'_>) -> Vec<u8> {
        error(refusal.reason, refusal.message).into_bytes()
    }

    fn ending(&self, sent: &Sent, ending: &Ending<'_>) -> Vec<u8> {
        match self {
            Gemini::Bare => write(sent, ending, |chunk| chunk),
            Gemini::Wrapped => write(sent, ending, |chunk| format!("{{\"response\":{chunk}}}")),
        }
    }
}

/// Every event may be the first one. The one in which its candidates finish is the last with text, but some servers
/// write a finish into every event.
fn marks(facts: &Facts) -> Marks {
    Marks {
        start: true,
        closes: facts.block,
        ends_first: facts.block.is_some(),
        choices: facts.choices,
        finished: facts.finished,
        error: facts.error,
        usage: facts.tokens.input.is_some() || facts.tokens.output.is_some(),
        ..Marks::default()
    }
}

/// Counts in a stream are running totals. `promptTokenCount` includes the cached tokens, but not those of a tool's
/// results; `candidatesTokenCount` excludes the thoughts.
pub(super) fn count(tokens: &Tokenised, usage: &mut Usage) {
    if let Some(input) = tokens.input {
        usage.cached_input = tokens.cached.unwrap_or(0).min(input);
        usage.input = input - usage.cached_input + tokens.extra_input.unwrap_or(0);
    }
    if let Some(reasoning) = tokens.reasoning {
        usage.output = usage.output - usage.reasoning + reasoning;
        usage.reasoning = reasoning;
    }
    if let Some(output) = tokens.output {
        usage.output = output.saturating_add(usage.reasoning);
    }
}

/// The last items of a stream: for each open candidate a text with the reason and an ordinary finish. A finish for
/// safety would hide the text in some clients.
fn write(sent: &Sent, ending: &Ending<'_>, wrap: impl Fn(String) -> String) -> Vec<u8> {
    if sent.is_over(0, 0) {
        return Vec::new();
    }
    let mut out = String::new();
    if ending.style == CutStyle::Error {
        item(sent, &error(ending.reason, ending.message), &mut out);
    } else {
        let open = (0..64).filter(|choice| sent.choices.max(1) & !sent.finished & 1 << choice != 0);
        open.for_each(|choice| item(sent, &wrap(last(sent, ending, choice)), &mut out));
    }
    if sent.framing == Framing::Items {
        out.push_str("\n]");
    }
    out.into_bytes()
}

/// One item in the framing of the stream.
fn item(sent: &Sent, item: &str, out: &mut String) {
    let written = if sent.framing != Framing::Items {
        write!(out, "data: {item}\r\n\r\n")
    } else if sent.started || !out.is_empty() {
        write!(out, ",\r\n{item}")
    } else {
        write!(out, "[{item}")
    };
    written.expect("writing to a string cannot fail");
}

fn last(sent: &Sent, ending: &Ending<'_>, choice: u32) -> String {
    let text = quoted(&format!("\n\n{}", ending.message));
    let Usage { input, cached_input, output, reasoning, .. } = ending.usage;
    let (prompt, said) = (input + cached_input, output - reasoning.min(output));
    format!(
        "{{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":{text}}}],\"role\":\"model\"}},\
         \"finishReason\":\"STOP\",\"index\":{choice}}}],\"usageMetadata\":{{\"promptTokenCount\":{prompt},\
         \"cachedContentTokenCount\":{cached_input},\"candidatesTokenCount\":{said},\"thoughtsTokenCount\":{reasoning},\
         \"totalTokenCount\":{}}},\"modelVersion\":\"{}\",\"responseId\":\"{}\"}}",
        prompt + output,
        sent.model,
        sent.id
    )
}

/// An error body. It has no field for a code of ours, so that leads the message.
fn error(reason: Reason, message: &str) -> String {
    let (code, status) = match reason {
        Reason::PolicyBlocked | Reason::BudgetExceeded => (400, "INVALID_ARGUMENT"),
        Reason::GatewayFault => (502, "UNAVAILABLE"),
    };
    let message = quoted(&format!("{}: {message}", reason.code()));
    format!("{{\"error\":{{\"code\":{code},\"message\":{message},\"status\":\"{status}\",\"details\":[]}}}}")
}

#[cfg(test)]
#[path = "gemini_tests.rs"]
mod tests;
