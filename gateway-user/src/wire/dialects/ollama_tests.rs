//! Tests of Ollama: which field is text of whom, counts, refusals.

use super::*;
use crate::wire::dialects::{Reason, check_fields};

#[test]
fn requests_are_read_as_their_authors_wrote_them() {
    check_fields(
        Ollama::Chat.request(),
        r#"{"model":"m","messages":[{"role":"system","content":"be brief"},{"role":"user","content":"hi","images":["iVBORw0K"]},
            {"role":"assistant","content":"","thinking":"hm","tool_calls":[{"function":{"name":"find","arguments":{"a":"b"}}}]},
            {"role":"tool","tool_name":"find","content":"found"}],
            "tools":[{"type":"function","function":{"name":"find","description":"finds"}}],"options":{"seed":1}}"#,
        &[
            (Kind::System, "be brief"),
            (Kind::User, "hi"),
            (Kind::Assistant, ""),
            (Kind::Thinking, "hm"),
            (Kind::ToolArguments, "find"),
            (Kind::ToolArguments, "b"),
            (Kind::ToolResult, "find"),
            (Kind::ToolResult, "found"),
            (Kind::ToolDefinition, "find"),
            (Kind::ToolDefinition, "finds"),
        ],
    );
    check_fields(
        Ollama::Generate.request(),
        r#"{"model":"m","system":"be brief","prompt":"hi","suffix":"end","context":[1,2],"brand_new":"x"}"#,
        &[(Kind::System, "be brief"), (Kind::User, "hi"), (Kind::User, "end"), (Kind::Opaque, "x")],
    );
    let texts = [(Kind::User, "one"), (Kind::User, "two")];
    check_fields(Ollama::Generate.request(), r#"{"model":"m","input":["one","two"]}"#, &texts);
}

#[test]
fn an_error_is_a_string() {
    let mut reading = Reading::new();
    reading.read(br#"{"error":"no such model"}"#, Ollama::Chat.event(), false).expect("JSON");
    assert!(Ollama::Chat.marks(b"", &reading.facts).error);
    let refusal = Refusal { reason: Reason::PolicyBlocked, message: "no \"way\"", flow: "f1", call: None };
    assert_eq!(Ollama::Chat.refusal(&refusal), br#"{"error":"policy_blocked: no \"way\""}"#);
}
