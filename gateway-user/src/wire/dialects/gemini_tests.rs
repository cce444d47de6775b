//! Tests of Gemini: which field is text of whom, refusals.

use super::*;
use crate::wire::event::Kind;

/// The texts of a document, each with its kind, in document order.
fn check(shape: &Shape, document: &str, expected: &[(Kind, &str)]) {
    let mut reading = Reading::new();
    reading.read(document.as_bytes(), shape, true).expect("JSON");
    let text =
        |span: crate::wire::json::Span| std::str::from_utf8(span.of(document.as_bytes())).expect("UTF-8");
    let found: Vec<(Kind, &str)> =
        reading.pieces.iter().map(|piece| (piece.channel.kind, text(piece.span))).collect();
    assert_eq!(found, expected, "{document}");
}

#[test]
fn requests_are_read_in_either_case_and_as_list_or_item() {
    let (user, system, model) = (Kind::User, Kind::System, Kind::Assistant);
    check(
        Gemini::Bare.request(),
        r#"{"contents":[
            {"role":"user","parts":[{"text":"hi"},{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]},
            {"role":"model","parts":[{"text":"hm","thought":true},{"text":"yes","thoughtSignature":"c2ln"},
                {"functionCall":{"id":"x","name":"find","args":{"a":"b"}}}]},
            {"role":"user","parts":[{"functionResponse":{"id":"x","name":"find","response":{"result":"found"}}}]}
        ],"systemInstruction":{"parts":[{"text":"be brief"}]}}"#,
        &[
            (user, "hi"),
            (user, "AAAA"),
            (Kind::Thinking, "hm"),
            (model, "yes"),
            (Kind::ToolArguments, "find"),
            (Kind::ToolArguments, "b"),
            (Kind::ToolResult, "find"),
            (Kind::ToolResult, "found"),
            (system, "be brief"),
        ],
    );
    check(
        Gemini::Bare.request(),
        r#"{"contents":{"parts":{"text":"hi"}},"system_instruction":{"parts":{"text":"be brief"}},
            "tools":{"functionDeclarations":[{"name":"find"}]}}"#,
        &[(user, "hi"), (system, "be brief"), (Kind::ToolDefinition, "find")],
    );
    check(
        Gemini::Wrapped.request(),
        r#"{"model":"gemini","project":"p","request":{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}}"#,
        &[(user, "hi")],
    );
}

#[test]
fn a_refusal_has_the_providers_shape() {
    let refusal = Refusal { reason: Reason::PolicyBlocked, message: "no \"way\"", flow: "f1", call: None };
    let body: serde_json::Value = serde_json::from_slice(&Gemini::Bare.refusal(&refusal)).expect("JSON");
    let expected = serde_json::json!({"error": {
        "code": 400, "message": "policy_blocked: no \"way\"", "status": "INVALID_ARGUMENT", "details": [],
    }});
    assert_eq!(body, expected);
}
