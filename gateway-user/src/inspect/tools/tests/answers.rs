//! Calls in answers, whole and streamed: what goes out is the same at every split, and a refused call never does.

use bytes::Bytes;

use super::*;
use crate::inspect::reply::{ReplyOptions, ReplyStream, Stop};
use crate::inspect::request::judge_reply;
use crate::inspect::{Engine, RuleSet};
use crate::wire::Dialect;
use crate::wire::dialects::anthropic::Anthropic;
use crate::wire::dialects::gemini::Gemini;
use crate::wire::dialects::openai_chat::OpenAiChat;
use crate::wire::dialects::openai_responses::OpenAiResponses;
use serde_json::{Value, json};

/// A call: name and arguments.
type Call = (&'static str, Value);

/// A stream of a dialect that calls these tools, after some text.
type Write = fn(&[Call]) -> String;

const DIALECTS: [(&dyn Dialect, Write); 4] =
    [(&OpenAiChat, chat), (&Anthropic, anthropic), (&OpenAiResponses, responses), (&Gemini::Bare, gemini)];

fn events(events: &[Value], named: bool) -> String {
    let one = |event: &Value| match named {
        true => format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default()),
        false => format!("data: {event}\n\n"),
    };
    events.iter().map(one).collect()
}

/// Arguments in two parts.
fn halves(arguments: &Value) -> [String; 2] {
    let text = arguments.to_string();
    let (first, second) = text.split_at(text.len() / 2);
    [first.to_owned(), second.to_owned()]
}

fn chat(calls: &[Call]) -> String {
    let chunk = |delta: Value, finish: Value| json!({"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]});
    let mut all = vec![chunk(json!({"role": "assistant", "content": "I look"}), Value::Null)];
    for (index, (name, arguments)) in calls.iter().enumerate() {
        let function = json!({"name": name, "arguments": ""});
        all.push(chunk(json!({"tool_calls": [{"index": index, "id": format!("call_{index}"), "type": "function", "function": function}]}), Value::Null));
        for part in halves(arguments) {
            all.push(chunk(
                json!({"tool_calls": [{"index": index, "function": {"arguments": part}}]}),
                Value::Null,
            ));
        }
    }
    all.push(chunk(json!({}), json!("tool_calls")));
    events(&all, false) + "data: [DONE]\n\n"
}

fn anthropic(calls: &[Call]) -> String {
    let mut all = vec![
        json!({"type": "message_start", "message": {"id": "m", "model": "x", "content": [], "usage": {"input_tokens": 1, "output_tokens": 1}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "I look"}}),
        json!({"type": "content_block_stop", "index": 0}),
    ];
    for (index, (name, arguments)) in calls.iter().enumerate() {
        let index = index + 1;
        let block = json!({"type": "tool_use", "id": format!("toolu_{index}"), "name": name, "input": {}});
        all.push(json!({"type": "content_block_start", "index": index, "content_block": block}));
        for part in [String::new()].into_iter().chain(halves(arguments)) {
            let delta = json!({"type": "input_json_delta", "partial_json": part});
            all.push(json!({"type": "content_block_delta", "index": index, "delta": delta}));
        }
        all.push(json!({"type": "content_block_stop", "index": index}));
    }
    all.push(
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}}),
    );
    all.push(json!({"type": "message_stop"}));
    events(&all, true)
}

