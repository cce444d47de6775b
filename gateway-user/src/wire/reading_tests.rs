//! Tests of reading: which text stands on which channel, which fields are none, which facts are learned.

use std::collections::BTreeSet;

use super::*;
use crate::wire::dialects::anthropic::Anthropic;
use crate::wire::dialects::openai_chat::OpenAiChat;
use crate::wire::dialects::{ALL, Dialect};

/// Reads `document` and lists its pieces as `kind choice/block lane: text`.
fn check(shape: &Shape, document: &str, expected: &[&str]) -> Reading {
    let mut reading = Reading::new();
    reading.read(document.as_bytes(), shape, true).expect("JSON");
    let found: Vec<String> = reading
        .pieces
        .iter()
        .map(|piece| {
            let Channel { kind, choice, block } = piece.channel;
            let text = String::from_utf8_lossy(piece.span.of(document.as_bytes())).into_owned();
            let lane = if piece.lane >= 0x8000 { 9 } else { piece.lane };
            format!("{kind:?} {choice}/{block} {lane}: {text}")
        })
        .collect();
    assert_eq!(found, expected, "{document}");
    reading
}

#[test]
fn openai_events_are_read() {
    let shape = OpenAiChat.event();
    let reading = check(
        shape,
        r#"{"id":"x","choices":[{"delta":{"role":"assistant","content":"a","refusal":"b","tool_calls":[{"function":
        {"name":"f","arguments":"{}"},"index":3,"id":"call"}]},"finish_reason":"stop","index":2}],"obfuscation":"zz"}"#,
        &["Assistant 2/0 0: a", "Refusal 2/0 0: b", "ToolArguments 2/3 0: f", "ToolArguments 2/3 0: {}"],
    );
    assert_eq!((reading.facts.choices, reading.facts.finished), (4, 4));
    check(
        shape,
        r#"{"choices":[{"index":0,"delta":{"reasoning":"r","reasoning_content":"s"},"logprobs":{"content":[{"token":"x"}]}}]}"#,
        &["Thinking 0/0 0: r", "Thinking 0/0 1: s"],
    );
    check(shape, r#"{"choices":[{"delta":{"new":{"deep":["t"]}}}]}"#, &["Opaque 0/0 9: t"]);
}

#[test]
fn tool_calls_without_numbers_are_counted() {
    check(
        OpenAiChat.reply(),
        r#"{"choices":[{"index":0,"message":{"tool_calls":[{"function":{"arguments":"1"}},{"function":{"arguments":"2"}}]}}]}"#,
        &["ToolArguments 0/0 0: 1", "ToolArguments 0/1 0: 2"],
    );
}

#[test]
fn anthropic_events_are_read() {
    let shape = Anthropic.event();
    let marks = |document: &str, expected: &[&str]| {
        let reading = check(shape, document, expected);
        Anthropic.marks(document.as_bytes(), &reading.facts)
    };
    let start = marks(
        r#"{"type":"content_block_start","index":2,"content_block":{"type":"text","text":""}}"#,
        &["Assistant 0/2 0: "],
    );
    assert_eq!(start.opens, Some((2, true)));
    marks(
        r#"{"delta":{"text":"t","type":"text_delta"},"index":2,"type":"content_block_delta"}"#,
        &["Assistant 0/2 0: t"],
    );
    marks(
        r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{"}}"#,
        &["ToolArguments 0/1 0: {"],
    );
    marks(
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"AKIA"}}"#,
        &[],
    );
    assert_eq!(marks(r#"{"type":"content_block_stop","index":2}"#, &[]).closes, Some(2));
    let stop = marks(
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":5}}"#,
        &[],
    );
    assert!(stop.stop && stop.usage && !stop.terminal);
    assert!(marks(r#"{"type":"message_stop"}"#, &[]).terminal);
    let error = r#"{"type":"error","error":{"type":"overloaded_error","message":"busy"}}"#;
    assert!(marks(error, &["Opaque 0/0 9: busy"]).error);
}

#[test]
fn payloads_are_text_or_base64_as_their_source_says() {
    let document = |kind: &str| {
        format!(
            r#"{{"messages":[{{"role":"user","content":[{{"type":"document","source":{{"data":"QUJD","type":"{kind}"}}}},{{"text":"t"}}]}}]}}"#
        )
    };
    let pieces = ["User 0/0 0: QUJD", "User 0/0 0: t"];
    let text = check(Anthropic.request(), &document("text"), &pieces);
    assert_eq!((text.pieces[0].form, text.facts.payload), (Form::Text, 0));
    let encoded = check(Anthropic.request(), &document("base64"), &pieces);
    assert_eq!((encoded.pieces[0].form, encoded.facts.payload), (Form::Base64, 4));
}

#[test]
fn roles_give_kinds_also_when_they_come_last() {
    check(
        OpenAiChat.request(),
        r#"{"messages":[{"content":"s","role":"developer"},{"content":[{"type":"text","text":"u"}],"role":"user"},
        {"role":"tool","content":"r"}],"tools":[{"type":"function","function":{"name":"n","parameters":{"a_long_key":{"description":"d"}}}}]}"#,
        &[
            "System 0/0 0: s",
            "User 0/1 0: u",
            "ToolResult 0/2 0: r",
            "ToolDefinition 0/0 0: n",
            "Opaque 0/0 0: parameters",
            "Opaque 0/0 0: a_long_key",
            "Opaque 0/0 0: description",
            "ToolDefinition 0/0 0: d",
        ],
    );
}

/// Every string of any document is a piece, a fact, exempt by a row, or in a scope that repeats text: none is lost
/// because of where it stands.
#[test]
fn unknown_fields_are_text_in_every_dialect() {
    for dialect in ALL {
        for shape in [dialect.request(), dialect.reply(), dialect.event()] {
            let mut reading = Reading::new();
            let document = r#"{"new":{"a":["one",{"b":"two"}]},"messages":[{"new":"three"}],"choices":[{"new":"four"}]}"#;
            reading.read(document.as_bytes(), shape, false).expect("JSON");
            let found: BTreeSet<&[u8]> =
                reading.pieces.iter().map(|piece| piece.span.of(document.as_bytes())).collect();
            assert_eq!(found.len(), 4, "{}: {found:?}", dialect.name());
        }
    }
}
