//! Streams of Cohere: events of version 2, lines of version 1.

use serde_json::json;

use super::*;
use crate::wire::dialects::cohere::Cohere;

/// Adds the texts of an event.
pub fn collect(event: &Value, texts: &mut BTreeMap<String, String>) {
    let message = &event["delta"]["message"];
    let mut places = vec![
        ("content", &message["content"]["text"]),
        ("content thinking", &message["content"]["thinking"]),
        ("plan", &message["tool_plan"]),
        ("arguments", &message["tool_calls"]["function"]["arguments"]),
    ];
    match event["event_type"].as_str() {
        Some("stream-end") => places.push(("whole", &event["response"]["text"])),
        Some(_) => places.push(("text", &event["text"])),
        None => {}
    }
    for (name, place) in places {
        if let Some(text) = place.as_str().filter(|text| !text.is_empty()) {
            texts.entry(format!("{name} {}", event["index"])).or_default().push_str(text);
        }
    }
}

fn event(kind: &str, mut fields: Value) -> String {
    fields["type"] = json!(kind);
    format!("event: {kind}\ndata: {fields}\n\n")
}

/// A stream of version 2: a plan, a call, an answer.
fn chat(plan: &[&str], arguments: &[&str], said: &[&str]) -> String {
    let mut out = event(
        "message-start",
        json!({"id": "c1", "delta": {"message": {"role": "assistant", "content": []}}}),
    );
    out.extend(
        plan.iter().map(|text| event("tool-plan-delta", json!({"delta": {"message": {"tool_plan": text}}}))),
    );
    if !arguments.is_empty() {
        let call = json!({"id": format!("call_{KEY}"), "type": "function", "function": {"name": "find", "arguments": ""}});
        out += &event("tool-call-start", json!({"index": 0, "delta": {"message": {"tool_calls": call}}}));
        let delta = |text: &&str| {
            event(
                "tool-call-delta",
                json!({"index": 0, "delta": {"message": {"tool_calls": {"function": {"arguments": text}}}}}),
            )
        };
        out.extend(arguments.iter().map(delta));
        out += &event("tool-call-end", json!({"index": 0}));
    }
    out += &event(
        "content-start",
        json!({"index": 0, "delta": {"message": {"content": {"type": "text", "text": ""}}}}),
    );
    let delta = |text: &&str| {
        event("content-delta", json!({"index": 0, "delta": {"message": {"content": {"text": text}}}}))
    };
    out.extend(said.iter().map(delta));
    out += &event("content-end", json!({"index": 0}));
    let usage = json!({"billed_units": {"input_tokens": 9.0, "output_tokens": 4}, "tokens": {"input_tokens": 99, "output_tokens": 5}});
    out += &event("message-end", json!({"delta": {"finish_reason": "COMPLETE", "usage": usage}}));
    out + "data: [DONE]\n\n"
}

/// A stream of version 1, which says the whole text again at its end.
fn lines(said: &[&str]) -> String {
    let line = |fields: Value| format!("{fields}\n");
    let mut out = line(json!({"is_finished": false, "event_type": "stream-start", "generation_id": "g1"}));
    let text =
        |text: &&str| line(json!({"is_finished": false, "event_type": "text-generation", "text": text}));
    out.extend(said.iter().map(text));
    let meta = json!({"billed_units": {"input_tokens": 9, "output_tokens": 4}});
    let response = json!({"text": said.concat(), "generation_id": "g1", "chat_history": [], "finish_reason": "COMPLETE", "meta": meta});
    out + &line(
        json!({"is_finished": true, "event_type": "stream-end", "finish_reason": "COMPLETE", "response": response}),
    )
}

const LINES: fn() -> ReplyOptions =
    || ReplyOptions { framing: Some(Framing::Lines), ..ReplyOptions::default() };

#[test]
fn an_untouched_stream_keeps_every_byte() {
    let stream = chat(&["I will"], &["{\"a\":", "1}"], &["Hello", " wörld"]);
    let outcome = check(&Cohere::V2, ReplyOptions::default(), stream.as_bytes());
    assert_eq!(String::from_utf8_lossy(&outcome.bytes), stream);
    let usage = Some(Usage { input: 9, output: 4, ..Usage::default() });
    assert_eq!((outcome.usage, outcome.complete, outcome.findings.len()), (usage, true, 0));
    let stream = lines(&["Hello", " wörld"]);
    let outcome = check(&Cohere::V1, LINES(), stream.as_bytes());
    assert_eq!(String::from_utf8_lossy(&outcome.bytes), stream);
    assert_eq!((outcome.usage, outcome.complete, outcome.text), (usage, true, "Hello wörld".len()));
}