fn responses(calls: &[Call]) -> String {
    let item = |index: usize, name: &str, arguments: &str| {
        json!(
        {"type": "function_call", "id": format!("fc_{index}"), "call_id": format!("call_{index}"), "name": name, "arguments": arguments})
    };
    let mut all = vec![json!({"type": "response.created", "response": {"id": "r", "output": []}})];
    for (index, (name, arguments)) in calls.iter().enumerate() {
        let whole = arguments.to_string();
        let at = |kind: &str| json!({"type": kind, "output_index": index, "item_id": format!("fc_{index}")});
        let with = |mut event: Value, key: &str, value: Value| {
            event[key] = value;
            event
        };
        all.push(with(at("response.output_item.added"), "item", item(index, name, "")));
        for part in halves(arguments) {
            all.push(with(at("response.function_call_arguments.delta"), "delta", json!(part)));
        }
        all.push(with(at("response.function_call_arguments.done"), "arguments", json!(whole)));
        all.push(with(at("response.output_item.done"), "item", item(index, name, &whole)));
    }
    let output: Vec<Value> = calls
        .iter()
        .enumerate()
        .map(|(index, (name, arguments))| item(index, name, &arguments.to_string()))
        .collect();
    all.push(json!({"type": "response.completed", "response": {"id": "r", "output": output, "usage": {"input_tokens": 1, "output_tokens": 2}}}));
    events(&all, true)
}

fn gemini(calls: &[Call]) -> String {
    let chunk = |part: Value| json!({"candidates": [{"content": {"parts": [part], "role": "model"}, "index": 0}], "responseId": "r"});
    let mut all = vec![chunk(json!({"text": "I look"}))];
    all.extend(
        calls
            .iter()
            .map(|(name, arguments)| chunk(json!({"functionCall": {"name": name, "args": arguments}}))),
    );
    all.push(
        json!({"candidates": [{"content": {"parts": [{"text": ""}]}, "finishReason": "STOP", "index": 0}]}),
    );
    events(&all, false)
}

/// What a client makes of a stream: the calls, name and arguments, in order of their number. Each dialect by its own rules.
fn calls_of(dialect: &dyn Dialect, stream: &str) -> Vec<(String, String)> {
    let mut calls: Vec<(String, String)> = Vec::new();
    let mut whole: Vec<(String, String)> = Vec::new();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for data in stream.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]")
    {
        let event: Value = serde_json::from_str(data).expect("an event is JSON");
        match dialect.name() {
            "openai_chat" => {
                for call in event["choices"][0]["delta"]["tool_calls"].as_array().into_iter().flatten() {
                    let index = call["index"].as_u64().expect("an index") as usize;
                    calls.resize(calls.len().max(index + 1), Default::default());
                    calls[index].0 += &text(&call["function"]["name"]);
                    calls[index].1 += &text(&call["function"]["arguments"]);
                }
            }
            "anthropic" => match event["type"].as_str() {
                Some("content_block_start") if event["content_block"]["type"] == "tool_use" => {
                    calls.push((text(&event["content_block"]["name"]), String::new()));
                }
                Some("content_block_delta") if event["delta"]["type"] == "input_json_delta" => {
                    calls.last_mut().expect("it began").1 += &text(&event["delta"]["partial_json"]);
                }
                _ => {}
            },
            "openai_responses" => match event["type"].as_str() {
                Some("response.output_item.added") => {
                    calls.push((text(&event["item"]["name"]), text(&event["item"]["arguments"])))
                }
                Some("response.function_call_arguments.delta") => {
                    calls.last_mut().expect("it began").1 += &text(&event["delta"])
                }
                Some("response.function_call_arguments.done") => {
                    assert_eq!(calls.last().expect("it began").1, text(&event["arguments"]), "said alike");
                }
                Some("response.output_item.done") => {
                    whole.push((text(&event["item"]["name"]), text(&event["item"]["arguments"])))
                }
                Some("response.completed") => {
                    let output = event["response"]["output"].as_array().expect("items");
                    let last: Vec<_> =
                        output.iter().map(|item| (text(&item["name"]), text(&item["arguments"]))).collect();
                    assert_eq!(last, whole, "said alike");
                    assert_eq!(last, calls, "said alike");
                }
                _ => {}
            },
            _ => {
                let call = &event["candidates"][0]["content"]["parts"][0]["functionCall"];
                if call.is_object() {
                    calls.push((text(&call["name"]), call["args"].to_string()));
                }
            }
        }
    }
    calls
}

