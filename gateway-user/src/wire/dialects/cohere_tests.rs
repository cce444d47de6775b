//! Tests of Cohere: which field is text of whom, refusals.

use super::*;
use crate::wire::dialects::check_fields;

#[test]
fn requests_are_read_as_their_authors_wrote_them() {
    check_fields(
        Cohere::V2.request(),
        r#"{"model":"m","messages":[{"role":"system","content":"be brief"},
            {"role":"user","content":[{"type":"text","text":"hi"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]},
            {"role":"assistant","tool_plan":"hm","tool_calls":[{"id":"c1","type":"function","function":{"name":"find","arguments":"{}"}}]},
            {"role":"tool","tool_call_id":"c1","content":[{"type":"document","document":{"id":"d","data":"found"}}]}],
            "documents":["one",{"id":"d2","data":{"title":"two"}}]}"#,
        &[
            (Kind::System, "be brief"),
            (Kind::User, "hi"),
            (Kind::Thinking, "hm"),
            (Kind::ToolArguments, "find"),
            (Kind::ToolArguments, "{}"),
            (Kind::ToolResult, "found"),
            (Kind::ToolResult, "one"),
            (Kind::ToolResult, "two"),
        ],
    );
    check_fields(
        Cohere::V1.request(),
        r#"{"model":"m","message":"hi","preamble":"be brief","chat_history":[{"role":"CHATBOT","message":"hello"},
            {"role":"USER","message":"you"}],"documents":[{"id":"d","text":"found"}],"conversation_id":"x"}"#,
        &[
            (Kind::User, "hi"),
            (Kind::System, "be brief"),
            (Kind::Assistant, "hello"),
            (Kind::User, "you"),
            (Kind::ToolResult, "found"),
        ],
    );
    let texts = [(Kind::User, "a"), (Kind::ToolResult, "b"), (Kind::User, "c")];
    check_fields(Cohere::V2.request(), r#"{"query":"a","documents":["b"],"texts":["c"]}"#, &texts);
}

#[test]
fn a_refusal_has_the_providers_shape() {
    let refusal = Refusal { reason: Reason::BudgetExceeded, message: "no", flow: "f1", call: None };
    assert_eq!(Cohere::V2.refusal(&refusal), br#"{"id":"f1","message":"budget_exceeded: no"}"#);
}
