//! Cohere's API: chat in its two versions, and what goes with it (generate, embed, rerank, classify).
//!
//! Source: <https://docs.cohere.com/reference/chat> and <https://docs.cohere.com/v1/reference/chat>. Version 1 streams lines of
//! JSON, or events with the same data; version 2 streams events only, in numbered blocks.

mod ending;
mod fields;

use crate::wire::dialects::{Dialect, Ending, Marks, Reason, Refusal, Sent};
use crate::wire::escape::quoted;
use crate::wire::event::{Kind, Usage};
use crate::wire::reading::{Facts, Reach, Reading, Tokenised};
use crate::wire::shape::Shape;

pub(super) use fields::{V1_EVENT, V1_REPLY, V1_REQUEST};

/// Cohere's API, in its two versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cohere {
    /// The dialect `cohere_v1`.
    V1,
    /// The dialect `cohere`.
    V2,
}

/// What is added to the numbers of tool calls, which count apart from those of contents.
const CALLS: u16 = 0x4000;

/// The number that the plan for tool calls gets, which has none.
const PLAN: u16 = 0x8000;

impl Dialect for Cohere {
    fn name(&self) -> &'static str {
        match self {
            Cohere::V1 => "cohere_v1",
            Cohere::V2 => "cohere",
        }
    }

    fn request(&self) -> &'static Shape {
        match self {
            Cohere::V1 => &fields::V1_REQUEST_SHAPE,
            Cohere::V2 => &fields::REQUEST_SHAPE,
        }
    }

    fn reply(&self) -> &'static Shape {
        match self {
            Cohere::V1 => &fields::V1_REPLY_SHAPE,
            Cohere::V2 => &fields::REPLY_SHAPE,
        }
    }

    fn event(&self) -> &'static Shape {
        match self {
            Cohere::V1 => &fields::V1_EVENT_SHAPE,
            Cohere::V2 => &fields::EVENT_SHAPE,
        }
    }

    fn refine(&self, event: &[u8], reading: &mut Reading) {
        let kind = kind(event, &reading.facts);
        match self {
            Cohere::V1 if kind == b"stream-end" => {
                let running = reading.pieces.iter_mut().filter(|piece| piece.channel.kind == Kind::Assistant);
                running.for_each(|piece| piece.reach = Reach::Again);
            }
            Cohere::V1 => {}
            Cohere::V2 => {
                let number = reading.facts.block.unwrap_or(0).min(CALLS - 1);
                let number = match kind {
                    kind if kind.starts_with(b"tool-call") => CALLS + number,
                    kind if kind.starts_with(b"tool-plan") => PLAN,
                    _ => number,
                };
                reading.facts.block = Some(number);
                reading.pieces.iter_mut().for_each(|piece| piece.channel.block = number);
                reading.calls.iter_mut().for_each(|call| call.block = number);
            }
        }
    }

    fn marks(&self, event: &[u8], facts: &Facts) -> Marks {
        let (kind, block) = (kind(event, facts), facts.block.unwrap_or(0));
        let mut marks =
            Marks { error: facts.error, usage: facts.tokens.output.is_some(), ..Marks::default() };
        match kind {
            b"message-start" | b"stream-start" => marks.start = true,
            b"content-start" => {
                marks.opens = Some((block, facts.block_type.is_none_or(|span| span.of(event) == b"text")));
            }
            b"tool-call-start" => (marks.opens, marks.closes) = (Some((block, false)), Some(PLAN)),
            b"tool-call-end" | b"content-end" => marks.closes = Some(block),
            b"message-end" | b"stream-end" => (marks.stop, marks.terminal) = (true, true),
            // An answer to a stream that is no stream.
            b"" if facts.finish => marks.stop = true,
            _ => {}
        }
        marks.ends_first = marks.stop || kind == b"tool-call-start";
        marks
    }

    /// What is billed; what else was counted is beside it.
    fn count(&self, tokens: &Tokenised, usage: &mut Usage) {
        usage.input = tokens.input.unwrap_or(usage.input);
        usage.output = tokens.output.unwrap_or(usage.output);
    }

    fn refusal(&self, refusal: &Refusal<'_>) -> Vec<u8> {
        error(refusal.reason, refusal.message, refusal.flow).into_bytes()
    }

    fn ending(&self, sent: &Sent, ending: &Ending<'_>) -> Vec<u8> {
        if sent.terminal {
            return Vec::new();
        }
        match self {
            Cohere::V1 => ending::v1(sent, ending).into_bytes(),
            Cohere::V2 => ending::v2(sent, ending).into_bytes(),
        }
    }
}

/// The type of an event.
fn kind<'a>(event: &'a [u8], facts: &Facts) -> &'a [u8] {
    facts.event_type.map(|span| span.of(event)).unwrap_or_default()
}

/// An error body. It has no field for a code, so that leads the message.
fn error(reason: Reason, message: &str, flow: &str) -> String {
    format!("{{\"id\":{},\"message\":{}}}", quoted(flow), quoted(&format!("{}: {message}", reason.code())))
}

#[cfg(test)]
#[path = "cohere_tests.rs"]
mod tests;
