//! Streams of MCP: each event is a whole message.

use serde_json::json;

use super::*;
use crate::wire::dialects::mcp::Mcp;

fn sse(messages: &[Value]) -> String {
    messages.iter().map(|message| format!("event: message\ndata: {message}\n\n")).collect()
}

fn result(id: Value, text: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "result": {"content": [{"type": "text", "text": text}], "isError": false}})
}

fn progress(text: &str) -> Value {
    json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": KEY, "message": text}})
}

#[test]
fn an_untouched_stream_keeps_every_byte() {
    let stream = sse(&[progress("half AKIAQYLP"), progress("MN5HHHFPZAM2"), result(json!(1), "done")]);
    let outcome = check(&Mcp, ReplyOptions::default(), stream.as_bytes());
    assert_eq!(
        String::from_utf8_lossy(&outcome.bytes),
        stream,
        "nothing runs on from one message to the next"
    );
    assert!(outcome.findings.is_empty());
}

#[test]
fn results_and_what_the_server_says_itself_are_judged() {
    let call = json!({"jsonrpc": "2.0", "id": "s1", "method": "sampling/createMessage",
        "params": {"messages": [{"role": "user", "content": {"type": "text", "text": KEY}}], "maxTokens": 5}});
    let tools = json!({"jsonrpc": "2.0", "id": 2, "result": {"tools": [{"name": "t", "description": KEY}]}});
    let error =
        json!({"jsonrpc": "2.0", "id": 3, "error": {"code": -32602, "message": KEY, "data": {"x": KEY}}});
    let odd = json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": {"brand": ["new", KEY]}}});
    for message in [result(json!(1), KEY), call, tools, error, odd, json!([result(json!(1), KEY)])] {
        let outcome = check(&Mcp, ReplyOptions::default(), sse(std::slice::from_ref(&message)).as_bytes());
        assert!(!String::from_utf8_lossy(&outcome.bytes).contains(KEY), "{message}");
    }
}

#[test]
fn a_cut_answers_the_call_that_is_running() {
    for id in [json!(7), json!("a\"b")] {
        let stream = sse(&[progress("half"), result(id.clone(), "forbidden-1234")]);
        let mut machine = ReplyStream::new(Arc::clone(&ENGINE), &Mcp, ReplyOptions::default());
        let (mut out, mut bytes) = (Vec::new(), Vec::new());
        machine.push(Bytes::copy_from_slice(stream.as_bytes()), &mut out);
        assert!(matches!(machine.stop(), Some(Stop::Blocked(_))));
        out.drain(..).for_each(|released| bytes.extend_from_slice(&released.bytes));
        assert!(machine.cut(Reason::PolicyBlocked, "no", &mut out));
        out.drain(..).for_each(|released| bytes.extend_from_slice(&released.bytes));
        let messages = documents(&bytes, Framing::Events);
        assert_eq!(messages.len(), 2);
        assert_eq!((&messages[1]["id"], &messages[1]["error"]["message"]), (&id, &json!("no")));
    }
}

#[test]
fn a_cut_before_any_answer_breaks_the_stream() {
    let mut machine = ReplyStream::new(Arc::clone(&ENGINE), &Mcp, ReplyOptions::default());
    assert!(!machine.cut(Reason::PolicyBlocked, "no", &mut Vec::new()));
}
