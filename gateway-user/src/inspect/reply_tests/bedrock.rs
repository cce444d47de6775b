//! Streams of Bedrock: binary frames, whose checksums fit whatever was changed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::*;
use crate::wire::dialects::bedrock::{converse::Converse, invoke::Invoke};
use crate::wire::frames::frame;

const FRAMES: fn() -> ReplyOptions =
    || ReplyOptions { framing: Some(Framing::Frames), ..ReplyOptions::default() };

/// The documents of a stream of sound frames: the name of the event with its payload, or what an invocation holds.
pub fn documents(mut stream: &[u8]) -> Vec<Value> {
    let mut documents = Vec::new();
    while !stream.is_empty() {
        let number =
            |at: usize| u32::from_be_bytes(stream[at..at + 4].try_into().expect("four bytes")) as usize;
        let (length, headers) = (number(0), number(4));
        let (event, rest) = stream.split_at(length);
        assert_eq!(crc32fast::hash(&event[..8]) as usize, number(8), "the prelude's checksum");
        assert_eq!(
            crc32fast::hash(&event[..length - 4]) as usize,
            number(length - 4),
            "the frame's checksum"
        );
        let names = String::from_utf8_lossy(&event[12..12 + headers]).into_owned();
        let payload: Value = serde_json::from_slice(&event[12 + headers..length - 4]).expect("JSON");
        let inner = payload["bytes"].as_str().map(|text| STANDARD.decode(text).expect("base64"));
        let name =
            ["messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop"]
                .into_iter()
                .find(|name| names.contains(*name));
        documents.push(match (inner, name) {
            (Some(inner), _) => serde_json::from_slice(&inner).expect("JSON"),
            (None, Some(name)) => json!({name: payload}),
            (None, None) => payload,
        });
        stream = rest;
    }
    documents
}

/// Adds the texts of an event, those of Anthropic's apart, which are collected already.
pub fn collect(event: &Value, texts: &mut BTreeMap<String, String>) {
    let block = &event["contentBlockDelta"];
    let delta = &block["delta"];
    // Some models give every delta a number of its own; their text still runs on.
    let number =
        if delta["toolUse"].is_object() { block["contentBlockIndex"].to_string() } else { String::new() };
    let places = [
        ("text", &delta["text"]),
        ("input", &delta["toolUse"]["input"]),
        ("reasoning", &delta["reasoningContent"]["text"]),
        ("outputText", &event["outputText"]),
        ("generation", &event["generation"]),
    ];
    for (name, place) in places {
        if let Some(text) = place.as_str().filter(|text| !text.is_empty()) {
            texts.entry(format!("{name} {number}")).or_default().push_str(text);
        }
    }
}

fn event(name: &str, payload: &Value) -> Vec<u8> {
    let headers = [(":event-type", name), (":content-type", "application/json"), (":message-type", "event")];
    frame(&headers, payload.to_string().as_bytes())
}

/// A stream of Converse: reasoning, an answer, a call.
fn converse(thoughts: &[&str], said: &[&str], arguments: &[&str]) -> Vec<u8> {
    let delta = |number: u16, delta: Value| {
        event("contentBlockDelta", &json!({"contentBlockIndex": number, "delta": delta, "p": "abc"}))
    };
    let stop = |number: u16| event("contentBlockStop", &json!({"contentBlockIndex": number, "p": "ab"}));
    let mut out = event("messageStart", &json!({"role": "assistant", "p": "abcd"}));
    if !thoughts.is_empty() {
        out.extend(thoughts.iter().flat_map(|text| delta(0, json!({"reasoningContent": {"text": text}}))));
        out.extend(delta(0, json!({"reasoningContent": {"signature": format!("sig{KEY}")}})));
        out.extend(stop(0));
    }
    out.extend(said.iter().flat_map(|text| delta(1, json!({"text": text}))));
    out.extend(stop(1));
    if !arguments.is_empty() {
        let start = json!({"toolUse": {"toolUseId": format!("tooluse_{KEY}"), "name": "find"}});
        out.extend(event("contentBlockStart", &json!({"contentBlockIndex": 2, "start": start})));
        out.extend(arguments.iter().flat_map(|text| delta(2, json!({"toolUse": {"input": text}}))));
        out.extend(stop(2));
    }
    out.extend(event("messageStop", &json!({"stopReason": "end_turn"})));
    let usage = json!({"inputTokens": 7, "outputTokens": 4, "totalTokens": 13, "cacheReadInputTokens": 2});
    out.extend(event("metadata", &json!({"metrics": {"latencyMs": 1}, "usage": usage})));
    out
}

/// A stream of an invocation that holds these documents.
fn invoked(documents: &[Value]) -> Vec<u8> {
    let chunk = |document: &Value| {
        event("chunk", &json!({"bytes": STANDARD.encode(document.to_string()), "p": "abcdefgh"}))
    };
    documents.iter().flat_map(chunk).collect()
}

