//! Gemini's Live API: messages on a WebSocket, with sound, text and calls of functions in both directions.
//!
//! Source: <https://ai.google.dev/api/live>. A client's message has one field, which says what it is; servers may add usage
//! to theirs. The API has no message for errors: servers close the connection with a reason.

use std::sync::LazyLock;

use crate::wire::dialects::gemini::{self, fields};
use crate::wire::dialects::{Dialect, Ending, Marks, Refusal, Sent, thoughts};
use crate::wire::escape::quoted;
use crate::wire::event::Usage;
use crate::wire::reading::{Facts, Reading, Tokenised};
use crate::wire::shape::Shape;

/// The dialect `gemini_live`.
#[derive(Debug)]
pub struct GeminiLive;

static REQUEST_SHAPE: LazyLock<Shape> = LazyLock::new(|| {
    let setup: &[_] = &fields::setup();
    Shape::below(&[("setup", setup), ("", fields::LIVE_REQUEST), ("", &fields::live_turns())])
});
static EVENT_SHAPE: LazyLock<Shape> = LazyLock::new(|| Shape::new(&fields::live_event()));

impl Dialect for GeminiLive {
    fn name(&self) -> &'static str {
        "gemini_live"
    }

    fn request(&self) -> &'static Shape {
        &REQUEST_SHAPE
    }

    fn reply(&self) -> &'static Shape {
        &EVENT_SHAPE
    }

    fn event(&self) -> &'static Shape {
        &EVENT_SHAPE
    }

    fn refine(&self, _event: &[u8], reading: &mut Reading) {
        thoughts::set_apart(reading);
    }

    fn marks(&self, _event: &[u8], facts: &Facts) -> Marks {
        Marks {
            start: facts.delta,
            closes: facts.block,
            ends_first: facts.block.is_some(),
            stop: facts.finish,
            terminal: facts.finish,
            error: facts.error,
            usage: facts.tokens.input.is_some() || facts.tokens.output.is_some(),
            ..Marks::default()
        }
    }

    fn calls_are_whole(&self) -> bool {
        true
    }

    fn count(&self, tokens: &Tokenised, usage: &mut Usage) {
        gemini::count(tokens, usage);
    }

    /// A handshake is refused as any request of the same provider.
    fn refusal(&self, refusal: &Refusal<'_>) -> Vec<u8> {
        gemini::Gemini::Bare.refusal(refusal)
    }

    fn ending(&self, sent: &Sent, ending: &Ending<'_>) -> Vec<u8> {
        if sent.terminal {
            return Vec::new();
        }
        let said = quoted(&format!("\n\n{}", ending.message));
        let Usage { input, cached_input, output, .. } = ending.usage;
        let prompt = input + cached_input;
        format!(
            "data: {{\"serverContent\":{{\"modelTurn\":{{\"role\":\"model\",\"parts\":[{{\"text\":{said}}}]}}}}}}\n\n\
             data: {{\"serverContent\":{{\"generationComplete\":true}}}}\n\n\
             data: {{\"serverContent\":{{\"turnComplete\":true}},\"usageMetadata\":{{\"promptTokenCount\":{prompt},\
             \"responseTokenCount\":{output},\"totalTokenCount\":{}}}}}\n\n",
            prompt + output
        )
        .into_bytes()
    }
}

#[cfg(test)]
#[path = "live_tests.rs"]
mod tests;
