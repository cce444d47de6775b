//! A server of the Model Context Protocol with one tool, whose results are scripted as answers are.

use serde_json::{Value, json};

use super::script::Script;

/// The version of the protocol it speaks.
const VERSION: &str = "2025-06-18";

/// What a message is answered with.
pub(super) enum Answer {
    /// A message.
    Message(String),
    /// The same, as the last of a stream of events.
    Events(String),
    /// Nothing: it was only accepted.
    Accepted,
}

/// Answers a message. The tool `echo` says what a script in its argument `text` asks for; with `stream` true it does so
/// in events.
pub(super) fn answer(body: &[u8]) -> Result<Answer, String> {
    let message: Value =
        serde_json::from_slice(body).map_err(|error| format!("the body is not JSON: {error}"))?;
    let (id, params) = (&message["id"], &message["params"]);
    if id.is_null() {
        return Ok(Answer::Accepted);
    }
    let result = match message["method"].as_str().unwrap_or_default() {
        "initialize" => json!({"protocolVersion": VERSION, "capabilities": {"tools": {}},
            "serverInfo": {"name": "simulated", "version": "1"}}),
        "tools/list" => json!({"tools": [{"name": "echo", "description": "Says something.", "inputSchema":
            {"type": "object", "properties": {"text": {"type": "string"}, "stream": {"type": "boolean"}}}}]}),
        "tools/call" => {
            let text = params["arguments"]["text"].as_str().unwrap_or_default();
            let prompt: Vec<&str> = text.lines().filter(|line| !line.trim().starts_with("#sim")).collect();
            let said = Script::find(text)?.pieces(&prompt.join("\n")).concat();
            json!({"content": [{"type": "text", "text": said}], "isError": false})
        }
        "ping" => json!({}),
        other => {
            let error = json!({"code": -32601, "message": format!("no method {other}")});
            return Ok(Answer::Message(json!({"jsonrpc": "2.0", "id": id, "error": error}).to_string()));
        }
    };
    let reply = json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string();
    if params["arguments"]["stream"] == true {
        let progress = json!({"jsonrpc": "2.0", "method": "notifications/message",
            "params": {"level": "info", "data": "working"}});
        return Ok(Answer::Events(format!(
            "event: message\ndata: {progress}\n\nevent: message\ndata: {reply}\n\n"
        )));
    }
    Ok(Answer::Message(reply))
}
