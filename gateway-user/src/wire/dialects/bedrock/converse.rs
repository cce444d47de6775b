//! Converse: one API for the models of all vendors, whole and streamed.
//!
//! Source: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html> and `_ConverseStream`. What an
//! event is stands in a header of its frame; it shows in its fields as well, which are read here.

use std::sync::LazyLock;

use crate::wire::dialects::bedrock::{self, fields};
use crate::wire::dialects::{Dialect, Ending, Marks, Refusal, Sent};
use crate::wire::event::Usage;
use crate::wire::reading::{Facts, Tokenised};
use crate::wire::shape::Shape;

/// The dialect `bedrock_converse`.
#[derive(Debug)]
pub struct Converse;

static REQUEST_SHAPE: LazyLock<Shape> = LazyLock::new(|| {
    let request = [fields::REQUEST, fields::MESSAGE].concat();
    // A question for the number of tokens holds the request that it is about.
    Shape::below(&[("", &request), ("input.converse", &request), ("", fields::COUNT_TOKENS)])
});
static REPLY_SHAPE: LazyLock<Shape> = LazyLock::new(|| Shape::new(&[fields::REPLY, fields::WHOLE].concat()));
static EVENT_SHAPE: LazyLock<Shape> =
    LazyLock::new(|| Shape::new(&[fields::EVENT, fields::METADATA, fields::ERROR].concat()));

impl Dialect for Converse {
    fn name(&self) -> &'static str {
        "bedrock_converse"
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

    fn marks(&self, _event: &[u8], facts: &Facts) -> Marks {
        bedrock::marks(facts)
    }

    fn runs(&self, kind: &[u8]) -> bool {
        kind == b"server_tool_use"
    }

    fn count(&self, tokens: &Tokenised, usage: &mut Usage) {
        bedrock::count(tokens, usage);
    }

    fn refusal(&self, refusal: &Refusal<'_>) -> Vec<u8> {
        bedrock::error(refusal.reason, refusal.message).into_bytes()
    }

    fn ending(&self, sent: &Sent, ending: &Ending<'_>) -> Vec<u8> {
        if sent.terminal {
            return Vec::new();
        }
        if bedrock::is_error(ending) {
            return bedrock::exception(ending);
        }
        let events = bedrock::last_events(sent, ending);
        events.iter().flat_map(|(name, fields)| bedrock::event(name, &format!("{{{fields}}}"))).collect()
    }
}
