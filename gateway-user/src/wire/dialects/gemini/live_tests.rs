//! Tests of the Live API: which field is text of whom, and which message asks.

use super::*;
use crate::wire::dialects::check_fields;
use crate::wire::event::Kind;

#[test]
fn messages_of_both_sides_are_read() {
    let check = |message: &str, texts: &[(Kind, &str)]| check_fields(GeminiLive.request(), message, texts);
    check(
        r#"{"setup":{"model":"models/g","systemInstruction":{"parts":[{"text":"be brief"}],"role":"user"},
            "tools":[{"functionDeclarations":[{"name":"find"}]}],"outputAudioTranscription":{}}}"#,
        &[(Kind::System, "be brief"), (Kind::ToolDefinition, "find")],
    );
    for (name, complete) in [("clientContent", "turnComplete"), ("client_content", "turn_complete")] {
        let turn = format!(
            r#"{{"{name}":{{"turns":[{{"role":"model","parts":[{{"text":"hm"}}]}}],"{complete}":true}}}}"#
        );
        check(&turn, &[(Kind::Assistant, "hm")]);
    }
    check(r#"{"realtime_input":{"audio":{"data":"AAAA","mimeType":"audio/pcm"}}}"#, &[]);
    check(r#"{"realtimeInput":{"text":"hi"}}"#, &[(Kind::User, "hi")]);
    check(
        r#"{"tool_response":{"functionResponses":[{"id":"c","name":"find","response":{"x":"found"}}]}}"#,
        &[(Kind::ToolResult, "find"), (Kind::ToolResult, "found")],
    );
    check_fields(
        GeminiLive.event(),
        r#"{"serverContent":{"modelTurn":{"parts":[{"text":"hi"},{"inlineData":{"mimeType":"audio/pcm","data":"AAAA"}}]},
            "outputTranscription":{"text":"said"},"inputTranscription":{"text":"heard"}}}"#,
        &[(Kind::Assistant, "hi"), (Kind::Assistant, "said"), (Kind::User, "heard")],
    );
}

#[test]
fn a_complete_turn_asks() {
    let check = |message: &str, expected: bool| {
        let mut reading = Reading::new();
        reading.read(message.as_bytes(), GeminiLive.request(), true).expect("JSON");
        assert_eq!(GeminiLive.asks(message.as_bytes(), &reading.facts), expected, "{message}");
    };
    check(r#"{"clientContent":{"turns":[],"turnComplete":true}}"#, true);
    check(r#"{"clientContent":{"turns":[],"turnComplete":false}}"#, false);
    check(r#"{"realtimeInput":{"text":"hi"}}"#, false);
}
