//! OpenAI Responses: over HTTP, and the same events as messages of a WebSocket.
//!
//! Source: <https://platform.openai.com/docs/api-reference/responses> and its page on streaming events; fields of other
//! providers from recorded traffic. A streamed answer says each text up to five times: in deltas, when the text, its
//! part and its item are done, and in the last event. Clients show any of them, so all are judged alike.

mod ending;
mod fields;

use crate::wire::dialects::{Dialect, Ending, Marks, Refusal, Sent, openai_chat};
use crate::wire::event::{Kind, Usage};
use crate::wire::reading::{Facts, Form, Reach, Reading, Tokenised};
use crate::wire::shape::Shape;

/// The dialect `openai_responses`.
#[derive(Debug)]
pub struct OpenAiResponses;

impl Dialect for OpenAiResponses {
    fn name(&self) -> &'static str {
        "openai_responses"
    }

    fn request(&self) -> &'static Shape {
        &fields::REQUEST_SHAPE
    }

    fn reply(&self) -> &'static Shape {
        &fields::REPLY_SHAPE
    }

    fn event(&self) -> &'static Shape {
        &fields::EVENT_SHAPE
    }

    fn refine(&self, event: &[u8], reading: &mut Reading) {
        let kind = kind(event, &reading.facts);
        let Some(stem) = kind.strip_suffix(b".delta") else {
            let thinks =
                kind.starts_with(b"response.reasoning") || is_item(event, &reading.facts, b"reasoning");
            // Nothing runs on in these, so that nothing of them has to wait for more, known field or not.
            for piece in &mut reading.pieces {
                match piece.reach {
                    Reach::Running if thinks => {
                        (piece.reach, piece.channel.kind) = (Reach::Again, Kind::Thinking)
                    }
                    Reach::Running => piece.reach = Reach::Again,
                    Reach::Unknown => piece.reach = Reach::Whole,
                    Reach::Whole | Reach::Again => {}
                }
            }
            return;
        };
        if stem.ends_with(b"audio") {
            reading.drop_running();
        }
        let (channel, form, first) = running_text(stem);
        let lane = first + reading.facts.part.unwrap_or(0).min(LANES - 1);
        for piece in reading.pieces.iter_mut().filter(|piece| piece.reach == Reach::Running) {
            piece.channel.kind = channel;
            (piece.form, piece.lane) = (form, lane);
        }
    }

    fn marks(&self, event: &[u8], facts: &Facts) -> Marks {
        let block = facts.block.unwrap_or(0);
        let mut marks =
            Marks { error: facts.error, usage: facts.tokens.output.is_some(), ..Marks::default() };
        match kind(event, facts) {
            b"response.created" => marks.start = true,
            b"response.output_item.added" => marks.opens = Some((block, is_item(event, facts, b"message"))),
            b"response.completed"
            | b"response.incomplete"
            | b"response.failed"
            | b"response.done"
            | b"response.cancelled" => (marks.stop, marks.terminal) = (true, true),
            b"error" => marks.error = true,
            other if other.ends_with(b".done") => marks.closes = facts.block,
            _ => {}
        }
        marks.ends_first = marks.stop || marks.closes.is_some();
        marks
    }

    fn runs(&self, kind: &[u8]) -> bool {
        const OWN: [&[u8]; 5] = [
            b"web_search_call",
            b"file_search_call",
            b"code_interpreter_call",
            b"image_generation_call",
            b"mcp_call",
        ];
        OWN.contains(&kind)
    }

    /// `input_tokens` includes those read from and written to the cache; `output_tokens` includes the reasoning.
    fn count(&self, tokens: &Tokenised, usage: &mut Usage) {
        if let Some(input) = tokens.input {
            usage.cached_input = tokens.cached.unwrap_or(0).min(input);
            usage.cache_write = tokens.cache_write.unwrap_or(0).min(input - usage.cached_input);
            usage.input = input - usage.cached_input - usage.cache_write;
        }
        if let Some(output) = tokens.output {
            usage.output = output;
            usage.reasoning = tokens.reasoning.unwrap_or(0);
        }
    }

    fn refusal(&self, refusal: &Refusal<'_>) -> Vec<u8> {
        openai_chat::error(refusal.reason, refusal.message).into_bytes()
    }

    fn asks(&self, message: &[u8], facts: &Facts) -> bool {
        kind(message, facts) == b"response.create"
    }

    /// The one message that Codex shows and does not repeat its request after.
    fn message_refusal(&self, refusal: &Refusal<'_>) -> Option<Vec<u8>> {
        let error = openai_chat::error(refusal.reason, refusal.message);
        Some(format!("{{\"type\":\"error\",\"status\":400,{}", &error[1..]).into_bytes())
    }

    fn remembers(&self) -> bool {
        true
    }

    fn remember(&self, event: &[u8], reading: &Reading, sent: &mut Sent) {
        let (facts, answer) = (&reading.facts, &mut sent.answer);
        let block = facts.block.unwrap_or(0);
        let item = facts.item.map(|span| span.of(event)).unwrap_or_default();
        answer.next_event = facts.sequence.unwrap_or(answer.next_event).saturating_add(1);
        match kind(event, facts) {
            b"response.output_text.delta" => {
                reading.pieces.iter().for_each(|piece| answer.add(block, piece.span.of(event)));
            }
            b"response.output_item.added" if is_item(event, facts, b"message") => {
                answer.open(block, facts.item_id.map(|span| span.of(event)).unwrap_or_default());
            }
            b"response.content_part.added" => answer.open_part(block, facts.part.unwrap_or(0)),
            b"response.content_part.done" => answer.close_part(block, item),
            b"response.output_item.done" => answer.close(block, item),
            _ => {}
        }
    }

    fn ending(&self, sent: &Sent, ending: &Ending<'_>) -> Vec<u8> {
        if sent.terminal { Vec::new() } else { ending::write(sent, ending).into_bytes() }
    }
}