struct Outcome {
    out: String,
    used: Vec<Used>,
    stop: Option<Stop>,
    most_held: usize,
}

fn run(policy: &Arc<Policy>, dialect: &'static dyn Dialect, chunks: &[&[u8]]) -> Outcome {
    let engine = Arc::new(Engine::build(&RuleSet::empty(), true, &[7; 32]).expect("no rules"));
    let guard = Guard { policy: Arc::clone(policy), history: History::default() };
    let mut stream = ReplyStream::new(engine, dialect, ReplyOptions::default()).guarded(guard);
    let (mut out, mut most_held) = (Vec::new(), 0);
    for chunk in chunks {
        stream.push(Bytes::copy_from_slice(chunk), &mut out);
        stream.relax(&mut out);
        most_held = most_held.max(stream.held());
    }
    stream.finish(&mut out);
    let out = out.iter().flat_map(|piece| piece.bytes.to_vec()).collect();
    let out = String::from_utf8(out).expect("UTF-8");
    Outcome { out, used: stream.used().to_vec(), stop: stream.stop(), most_held }
}

/// Runs a stream whole, byte by byte and at every split in two; the outcome is always the same.
fn check(policy: &Arc<Policy>, dialect: &'static dyn Dialect, stream: &str) -> Outcome {
    let stream = stream.as_bytes();
    let whole = run(policy, dialect, &[stream]);
    let same = |chunks: &[&[u8]]| {
        let other = run(policy, dialect, chunks);
        assert_eq!(
            (&other.out, &other.used, other.stop),
            (&whole.out, &whole.used, whole.stop),
            "{}",
            dialect.name()
        );
        other.most_held
    };
    let most_held = same(&stream.chunks(1).collect::<Vec<_>>());
    for at in (1..stream.len()).step_by(7) {
        same(&[&stream[..at], &stream[at..]]);
    }
    Outcome { most_held, ..whole }
}