/// What an Anthropic model answers, over events with these texts.
fn messages(said: &[&str]) -> Vec<Value> {
    let mut events = vec![
        json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant",
            "model": "claude", "content": [], "usage": {"input_tokens": 7, "output_tokens": 1}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
    ];
    let delta = |text: &&str| json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}});
    events.extend(said.iter().map(delta));
    events.extend([
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null}, "usage": {"output_tokens": 4}}),
        json!({"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 7, "outputTokenCount": 4}}),
    ]);
    events
}

fn frames(bytes: &[u8]) -> BTreeMap<String, String> {
    texts_of(bytes, Framing::Frames)
}

#[test]
fn an_untouched_stream_keeps_every_byte() {
    let stream = converse(&["Hm"], &["Hello", " wörld"], &["{\"a\":", "1}"]);
    let outcome = check(&Converse, FRAMES(), &stream);
    assert_eq!(outcome.bytes, stream);
    assert_eq!(outcome.usage, Some(Usage { input: 7, cached_input: 2, output: 4, ..Usage::default() }));
    assert!(outcome.complete && outcome.stop.is_none() && outcome.findings.is_empty());
    let stream = invoked(&messages(&["Hello", " wörld"]));
    let outcome = check(&Invoke, FRAMES(), &stream);
    assert_eq!(outcome.bytes, stream);
    assert_eq!(outcome.usage, Some(Usage { input: 7, output: 4, ..Usage::default() }));
    assert!(outcome.complete && outcome.findings.is_empty());
}

#[test]
fn a_value_over_several_frames_is_masked_once() {
    let stream = converse(
        &[],
        &["so AKIA", "QYLPMN5HHHFPZAM2", " or [[12", "3]]"],
        &["{\"k\":\"AKIAQYLP", "MN5HHHFPZAM2\"}"],
    );
    let outcome = check(&Converse, FRAMES(), &stream);
    assert_eq!(frames(&outcome.bytes), redacted(frames(&stream)));
    assert_eq!(outcome.findings.len(), 3);
    let stream = invoked(&messages(&["so AKIA", "QYLPMN5HHHFPZAM2", " end"]));
    let outcome = check(&Invoke, FRAMES(), &stream);
    assert_eq!(frames(&outcome.bytes)["block 0 text"], "so [KEY] end");
    let plain = |text: &str, last: bool| {
        let mut event = json!({"outputText": text, "index": 0, "completionReason": null});
        if last {
            event["completionReason"] = json!("FINISH");
            event["inputTextTokenCount"] = json!(5);
            event["totalOutputTextTokenCount"] = json!(9.0);
        }
        event
    };
    let stream = invoked(&[plain("so AKIAQYLP", false), plain("MN5HHHFPZAM2", false), plain(" end", true)]);
    let outcome = check(&Invoke, FRAMES(), &stream);
    assert_eq!(frames(&outcome.bytes)["outputText "], "so [KEY] end");
    assert_eq!(outcome.usage, Some(Usage { input: 5, output: 9, ..Usage::default() }));
    assert!(outcome.complete);
}

#[test]
fn signed_reasoning_is_never_rewritten() {
    let outcome = check(&Converse, FRAMES(), &converse(&["hm AKIAQYLP", "MN5HHHFPZAM2"], &["x"], &[]));
    assert!(matches!(outcome.stop, Some(Stop::Signed(_))));
}

#[test]
fn what_stands_beside_the_encoded_text_is_judged() {
    let payload = json!({"bytes": STANDARD.encode(messages(&["Hello"])[2].to_string()), "new": KEY});
    let outcome = check(&Invoke, FRAMES(), &event("chunk", &payload));
    assert!(!String::from_utf8_lossy(&outcome.bytes).contains(KEY));
    assert_eq!(frames(&outcome.bytes)["block 0 text"], "Hello");
}

#[test]
fn an_exception_is_an_error_and_its_text_is_judged() {
    let headers = [(":message-type", "exception"), (":exception-type", "modelStreamErrorException")];
    let stream = frame(&headers, json!({"message": format!("about {KEY}")}).to_string().as_bytes());
    for dialect in [&Converse as &dyn Dialect, &Invoke] {
        let mut machine = ReplyStream::new(Arc::clone(&ENGINE), dialect_of(dialect), FRAMES());
        let mut out = Vec::new();
        machine.push(stream.clone().into(), &mut out);
        machine.finish(&mut out);
        assert!(machine.has_error());
        assert_eq!(documents(&out[0].bytes)[0]["message"], "about [KEY]");
    }
}

/// The dialect with the same name, which lives for ever.
fn dialect_of(dialect: &dyn Dialect) -> &'static dyn Dialect {
    crate::wire::dialects::by_name(dialect.name()).expect("it is listed")
}

