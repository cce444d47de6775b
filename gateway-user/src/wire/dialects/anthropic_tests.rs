//! Tests of Anthropic refusals and endings: the shapes that SDKs read.

use serde_json::Value;

use super::*;

#[test]
fn a_refusal_has_the_providers_shape() {
    let refusal = Refusal { reason: Reason::PolicyBlocked, message: "a key", flow: "f1", call: None };
    let body: Value = serde_json::from_slice(&Anthropic.refusal(&refusal)).expect("JSON");
    let error = serde_json::json!({"type": "invalid_request_error", "message": "policy_blocked: a key"});
    assert_eq!(body, serde_json::json!({"type": "error", "error": error, "request_id": "f1"}));
}

/// The ending's events as their types, each checked to be named alike.
fn check(sent: &Sent, style: CutStyle, expected: &[&str]) -> String {
    let usage = Usage { output: 3, ..Usage::default() };
    let ending = Ending { style, reason: Reason::PolicyBlocked, message: "stopped", usage, with_usage: true };
    let bytes = String::from_utf8(Anthropic.ending(sent, &ending)).expect("UTF-8");
    let mut found = Vec::new();
    for event in bytes.split_terminator("\n\n") {
        let (name, data) = event.split_once('\n').expect("two lines");
        let data: Value =
            serde_json::from_str(data.strip_prefix("data: ").expect("a data line")).expect("JSON");
        assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
        let index = data["index"].as_u64().map(|index| format!(" {index}")).unwrap_or_default();
        found.push(format!("{}{index}", data["type"].as_str().expect("a type")));
    }
    assert_eq!(found, expected);
    bytes
}

#[test]
fn a_cut_speaks_in_the_open_text_block() {
    let sent = Sent { started: true, open: vec![(1, true)], next_block: 2, ..Sent::default() };
    let bytes = check(
        &sent,
        CutStyle::Text,
        &["content_block_delta 1", "content_block_stop 1", "message_delta", "message_stop"],
    );
    assert!(bytes.contains(r#""text":"\n\nstopped""#) && bytes.contains(r#""output_tokens":3"#));
}

#[test]
fn a_cut_in_a_tool_call_speaks_in_a_block_of_its_own() {
    let sent = Sent { started: true, open: vec![(2, false)], next_block: 3, ..Sent::default() };
    check(
        &sent,
        CutStyle::Text,
        &[
            "content_block_stop 2",
            "content_block_start 3",
            "content_block_delta 3",
            "content_block_stop 3",
            "message_delta",
            "message_stop",
        ],
    );
}

#[test]
fn a_cut_fits_what_has_gone() {
    check(
        &Sent::default(),
        CutStyle::Text,
        &[
            "message_start",
            "content_block_start 0",
            "content_block_delta 0",
            "content_block_stop 0",
            "message_delta",
            "message_stop",
        ],
    );
    check(&Sent { started: true, stopped: true, ..Sent::default() }, CutStyle::Text, &["message_stop"]);
    check(&Sent { terminal: true, ..Sent::default() }, CutStyle::Text, &[]);
    check(&Sent::default(), CutStyle::Error, &["error"]);
}
