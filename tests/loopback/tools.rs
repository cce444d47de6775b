//! Tool calls over the real wire, in every dialect, streamed and whole: recorded, let through untouched, replaced, cut.

use gateway::simulate::{Playback, Provider};
use gateway_tests::gateway::{Gateway, State};
use gateway_tests::http::{self, Reply};
use gateway_tests::playing;
use serde_json::{Value, json};

const SSE: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n";
const JSON: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
const GEMINI: &str = "/v1beta/models/gemini-2.5-flash";

/// Where the denied call wants to write; no byte of it may reach a client.
const OUTSIDE: &str = "/etc/cron.d/hidden";

/// A dialect: its path, how it is asked, and how its provider calls the tool `write_file` with a path.
struct Case {
    path: String,
    stream: bool,
    ask: fn(&[Value]) -> Value,
    answer: fn(&str) -> String,
}

fn cases() -> Vec<Case> {
    let case = |path: &str, stream, ask, answer| Case { path: path.to_owned(), stream, ask, answer };
    vec![
        case("/v1/chat/completions", true, ask_chat, chat_events),
        case("/v1/chat/completions", false, ask_chat, chat_whole),
        case("/v1/responses", true, ask_responses, responses_events),
        case("/v1/responses", false, ask_responses, responses_whole),
        case("/v1/messages", true, ask_anthropic, anthropic_events),
        case("/v1/messages", false, ask_anthropic, anthropic_whole),
        case(&format!("{GEMINI}:streamGenerateContent?alt=sse"), true, ask_gemini, gemini_events),
        case(&format!("{GEMINI}:generateContent"), false, ask_gemini, gemini_whole),
    ]
}

/// Requests with some rounds of calls behind them.
fn ask_chat(rounds: &[Value]) -> Value {
    let mut messages = vec![json!({"role": "user", "content": "go"})];
    for (at, arguments) in rounds.iter().enumerate() {
        let id = format!("call_{at}");
        messages.push(json!({"role": "assistant", "content": null, "tool_calls": [
            {"id": id, "type": "function", "function": {"name": "write_file", "arguments": arguments.to_string()}}]}));
        messages.push(json!({"role": "tool", "tool_call_id": id, "content": "ok"}));
    }
    json!({"model": "gpt-4o-mini", "messages": messages})
}

fn ask_responses(rounds: &[Value]) -> Value {
    let mut input =
        vec![json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": "go"}]})];
    for (at, arguments) in rounds.iter().enumerate() {
        let id = format!("call_{at}");
        input.push(json!({"type": "function_call", "call_id": id, "name": "write_file", "arguments": arguments.to_string()}));
        input.push(json!({"type": "function_call_output", "call_id": id, "output": "ok"}));
    }
    json!({"model": "gpt-4o-mini", "input": input})
}

fn ask_anthropic(rounds: &[Value]) -> Value {
    let mut messages = vec![json!({"role": "user", "content": "go"})];
    for (at, arguments) in rounds.iter().enumerate() {
        let id = format!("toolu_{at}");
        messages.push(json!({"role": "assistant", "content": [{"type": "tool_use", "id": id, "name": "write_file", "input": arguments}]}));
        messages.push(
            json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": id, "content": "ok"}]}),
        );
    }
    json!({"model": "claude-haiku-4-5", "max_tokens": 99, "messages": messages})
}

fn ask_gemini(rounds: &[Value]) -> Value {
    let mut contents = vec![json!({"role": "user", "parts": [{"text": "go"}]})];
    for arguments in rounds {
        contents.push(
            json!({"role": "model", "parts": [{"functionCall": {"name": "write_file", "args": arguments}}]}),
        );
        contents.push(json!({"role": "user", "parts": [{"functionResponse": {"name": "write_file", "response": {"x": "ok"}}}]}));
    }
    json!({"contents": contents})
}

fn events(events: &[Value]) -> String {
    events.iter().map(|event| format!("data: {event}\n\n")).collect()
}

/// Arguments in small parts.
fn parts(path: &str) -> Vec<String> {
    let text = arguments(path).to_string();
    text.as_bytes().chunks(5).map(|part| String::from_utf8_lossy(part).into_owned()).collect()
}

fn arguments(path: &str) -> Value {
    json!({"path": path, "content": "* * * * * x"})
}

fn chat_events(path: &str) -> String {
    let chunk = |delta: Value, finish: Value| json!({"id": "c", "created": 1, "model": "gpt-4o-mini", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]});
    let call = |function: Value| json!({"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": function}]});
    let more = |part: String| json!({"tool_calls": [{"index": 0, "function": {"arguments": part}}]});
    let mut all = vec![chunk(json!({"role": "assistant", "content": "I write."}), Value::Null)];
    all.push(chunk(call(json!({"name": "write_file", "arguments": ""})), Value::Null));
    all.extend(parts(path).into_iter().map(|part| chunk(more(part), Value::Null)));
    all.push(chunk(json!({}), json!("tool_calls")));
    events(&all) + "data: [DONE]\n\n"
}

