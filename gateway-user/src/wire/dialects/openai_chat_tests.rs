//! Tests of OpenAI refusals and endings: the shapes that SDKs read.

use serde_json::Value;

use super::*;

#[test]
fn a_refusal_has_the_providers_shape() {
    let refusal =
        Refusal { reason: Reason::BudgetExceeded, message: "no \"money\" left", flow: "f1", call: None };
    let body: Value = serde_json::from_slice(&OpenAiChat.refusal(&refusal)).expect("JSON");
    let expected = serde_json::json!({"error": {
        "message": "no \"money\" left", "type": "invalid_request_error", "param": null, "code": "budget_exceeded",
    }});
    assert_eq!(body, expected);
}

fn events(sent: &Sent, style: CutStyle, with_usage: bool) -> Vec<Value> {
    let usage = Usage { input: 7, cached_input: 2, output: 3, ..Usage::default() };
    let ending = Ending { style, reason: Reason::PolicyBlocked, message: "stopped", usage, with_usage };
    let bytes = String::from_utf8(OpenAiChat.ending(sent, &ending)).expect("UTF-8");
    let datas =
        bytes.split_terminator("\n\n").map(|event| event.strip_prefix("data: ").expect("a data line"));
    datas.map(|data| serde_json::from_str(data).unwrap_or_else(|_| Value::String(data.to_owned()))).collect()
}

#[test]
fn a_cut_ends_every_open_choice() {
    let sent = Sent {
        id: "chatcmpl-1".into(),
        model: "gpt".into(),
        created: 5,
        choices: 0b111,
        finished: 0b10,
        ..Sent::default()
    };
    let events = events(&sent, CutStyle::Text, true);
    assert_eq!(events.len(), 6);
    for (index, choice) in [(0, 0), (2, 2)] {
        assert_eq!(events[index]["id"], "chatcmpl-1");
        assert_eq!(events[index]["choices"][0]["index"], choice);
        assert_eq!(events[index]["choices"][0]["delta"]["content"], "\n\nstopped");
        assert_eq!(events[index + 1]["choices"][0]["finish_reason"], "stop");
    }
    assert_eq!(events[4]["usage"]["prompt_tokens"], 9);
    assert_eq!(events[4]["usage"]["total_tokens"], 12);
    assert_eq!(events[5], "[DONE]");
}

#[test]
fn a_cut_may_be_an_error_and_never_follows_the_end() {
    let found = events(&Sent::default(), CutStyle::Error, true);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["error"]["code"], "policy_blocked");
    assert_eq!(events(&Sent::default(), CutStyle::Text, false).len(), 3);
    assert!(events(&Sent { terminal: true, ..Sent::default() }, CutStyle::Text, true).is_empty());
}
