//! Tests of Bedrock: which field is text of whom, in Converse and in the vendors' own requests; refusals.

use super::*;
use crate::wire::dialects::bedrock::{converse::Converse, invoke::Invoke};
use crate::wire::dialects::{Dialect, Refusal, check_fields};
use crate::wire::event::Kind;

#[test]
fn converse_is_read_block_by_block() {
    let request = r#"{"system":[{"text":"be brief"},{"cachePoint":{"type":"default"}}],"messages":[
        {"role":"user","content":[{"text":"hi"},{"image":{"format":"png","source":{"bytes":"iVBORw0K"}}},
            {"document":{"format":"txt","name":"notes","source":{"text":"inside"}}},
            {"guardContent":{"text":{"text":"guarded","qualifiers":["query"]}}}]},
        {"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"hm","signature":"c2ln"}}},
            {"toolUse":{"toolUseId":"t1","name":"find","input":{"a":"b"}}}]},
        {"role":"user","content":[{"toolResult":{"toolUseId":"t1","status":"success","content":[{"json":{"x":"found"}},{"text":"too"}]}}]}],
        "toolConfig":{"tools":[{"toolSpec":{"name":"find","inputSchema":{"json":{"type":"object"}}}}]}}"#;
    let texts = [
        (Kind::System, "be brief"),
        (Kind::User, "hi"),
        (Kind::User, "notes"),
        (Kind::User, "inside"),
        (Kind::User, "guarded"),
        (Kind::Thinking, "hm"),
        (Kind::ToolArguments, "find"),
        (Kind::ToolArguments, "b"),
        (Kind::ToolResult, "found"),
        (Kind::ToolResult, "too"),
        (Kind::ToolDefinition, "find"),
        (Kind::ToolDefinition, "object"),
    ];
    check_fields(Converse.request(), request, &texts);
    let counted = format!("{{\"input\":{{\"converse\":{request}}}}}");
    check_fields(Converse.request(), &counted, &texts);
}

#[test]
fn invocations_are_read_in_every_vendors_words() {
    let check = |request: &str, texts: &[(Kind, &str)]| check_fields(Invoke.request(), request, texts);
    check(
        r#"{"anthropic_version":"bedrock-2023-05-31","system":"be brief","messages":[{"role":"assistant","content":[
            {"type":"thinking","thinking":"hm","signature":"c2ln"},{"type":"tool_use","id":"t","name":"find","input":{"a":"b"}}]}]}"#,
        &[
            (Kind::System, "be brief"),
            (Kind::Thinking, "hm"),
            (Kind::ToolArguments, "find"),
            (Kind::ToolArguments, "b"),
        ],
    );
    check(
        r#"{"schemaVersion":"messages-v1","messages":[{"role":"user","content":[{"text":"hi"},{"toolResult":{"toolUseId":"t",
            "content":[{"json":{"x":"found"}}]}}]}]}"#,
        &[(Kind::User, "hi"), (Kind::ToolResult, "found")],
    );
    check(r#"{"inputText":"hi","textGenerationConfig":{"maxTokenCount":5}}"#, &[(Kind::User, "hi")]);
    check(r#"{"prompt":"hi","max_gen_len":5}"#, &[(Kind::User, "hi")]);
    check(
        r#"{"message":"hi","chat_history":[{"role":"CHATBOT","message":"yes"}]}"#,
        &[(Kind::User, "hi"), (Kind::Assistant, "yes")],
    );
    check(r#"{"messages":[{"role":"user","content":"hi"}],"max_tokens":5}"#, &[(Kind::User, "hi")]);
}

#[test]
fn a_refusal_has_the_providers_shape() {
    let refusal = Refusal { reason: Reason::PolicyBlocked, message: "no", flow: "f1", call: None };
    let body = br#"{"__type":"ValidationException","message":"policy_blocked: no"}"#;
    assert_eq!(Converse.refusal(&refusal), body);
    assert_eq!(Invoke.refusal(&refusal), body);
}