fn chat_whole(path: &str) -> String {
    let function = json!({"name": "write_file", "arguments": arguments(path).to_string()});
    let message = json!({"role": "assistant", "content": "I write.", "tool_calls": [{"id": "call_1", "type": "function", "function": function}]});
    json!({"id": "c", "model": "gpt-4o-mini", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}).to_string()
}

fn responses_item(arguments: &str) -> Value {
    json!({"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "write_file", "arguments": arguments})
}

fn responses_events(path: &str) -> String {
    let whole = arguments(path).to_string();
    let mut all = vec![
        json!({"type": "response.created", "response": {"id": "r", "output": []}}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": responses_item("")}),
    ];
    let delta = |part| json!({"type": "response.function_call_arguments.delta", "item_id": "fc_1", "output_index": 0, "delta": part});
    all.extend(parts(path).into_iter().map(delta));
    all.push(json!({"type": "response.function_call_arguments.done", "item_id": "fc_1", "output_index": 0, "arguments": whole}));
    all.push(json!({"type": "response.output_item.done", "output_index": 0, "item": responses_item(&whole)}));
    all.push(
        json!({"type": "response.completed", "response": {"id": "r", "output": [responses_item(&whole)]}}),
    );
    events(&all)
}

fn responses_whole(path: &str) -> String {
    let item = responses_item(&arguments(path).to_string());
    json!({"id": "r", "object": "response", "model": "gpt-4o-mini", "output": [item]}).to_string()
}

fn anthropic_events(path: &str) -> String {
    let mut all = vec![
        json!({"type": "message_start", "message": {"id": "m", "model": "claude-haiku-4-5", "content": [], "usage": {"input_tokens": 1, "output_tokens": 1}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "I write."}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "t", "name": "write_file", "input": {}}}),
    ];
    let delta = |part| json!({"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": part}});
    all.extend(parts(path).into_iter().map(delta));
    all.push(json!({"type": "content_block_stop", "index": 1}));
    all.push(
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}}),
    );
    all.push(json!({"type": "message_stop"}));
    events(&all)
}

fn anthropic_whole(path: &str) -> String {
    let call = json!({"type": "tool_use", "id": "t", "name": "write_file", "input": arguments(path)});
    json!({"id": "m", "type": "message", "model": "claude-haiku-4-5", "content": [call], "stop_reason": "tool_use",
        "usage": {"input_tokens": 1, "output_tokens": 9}}).to_string()
}

fn gemini_chunk(path: &str) -> Value {
    let call = json!({"functionCall": {"name": "write_file", "args": arguments(path)}});
    json!({"candidates": [{"content": {"parts": [call], "role": "model"}, "finishReason": "STOP", "index": 0}], "responseId": "r"})
}

fn gemini_events(path: &str) -> String {
    events(&[gemini_chunk(path)])
}

fn gemini_whole(path: &str) -> String {
    gemini_chunk(path).to_string()
}

/// A gateway with this configuration before a provider that calls the tool with `path`, asked once.
async fn ask(case: &Case, config: &str, path: &str, rounds: &[Value]) -> (Provider, Gateway, Reply) {
    let answer = (case.answer)(path);
    let playback = match case.stream {
        true => Playback::chunked(SSE, &answer.as_bytes().chunks(11).collect::<Vec<_>>()),
        false => Playback::whole(JSON, answer.as_bytes()),
    };
    let provider = playing(playback).await;
    let state = State::new(&provider);
    let config = state.file("gateway.yaml", config).display().to_string();
    let upstream = format!("https://localhost:{}", provider.https.port());
    let gateway = Gateway::proxy_on(state, &upstream, &["--config", &config]).await;
    let mut body = (case.ask)(rounds);
    if case.stream && !case.path.starts_with(GEMINI) {
        body["stream"] = json!(true);
    }
    let reply = http::post(gateway.address, &case.path, &body.to_string()).await;
    (provider, gateway, reply)
}