#[test]
fn without_a_policy_calls_are_recorded_and_nothing_waits() {
    for (dialect, write) in DIALECTS {
        let stream = write(&[("read", json!({"path": "/etc/passwd"})), ("bash", json!({"b": 1, "a": 2}))]);
        let outcome = check(&policy(&config(&[])), dialect, &stream);
        assert_eq!((outcome.out == stream, outcome.most_held), (true, 0), "{}", dialect.name());
        let used: Vec<(&str, super::Outcome)> =
            outcome.used.iter().map(|one| (&*one.name, one.outcome)).collect();
        assert_eq!(
            used,
            [("read", super::Outcome::Allowed), ("bash", super::Outcome::Allowed)],
            "{}",
            dialect.name()
        );
        let digest = policy(&config(&[])).digest(br#"{"a":2,"b":1}"#);
        assert_eq!(outcome.used[1].digest, digest, "{}", dialect.name());
    }
}

#[test]
fn a_refused_call_is_replaced_and_the_others_keep_every_byte() {
    let policy = policy(&config(&[ToolPolicy::FsSafe]));
    for (dialect, write) in DIALECTS {
        let good = |name| (name, json!({"path": "src/a.rs"}));
        let bad = ("write", json!({"path": "/etc/passwd-secret", "content": "x"}));
        let stream = write(&[good("read"), bad.clone(), good("last")]);
        let outcome = check(&policy, dialect, &stream);
        let name = dialect.name();
        assert!(!outcome.out.contains("passwd-secret"), "{name}: {}", outcome.out);
        assert_eq!(outcome.stop, None, "{name}");
        let calls = calls_of(dialect, &outcome.out);
        assert_eq!(calls.len(), 3, "{name}: {}", outcome.out);
        let arguments = json!({"path": "src/a.rs"}).to_string();
        assert_eq!(calls[0], ("read".to_owned(), arguments.clone()), "{name}");
        assert_eq!(calls[2], ("last".to_owned(), arguments), "{name}");
        assert_eq!(calls[1].0, REFUSED_NAME, "{name}");
        let said: Value = serde_json::from_str(&calls[1].1).expect("JSON");
        assert_eq!(
            (&said["refused"], said["reason"].as_str().map(|why| why.contains("sandbox"))),
            (&json!("write"), Some(true)),
            "{name}"
        );
        assert_eq!(outcome.used[1].because, Some(Because::Path), "{name}");
        let untouched = write(&[good("read"), good("next")]);
        let outcome = check(&policy, dialect, &untouched);
        assert_eq!(outcome.out, untouched, "{name}");
    }
}

#[test]
fn names_alone_hold_nothing() {
    let mut config = config(&[]);
    config.tools.deny = vec!["write".to_owned()];
    let policy = policy(&config);
    for (dialect, write) in DIALECTS {
        let stream = write(&[("read", json!({"a": "b"})), ("write", json!({"a": "hidden"}))]);
        let outcome = check(&policy, dialect, &stream);
        assert_eq!(outcome.most_held, 0, "{}", dialect.name());
        let calls = calls_of(dialect, &outcome.out);
        assert_eq!((calls[0].0.as_str(), calls[1].0.as_str()), ("read", REFUSED_NAME), "{}", dialect.name());
        assert!(!outcome.out.contains("hid"), "{}: {}", dialect.name(), outcome.out);
    }
}

#[test]
fn the_answer_is_cut_where_that_is_asked_for() {
    let mut config = config(&[ToolPolicy::FsSafe]);
    config.tools.refused = Refused::Cut;
    let policy = policy(&config);
    for (dialect, write) in DIALECTS {
        let stream = write(&[("read", json!({"path": "a"})), ("write", json!({"path": "/etc/hidden"}))]);
        let outcome = check(&policy, dialect, &stream);
        assert_eq!(outcome.stop, Some(Stop::Tool(Because::Path)), "{}", dialect.name());
        assert!(
            !outcome.out.contains("hidden") && !outcome.out.contains("\"write\""),
            "{}: {}",
            dialect.name(),
            outcome.out
        );
        assert!(outcome.out.contains("\"read\""), "{}", dialect.name());
    }
}

#[test]
fn warn_mode_only_reports() {
    let mut config = config(&[ToolPolicy::FsSafe]);
    config.mode = Mode::Warn;
    let policy = policy(&config);
    for (dialect, write) in DIALECTS {
        let stream = write(&[("write", json!({"path": "/etc/x"}))]);
        let outcome = check(&policy, dialect, &stream);
        assert_eq!((outcome.out == stream, outcome.most_held), (true, 0), "{}", dialect.name());
        assert_eq!(outcome.used[0].outcome, super::Outcome::Warned, "{}", dialect.name());
    }
}

#[test]
fn calls_without_a_name_end_the_answer() {
    let policy = policy(&config(&[ToolPolicy::ShellSafe]));
    let item = |command: &str| json!({"type": "local_shell_call", "call_id": "c", "action": {"type": "exec", "command": ["bash", "-lc", command]}});
    let stream = |command: &str| {
        events(
            &[
                json!({"type": "response.output_item.added", "output_index": 0, "item": item(command)}),
                json!({"type": "response.output_item.done", "output_index": 0, "item": item(command)}),
                json!({"type": "response.completed", "response": {"output": [item(command)]}}),
            ],
            true,
        )
    };
    let fine = check(&policy, &OpenAiResponses, &stream("ls"));
    assert_eq!((fine.out == stream("ls"), fine.used[0].name.as_str()), (true, "local_shell"));
    let bad = check(&policy, &OpenAiResponses, &stream("rm -rf /"));
    assert_eq!((bad.out.as_str(), bad.stop), ("", Some(Stop::Tool(Because::Command))));
}

#[test]
fn what_the_provider_runs_is_recorded_as_its_own() {
    let policy = policy(&config(&[ToolPolicy::FsSafe]));
    let block = json!({"type": "server_tool_use", "id": "s", "name": "bash_code_execution", "input": {"command": "cat /etc/passwd"}});
    let stream = events(
        &[
            json!({"type": "content_block_start", "index": 0, "content_block": block}),
            json!({"type": "content_block_stop", "index": 0}),
        ],
        true,
    );
    let outcome = check(&policy, &Anthropic, &stream);
    assert_eq!(outcome.out, stream);
    assert!(outcome.used[0].by_provider && outcome.used[0].because.is_none(), "{:?}", outcome.used);
}

#[test]
fn whole_answers_are_judged_alike() {
    let engine = Engine::build(&RuleSet::empty(), true, &[7; 32]).expect("no rules");
    let bad = r#"{"path":"/etc/hidden"}"#;
    let bodies: [(&dyn Dialect, Value); 4] = [
        (
            &OpenAiChat,
            json!({"choices": [{"index": 0, "message": {"role": "assistant", "tool_calls": [
            {"id": "1", "type": "function", "function": {"name": "read", "arguments": "{\"path\":\"a\"}"}},
            {"id": "2", "type": "function", "function": {"name": "write", "arguments": bad}}]}}]}),
        ),
        (
            &Anthropic,
            json!({"content": [{"type": "text", "text": "x"}, {"type": "tool_use", "id": "1", "name": "read", "input": {"path": "a"}},
            {"type": "tool_use", "id": "2", "name": "write", "input": {"path": "/etc/hidden"}}]}),
        ),
        (
            &OpenAiResponses,
            json!({"output": [{"type": "function_call", "call_id": "1", "name": "read", "arguments": "{\"path\":\"a\"}"},
            {"type": "function_call", "call_id": "2", "name": "write", "arguments": bad}]}),
        ),
        (
            &Gemini::Bare,
            json!({"candidates": [{"content": {"parts": [{"functionCall": {"name": "read", "args": {"path": "a"}}},
            {"functionCall": {"name": "write", "args": {"path": "/etc/hidden"}}}]}}]}),
        ),
    ];
    for (dialect, body) in bodies {
        let body = body.to_string();
        let judge = |config: &Config| {
            let guard = Guard { policy: policy(config), history: History::default() };
            judge_reply(&engine, None, dialect, body.as_bytes(), Some(&guard))
        };
        let judged = judge(&config(&[ToolPolicy::FsSafe]));
        let out = String::from_utf8(judged.body.expect("changed")).expect("UTF-8");
        serde_json::from_str::<Value>(&out).expect("JSON");
        assert!(
            !out.contains("hidden") && !out.contains("\"name\":\"write\"") && out.contains(REFUSED_NAME),
            "{out}"
        );
        assert!(out.contains("\"read\""), "{out}");
        assert_eq!(judged.used[1].because, Some(Because::Path), "{}", dialect.name());
        let mut cutting = config(&[ToolPolicy::FsSafe]);
        cutting.tools.refused = Refused::Cut;
        assert_eq!(judge(&cutting).refused, Some(Because::Path), "{}", dialect.name());
        assert!(judge(&config(&[])).body.is_none(), "nothing is changed without a policy");
    }
}

#[test]
fn a_call_that_does_not_end_does_not_go_out() {
    let policy = policy(&config(&[ToolPolicy::FsSafe]));
    for (dialect, write) in DIALECTS.into_iter().take(3) {
        let stream = write(&[("write", json!({"path": "/etc/hidden-away", "content": "x".repeat(40)}))]);
        for at in (1..stream.len()).step_by(5) {
            let out = run(&policy, dialect, &[&stream.as_bytes()[..at]]).out;
            assert!(!out.contains("/etc/hid"), "{}: {out}", dialect.name());
        }
    }
}
