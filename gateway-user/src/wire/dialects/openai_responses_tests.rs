//! Tests of OpenAI Responses: which field is text of whom, and which is none.

use super::*;
use crate::wire::event::Channel;

/// The texts of a document, each with its kind, in document order.
fn check(shape: &Shape, document: &str, expected: &[(Kind, &str)]) {
    let mut reading = Reading::new();
    reading.read(document.as_bytes(), shape, true).expect("JSON");
    OpenAiResponses.refine(document.as_bytes(), &mut reading);
    let found: Vec<(Kind, &str)> = reading
        .pieces
        .iter()
        .map(|piece| {
            (piece.channel.kind, std::str::from_utf8(piece.span.of(document.as_bytes())).expect("UTF-8"))
        })
        .collect();
    assert_eq!(found, expected, "{document}");
}

#[test]
fn requests_are_read_item_by_item() {
    let shape = OpenAiResponses.request();
    check(shape, r#"{"model":"gpt","input":"hello there"}"#, &[(Kind::User, "hello there")]);
    check(
        shape,
        r#"{"type":"response.create","instructions":"be brief","input":[
            {"type":"message","role":"developer","content":[{"type":"input_text","text":"rules"}]},
            {"role":"user","content":"hi"},
            {"type":"message","role":"assistant","content":[{"type":"output_text","text":"yes"}]},
            {"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"gAAAA"},
            {"type":"function_call","call_id":"c","name":"find","arguments":"{}"},
            {"type":"function_call_output","call_id":"c","output":"found"},
            {"type":"message","role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,AAAA"}]}
        ],"tools":[{"type":"function","name":"find","description":"Finds"}],"include":["reasoning.encrypted_content"]}"#,
        &[
            (Kind::System, "be brief"),
            (Kind::System, "rules"),
            (Kind::User, "hi"),
            (Kind::Assistant, "yes"),
            (Kind::Thinking, "hm"),
            (Kind::ToolArguments, "find"),
            (Kind::ToolArguments, "{}"),
            (Kind::ToolResult, "found"),
            (Kind::User, "data:image/png;base64,AAAA"),
            (Kind::ToolDefinition, "find"),
            (Kind::ToolDefinition, "Finds"),
        ],
    );
}

#[test]
fn the_type_of_an_event_says_what_its_delta_is() {
    let check = |kind: &str, expected: Channel, form: Form, lane: u16| {
        let event =
            format!(r#"{{"type":"response.{kind}.delta","output_index":3,"content_index":2,"delta":"x"}}"#);
        let mut reading = Reading::new();
        reading.read(event.as_bytes(), OpenAiResponses.event(), false).expect("JSON");
        OpenAiResponses.refine(event.as_bytes(), &mut reading);
        let piece = reading.pieces[0];
        assert_eq!((piece.channel, piece.form, piece.lane), (expected, form, lane), "{kind}");
    };
    let channel = |kind| Channel { kind, choice: 0, block: 3 };
    check("output_text", channel(Kind::Assistant), Form::Text, 2);
    check("refusal", channel(Kind::Refusal), Form::Text, 2);
    check("reasoning_text", channel(Kind::Thinking), Form::Text, LANES + 2);
    check("function_call_arguments", channel(Kind::ToolArguments), Form::Json, 2);
    check("custom_tool_call_input", channel(Kind::ToolArguments), Form::Text, LANES + 2);
}
