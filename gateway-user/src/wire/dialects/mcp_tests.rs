//! Tests of MCP: which field is text of whom, in messages of both sides and in arrays of them; ids of calls.

use super::*;
use crate::wire::dialects::check_fields;

#[test]
fn messages_of_both_sides_are_read() {
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"find","arguments":{"a":["b"]},"_meta":{"progressToken":"t"}}}"#;
    let texts = [(Kind::ToolArguments, "find"), (Kind::ToolArguments, "b")];
    check_fields(Mcp.request(), call, &texts);
    check_fields(Mcp.request(), &format!("[{call}]"), &texts);
    check_fields(
        Mcp.reply(),
        r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"found"},{"type":"image","data":"iVBO","mimeType":"image/png"},
            {"type":"resource","resource":{"uri":"file:///x","text":"inside"}}],"structuredContent":{"n":"v"},"isError":false}}"#,
        &[
            (Kind::ToolResult, "found"),
            (Kind::ToolResult, "file:///x"),
            (Kind::ToolResult, "inside"),
            (Kind::ToolResult, "v"),
        ],
    );
    check_fields(
        Mcp.reply(),
        r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"find","description":"finds"}],"nextCursor":"opaque"}}"#,
        &[(Kind::ToolDefinition, "find"), (Kind::ToolDefinition, "finds")],
    );
    let prompt = r#"{"jsonrpc":"2.0","id":1,"result":{"messages":[{"role":"user","content":{"type":"text","text":"hi"}}]}}"#;
    check_fields(Mcp.reply(), prompt, &[(Kind::User, "hi")]);
}

#[test]
fn calls_are_known_by_their_id() {
    let check = |body: &str, expected: Option<&str>| {
        let mut reading = Reading::new();
        reading.read(body.as_bytes(), Mcp.request(), true).expect("JSON");
        assert_eq!(Mcp.call(body.as_bytes(), &reading.facts).as_deref(), expected, "{body}");
    };
    check(r#"{"jsonrpc":"2.0","id":17,"method":"ping"}"#, Some("17"));
    check(r#"{"id":"a\"b","method":"ping"}"#, Some(r#""a\"b""#));
    check(r#"{"method":"notifications/initialized"}"#, None);
    check(r#"{"id":3,"result":{}}"#, None);
}