#[test]
fn a_value_over_several_events_is_masked_once() {
    let stream = chat(
        &["it is AKIAQYLP", "MN5HHHFPZAM2 "],
        &["{\"k\":\"AKIAQYLP", "MN5HHHFPZAM2\"}"],
        &["so AKIA", "QYLPMN5HHHFPZAM2", " or [[12", "3]]"],
    );
    let outcome = check(&Cohere::V2, ReplyOptions::default(), stream.as_bytes());
    assert_eq!(texts(&outcome.bytes), redacted(texts(stream.as_bytes())));
    assert_eq!(outcome.findings.len(), 4);
    assert!(String::from_utf8_lossy(&outcome.bytes).contains(&format!("call_{KEY}")), "ids are kept");
    let stream = lines(&["so AKIA", "QYLPMN5HHHFPZAM2", " end"]);
    let outcome = check(&Cohere::V1, LINES(), stream.as_bytes());
    let said = texts_of(&outcome.bytes, Framing::Lines);
    assert_eq!((said["text null"].as_str(), said["whole null"].as_str()), ("so [KEY] end", "so [KEY] end"));
    assert_eq!(outcome.findings.len(), 1, "what is repeated counts once");
}

#[test]
fn a_plan_that_might_go_on_holds_no_call_back() {
    let stream = chat(&["perhaps AKIAQYLP"], &["{}"], &["x"]);
    let part = &stream[..stream.find("event: tool-call-end").expect("a call")];
    let mut machine = ReplyStream::new(Arc::clone(&ENGINE), &Cohere::V2, ReplyOptions::default());
    let mut out = Vec::new();
    machine.push(Bytes::copy_from_slice(part.as_bytes()), &mut out);
    assert_eq!(machine.held(), 0);
}

fn cut(dialect: &'static dyn Dialect, part: &str, options: ReplyOptions) -> Vec<u8> {
    let mut machine = ReplyStream::new(Arc::clone(&ENGINE), dialect, options);
    let (mut out, mut bytes) = (Vec::new(), Vec::new());
    machine.push(Bytes::copy_from_slice(part.as_bytes()), &mut out);
    out.drain(..).for_each(|released| bytes.extend_from_slice(&released.bytes));
    assert!(machine.cut(Reason::PolicyBlocked, "no", &mut out));
    assert!(machine.is_complete());
    out.drain(..).for_each(|released| bytes.extend_from_slice(&released.bytes));
    bytes
}

#[test]
fn a_cut_ends_with_a_text_and_an_ordinary_end() {
    let stream = chat(&[], &[], &["Hello", " more"]);
    let running = cut(&Cohere::V2, &stream[..stream.find(" more").expect("a text")], ReplyOptions::default());
    assert_eq!(texts(&running)["content 0"], "Hello\n\nno");
    let calling = chat(&["plan"], &["{\"a\":"], &[]);
    let calling = cut(
        &Cohere::V2,
        &calling[..calling.find("event: tool-call-end").expect("an end")],
        ReplyOptions::default(),
    );
    let events = documents(&calling, Framing::Events);
    let kinds: Vec<&str> = events.iter().filter_map(|event| event["type"].as_str()).collect();
    assert_eq!(
        kinds[kinds.len() - 5..],
        ["tool-call-end", "content-start", "content-delta", "content-end", "message-end"]
    );
    for bytes in [&running, &calling, &cut(&Cohere::V2, "", ReplyOptions::default())] {
        let last = documents(bytes, Framing::Events).pop().expect("an end");
        assert_eq!(last["delta"]["finish_reason"], "COMPLETE");
        assert!(bytes.ends_with(b"data: [DONE]\n\n"));
    }
    let stream = lines(&["Hello", " more"]);
    let bytes = cut(&Cohere::V1, &stream[..stream.find(" more").expect("a text")], LINES());
    assert_eq!(texts_of(&bytes, Framing::Lines)["text null"], "Hello\n\nno");
    assert_eq!(documents(&bytes, Framing::Lines).pop().expect("an end")["event_type"], "stream-end");
}

#[test]
fn a_cut_may_be_an_error() {
    let options = ReplyOptions { cut: CutStyle::Error, ..ReplyOptions::default() };
    let last = documents(&cut(&Cohere::V2, "", options), Framing::Events).pop().expect("an end");
    assert_eq!((&last["delta"]["finish_reason"], &last["delta"]["error"]), (&json!("ERROR"), &json!("no")));
    let options = ReplyOptions { framing: Some(Framing::Lines), ..options };
    let last = documents(&cut(&Cohere::V1, "", options), Framing::Lines).pop().expect("an end");
    assert_eq!(last["finish_reason"], "ERROR");
}