/// The tools of the only record.
async fn tools(gateway: &Gateway) -> Vec<Value> {
    let records = gateway.state.records_until(|records| records.len() == 1).await;
    records[0]["tools"].as_array().cloned().unwrap_or_default()
}

/// All three checks.
const SAFE: &str = "tools: {policy: [fs_safe, net_safe, shell_safe], sandbox: work}\n";

#[tokio::test]
async fn calls_inside_the_sandbox_keep_every_byte_and_are_recorded() {
    for case in cases() {
        for config in ["", SAFE] {
            let (_provider, gateway, reply) = ask(&case, config, "src/a.rs", &[arguments("x")]).await;
            assert_eq!((reply.status, reply.text()), (200, (case.answer)("src/a.rs")), "{}", case.path);
            let tools = tools(&gateway).await;
            let row = |at: usize| (tools[at]["name"].clone(), tools[at]["outcome"].clone());
            assert_eq!(row(0), (json!("write_file"), json!("result")), "{}: {tools:?}", case.path);
            assert_eq!(row(1), (json!("write_file"), json!("allowed")), "{}: {tools:?}", case.path);
            assert_eq!(tools.len(), 2, "{}: {tools:?}", case.path);
            gateway.stop().await;
        }
    }
}

#[tokio::test]
async fn a_denied_call_never_reaches_the_client() {
    for case in cases() {
        let (_provider, gateway, reply) = ask(&case, SAFE, OUTSIDE, &[]).await;
        let text = reply.text();
        assert!(reply.complete && reply.status == 200, "{}: {text}", case.path);
        assert!(
            !text.contains("/etc") && !text.contains("hidden") && !text.contains("* *"),
            "{}: {text}",
            case.path
        );
        assert!(text.contains("refused_by_gateway") && text.contains("sandbox"), "{}: {text}", case.path);
        let tools = tools(&gateway).await;
        assert_eq!(
            (&tools[0]["outcome"], &tools[0]["because"]),
            (&json!("refused"), &json!("path")),
            "{tools:?}"
        );
        let records = gateway.state.records().await;
        assert_eq!(records[0]["verdict"], "redacted", "{}", records[0]);
        let id = records[0]["id"].as_str().expect("an id").to_owned();
        let shown = gateway.state.run(&["show", &id]).await;
        assert!(
            shown.contains("write_file") && shown.contains("refused") && !shown.contains("cron"),
            "{shown}"
        );
        gateway.stop().await;
    }
}

#[tokio::test]
async fn a_denied_call_can_end_the_answer() {
    for case in cases() {
        let config = "tools: {deny: ['write_*'], refused: cut}\n";
        let (_provider, gateway, reply) = ask(&case, config, OUTSIDE, &[]).await;
        let text = reply.text();
        assert_eq!(reply.status, if case.stream { 200 } else { 400 }, "{}: {text}", case.path);
        assert!(reply.complete && text.contains("tools.deny"), "{}: {text}", case.path);
        assert!(!text.contains("write_file") && !text.contains("/etc"), "{}: {text}", case.path);
        gateway.stop().await;
    }
}

#[tokio::test]
async fn warn_mode_lets_calls_pass_and_says_so() {
    for case in cases() {
        let config = format!("mode: warn\n{SAFE}");
        let (_provider, gateway, reply) = ask(&case, &config, OUTSIDE, &[]).await;
        assert_eq!((reply.status, reply.text()), (200, (case.answer)(OUTSIDE)), "{}", case.path);
        let tools = tools(&gateway).await;
        assert_eq!(
            (&tools[0]["outcome"], &tools[0]["because"]),
            (&json!("warned"), &json!("path")),
            "{tools:?}"
        );
        gateway.stop().await;
    }
}

#[tokio::test]
async fn loops_end_before_they_cost_more() {
    let config = "tool_calling: {max_iterations: 2, duplicate_detection: true, max_duplicates: 1}\n";
    for case in cases() {
        let differ: Vec<Value> = (0..3).map(|at| arguments(&format!("{at}"))).collect();
        let (provider, gateway, reply) = ask(&case, config, "x", &differ).await;
        assert_eq!(reply.status, 400, "{}: {}", case.path, reply.text());
        assert!(reply.text().contains("max_iterations") && provider.received().is_empty(), "{}", case.path);
        gateway.stop().await;
        let (_provider, gateway, reply) = ask(&case, config, "x", &[arguments("x")]).await;
        let text = reply.text();
        assert!(
            text.contains("duplicate_detection") && text.contains("refused_by_gateway"),
            "{}: {text}",
            case.path
        );
        gateway.stop().await;
    }
}
