//! InvokeModel: the API of each vendor's models, inside of a request, a reply, or base64 in the frames of a stream.
//!
//! Source: <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html>. The vendors' fields hardly share a
//! name, so that one table reads them all. Which vendor it is shows in the first event of a stream; one that cannot be told is
//! cut with an exception.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::wire::dialects::anthropic::{self, Anthropic};
use crate::wire::dialects::bedrock::{self, fields};
use crate::wire::dialects::{Dialect, Ending, Marks, Refusal, Sent, cohere, openai_chat};
use crate::wire::event::Usage;
use crate::wire::framer::{Framer, Framing};
use crate::wire::reading::{Facts, Tokenised};
use crate::wire::shape::Shape;

/// The dialect `bedrock_invoke`.
#[derive(Debug)]
pub struct Invoke;

/// Answers in messages and numbered blocks, whose events have a type.
const MESSAGES: &str = "messages";

/// Answers in numbered blocks, whose events are fields of an object each.
const CONVERSE: &str = "converse";

static REQUEST_SHAPE: LazyLock<Shape> = LazyLock::new(|| {
    let tables = [
        openai_chat::MESSAGE,
        openai_chat::REQUEST,
        cohere::V1_REQUEST,
        fields::MESSAGE,
        fields::REQUEST,
        anthropic::MESSAGE,
        anthropic::REQUEST,
        fields::PROMPTS,
    ];
    Shape::new(&tables.concat())
});
static REPLY_SHAPE: LazyLock<Shape> = LazyLock::new(|| {
    let tables = [
        openai_chat::REPLY,
        openai_chat::WHOLE,
        cohere::V1_REPLY,
        fields::REPLY,
        fields::WHOLE,
        fields::COMPLETIONS,
        anthropic::REPLY,
        anthropic::USAGE,
        anthropic::WHOLE,
    ];
    Shape::new(&tables.concat())
});
static EVENT_SHAPE: LazyLock<Shape> = LazyLock::new(|| {
    let inner = [
        openai_chat::REPLY,
        openai_chat::DELTA,
        cohere::V1_REPLY,
        cohere::V1_EVENT,
        fields::COMPLETIONS,
        fields::METRICS,
        anthropic::EVENT,
        anthropic::USAGE,
        anthropic::START_USAGE,
        anthropic::START,
    ];
    Shape::below(&[
        ("bytes", &inner.concat()),
        ("bytes.messageStart", fields::EVENT),
        ("bytes.contentBlockStart", fields::EVENT),
        ("bytes.contentBlockDelta", fields::EVENT),
        ("bytes.contentBlockStop", fields::EVENT),
        ("bytes.messageStop", fields::EVENT),
        ("bytes.metadata", fields::METADATA),
        ("", fields::ERROR),
    ])
});

impl Dialect for Invoke {
    fn name(&self) -> &'static str {
        "bedrock_invoke"
    }

    fn request(&self) -> &'static Shape {
        &REQUEST_SHAPE
    }

    fn reply(&self) -> &'static Shape {
        &REPLY_SHAPE
    }

    fn event(&self) -> &'static Shape {
        &EVENT_SHAPE
    }

    fn marks(&self, event: &[u8], facts: &Facts) -> Marks {
        let usage = facts.tokens.output.is_some();
        match form(facts) {
            MESSAGES => Anthropic.marks(event, facts),
            CONVERSE => bedrock::marks(facts),
            // Usage comes last, alone or beside the reason of the end.
            _ => Marks {
                start: !facts.error,
                choices: facts.choices,
                finished: facts.finished,
                stop: facts.finish || usage,
                terminal: usage,
                error: facts.error,
                usage,
                ..Marks::default()
            },
        }
    }

    fn learn(&self, event: &[u8], facts: &Facts, sent: &mut Sent) {
        sent.name(event, facts);
        if sent.form.is_empty() {
            sent.form = form(facts);
        }
    }

    fn runs(&self, kind: &[u8]) -> bool {
        Anthropic.runs(kind)
    }

    fn count(&self, tokens: &Tokenised, usage: &mut Usage) {
        bedrock::count(tokens, usage);
    }

    fn refusal(&self, refusal: &Refusal<'_>) -> Vec<u8> {
        bedrock::error(refusal.reason, refusal.message).into_bytes()
    }

    fn ending(&self, sent: &Sent, ending: &Ending<'_>) -> Vec<u8> {
        match sent.form {
            _ if sent.terminal => Vec::new(),
            _ if bedrock::is_error(ending) => bedrock::exception(ending),
            MESSAGES => {
                let mut framer = Framer::new(Framing::Events);
                framer.push(Anthropic.ending(sent, ending).into());
                let mut out = Vec::new();
                while let Ok(Some(place)) = framer.next_event() {
                    let event = &framer.buffer()[place];
                    out.extend(chunk(framer.data(event).payload(event)));
                }
                out
            }
            CONVERSE => {
                let events = bedrock::last_events(sent, ending);
                let one = |(name, fields): &(&str, String)| {
                    chunk(format!("{{\"{name}\":{{{fields}}}}}").as_bytes())
                };
                events.iter().flat_map(one).collect()
            }
            _ => bedrock::exception(ending),
        }
    }
}

/// The form of an event; nothing where it does not show.
fn form(facts: &Facts) -> &'static str {
    if facts.role || facts.opening || facts.delta {
        CONVERSE
    } else if facts.event_type.is_some() {
        MESSAGES
    } else {
        ""
    }
}

/// A frame with a document of the model's own API.
fn chunk(document: &[u8]) -> Vec<u8> {
    bedrock::event("chunk", &format!("{{\"bytes\":\"{}\"}}", STANDARD.encode(document)))
}