#[test]
fn a_damaged_frame_stops_the_stream_only_where_something_is_enforced() {
    let mut stream = converse(&[], &["Hello"], &[]);
    let last = stream.len() - 1;
    stream[last] ^= 1;
    let outcome = run(&ENGINE, &Converse, FRAMES(), &[&stream]);
    assert_eq!(outcome.stop, Some(Stop::Broken));
    let outcome = run(&WARNING, &Converse, FRAMES(), &[&stream]);
    assert_eq!((outcome.bytes, outcome.stop), (stream, None));
}

#[test]
fn a_stalled_stream_shows_what_is_decided() {
    for (dialect, stream, name) in [
        (&Converse as &'static dyn Dialect, converse(&[], &["Hello AKIAQYLP"], &[]), "text "),
        (&Invoke, invoked(&messages(&["Hello AKIAQYLP"])[..3]), "block 0 text"),
    ] {
        let mut machine = ReplyStream::new(Arc::clone(&ENGINE), dialect, FRAMES());
        let mut out = Vec::new();
        let end = if name == "text " { two_frames(&stream) } else { stream.len() };
        machine.push(Bytes::copy_from_slice(&stream[..end]), &mut out);
        out.clear();
        machine.relax(&mut out);
        assert_eq!(frames(&out[0].bytes)[name], "Hello ");
        out.clear();
        machine.finish(&mut out);
        assert_eq!(frames(&out[0].bytes)[name], "AKIAQYLP");
    }
}

/// The length of the first two frames.
fn two_frames(stream: &[u8]) -> usize {
    let length = |at: usize| u32::from_be_bytes(stream[at..at + 4].try_into().expect("four bytes")) as usize;
    length(0) + length(length(0))
}

fn cut(dialect: &'static dyn Dialect, stream: &[u8], style: CutStyle) -> Vec<Value> {
    let options = ReplyOptions { cut: style, ..FRAMES() };
    let mut machine = ReplyStream::new(Arc::clone(&ENGINE), dialect, options);
    let (mut out, mut bytes) = (Vec::new(), Vec::new());
    machine.push(Bytes::copy_from_slice(stream), &mut out);
    out.drain(..).for_each(|released| bytes.extend_from_slice(&released.bytes));
    assert!(machine.cut(Reason::PolicyBlocked, "no", &mut out));
    out.drain(..).for_each(|released| bytes.extend_from_slice(&released.bytes));
    documents(&bytes)
}

#[test]
fn a_cut_ends_with_a_text_and_the_usual_events() {
    let stream = converse(&[], &["Hello", " forbidden-1234"], &[]);
    let all = cut(&Converse, &stream, CutStyle::Text);
    let texts: String =
        all.iter().filter_map(|event| event["contentBlockDelta"]["delta"]["text"].as_str()).collect();
    assert_eq!(texts, "Hello\n\nno");
    let numbers: Vec<&Value> =
        all.iter().map(|event| &event["contentBlockDelta"]["contentBlockIndex"]).collect();
    assert!(numbers.iter().filter(|number| number.is_number()).all(|number| **number == 1), "{all:?}");
    assert_eq!(all[all.len() - 2]["messageStop"]["stopReason"], "end_turn");
    assert!(all[all.len() - 1]["usage"]["outputTokens"].is_number());
    let all = cut(&Invoke, &invoked(&messages(&["Hello", " forbidden-1234"])), CutStyle::Text);
    let texts: String = all.iter().filter_map(|event| event["delta"]["text"].as_str()).collect();
    assert_eq!(texts, "Hello\n\nno");
    assert_eq!(all[all.len() - 1]["type"], "message_stop");
    let nova = |text: &str| json!({"contentBlockDelta": {"delta": {"text": text}, "contentBlockIndex": 0}});
    let start = json!({"messageStart": {"role": "assistant"}});
    let all = cut(&Invoke, &invoked(&[start, nova("Hello"), nova(" forbidden-1234")]), CutStyle::Text);
    let texts: String =
        all.iter().filter_map(|event| event["contentBlockDelta"]["delta"]["text"].as_str()).collect();
    assert_eq!(texts, "Hello\n\nno");
    assert!(all[all.len() - 1]["metadata"]["usage"].is_object(), "{all:?}");
}

#[test]
fn a_cut_may_be_an_exception() {
    let all = cut(&Converse, &converse(&[], &["Hello forbidden-1234"], &[]), CutStyle::Error);
    assert_eq!(all[all.len() - 1]["message"], "policy_blocked: no");
    let all = cut(&Invoke, &invoked(&[json!({"generation": "forbidden-1234"})]), CutStyle::Text);
    assert_eq!(all[all.len() - 1]["message"], "policy_blocked: no");
}