/// The type of an event.
fn kind<'a>(event: &'a [u8], facts: &Facts) -> &'a [u8] {
    facts.event_type.map(|span| span.of(event)).unwrap_or_default()
}

/// Whether the event tells of one item, of this type.
fn is_item(event: &[u8], facts: &Facts, kind: &[u8]) -> bool {
    facts.item.is_some() && facts.block_type.is_some_and(|span| span.of(event) == kind)
}

/// Lanes that the parts of one sort of text have; parts beyond share the last one.
const LANES: u16 = 256;

/// Sorts of running text nobody described that are told apart.
const UNKNOWN_SORTS: u16 = 61;

/// What the `delta` of an event is, by the event's type without its `.delta`: sort, form, and the first of its lanes.
fn running_text(stem: &[u8]) -> (Kind, Form, u16) {
    match stem.strip_prefix(b"response.").unwrap_or(stem) {
        b"output_text" | b"text" => (Kind::Assistant, Form::Text, 0),
        b"audio_transcript" | b"output_audio_transcript" | b"audio.transcript" => {
            (Kind::Assistant, Form::Text, LANES)
        }
        b"refusal" => (Kind::Refusal, Form::Text, 0),
        b"reasoning_summary_text" | b"reasoning_summary" => (Kind::Thinking, Form::Text, 0),
        b"reasoning_text" | b"reasoning" => (Kind::Thinking, Form::Text, LANES),
        b"function_call_arguments" | b"mcp_call_arguments" | b"mcp_call.arguments" => {
            (Kind::ToolArguments, Form::Json, 0)
        }
        b"custom_tool_call_input"
        | b"code_interpreter_call_code"
        | b"code_interpreter_call.code"
        | b"shell_call_command"
        | b"apply_patch_call_operation_diff" => (Kind::ToolArguments, Form::Text, LANES),
        other => (Kind::Assistant, Form::Text, (2 + sum(other) % UNKNOWN_SORTS) * LANES),
    }
}

/// A number that tells most unknown types of events apart.
fn sum(text: &[u8]) -> u16 {
    text.iter().fold(0, |sum: u16, &byte| sum.wrapping_mul(31).wrapping_add(u16::from(byte)))
}

#[cfg(test)]
#[path = "openai_responses_tests.rs"]
mod tests;
