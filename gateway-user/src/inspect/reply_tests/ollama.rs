//! Streams of Ollama: lines of JSON.

use serde_json::json;

use super::*;
use crate::wire::dialects::ollama::Ollama;

const LINES: fn() -> ReplyOptions =
    || ReplyOptions { framing: Some(Framing::Lines), ..ReplyOptions::default() };

/// Adds the texts of a line.
pub fn collect(line: &Value, texts: &mut BTreeMap<String, String>) {
    let places = [
        ("response", &line["response"]),
        ("content", &line["message"]["content"]),
        ("thinking", &line["thinking"]),
        ("message thinking", &line["message"]["thinking"]),
    ];
    for (name, place) in places {
        if let (true, Some(text)) =
            (line["done"].is_boolean(), place.as_str().filter(|text| !text.is_empty()))
        {
            texts.entry(name.to_owned()).or_default().push_str(text);
        }
    }
}

/// A chat's lines: thoughts, texts, the end.
fn chat(thoughts: &[&str], said: &[&str]) -> String {
    let line = |message: Value| json!({"model": "m", "created_at": "2026-01-01T00:00:00Z", "message": message, "done": false});
    let thoughts =
        thoughts.iter().map(|text| line(json!({"role": "assistant", "content": "", "thinking": text})));
    let said = said.iter().map(|text| line(json!({"role": "assistant", "content": text})));
    let end = json!({"model": "m", "created_at": "2026-01-01T00:00:01Z", "message": {"role": "assistant", "content": ""},
        "done": true, "done_reason": "stop", "prompt_eval_count": 9, "eval_count": 4});
    thoughts.chain(said).chain([end]).map(|line| format!("{line}\n")).collect()
}

fn lines(bytes: &[u8]) -> BTreeMap<String, String> {
    texts_of(bytes, Framing::Lines)
}

#[test]
fn an_untouched_stream_keeps_every_byte() {
    for stream in
        [chat(&["Hm"], &["Hello", " wörld \"x\"\n"]), chat(&[], &["tail sk-"]).replace('\n', "\r\n")]
    {
        let outcome = check(&Ollama::Chat, LINES(), stream.as_bytes());
        assert_eq!(String::from_utf8_lossy(&outcome.bytes), stream);
        assert_eq!(outcome.usage, Some(Usage { input: 9, output: 4, ..Usage::default() }));
        assert!(outcome.complete && outcome.stop.is_none() && outcome.findings.is_empty());
    }
}

#[test]
fn a_value_over_several_lines_is_masked_once() {
    let stream =
        chat(&["it is AKIAQYLP", "MN5HHHFPZAM2"], &["so AKIA", "QYLPMN5HHHFPZAM2", " or [[12", "3]]"]);
    let outcome = check(&Ollama::Chat, LINES(), stream.as_bytes());
    assert_eq!(lines(&outcome.bytes), redacted(lines(stream.as_bytes())));
    assert_eq!(outcome.findings.len(), 3);
    let generated =
        stream.replace("\"message\":{\"content\":", "\"response\":").replace(",\"role\":\"assistant\"}", "");
    let generated: String =
        generated.lines().filter(|line| !line.contains("thinking")).map(|line| format!("{line}\n")).collect();
    let outcome = check(&Ollama::Generate, LINES(), generated.as_bytes());
    assert_eq!(lines(&outcome.bytes)["response"], "so [KEY] or [NUMBER]");
}

#[test]
fn thoughts_that_might_go_on_hold_no_answer_back() {
    let stream = chat(&["perhaps AKIAQYLP"], &["Hello"]);
    let part = &stream[..stream.rfind("{\"created_at\"").or(stream.rfind("{\"")).expect("a line")];
    let mut machine = ReplyStream::new(Arc::clone(&ENGINE), &Ollama::Chat, LINES());
    let mut out = Vec::new();
    machine.push(Bytes::copy_from_slice(part.as_bytes()), &mut out);
    assert_eq!(machine.held(), 0);
}

#[test]
fn arguments_of_calls_are_judged() {
    let call = json!({"model": "m", "message": {"role": "assistant", "content": "",
        "tool_calls": [{"function": {"name": "find", "arguments": {"deep": [{"key": KEY}]}}}]}, "done": false});
    let outcome = check(&Ollama::Chat, LINES(), format!("{call}\n").as_bytes());
    assert!(String::from_utf8_lossy(&outcome.bytes).contains("\"key\":\"[KEY]\""));
}

#[test]
fn a_stalled_stream_shows_what_is_decided() {
    let stream = chat(&[], &["Hello AKIAQYLP"]);
    let part = &stream[..=stream.find('\n').expect("a line")];
    let mut machine = ReplyStream::new(Arc::clone(&ENGINE), &Ollama::Chat, LINES());
    let mut out = Vec::new();
    machine.push(Bytes::copy_from_slice(part.as_bytes()), &mut out);
    assert!(out.is_empty());
    machine.relax(&mut out);
    assert_eq!(lines(&out[0].bytes)["content"], "Hello ");
}

#[test]
fn a_cut_ends_with_a_text_and_an_ordinary_last_line() {
    let stream = chat(&[], &["Hello", " forbidden-1234"]);
    for (dialect, name) in [(&Ollama::Chat, "content"), (&Ollama::Generate, "response")] {
        let mut machine = ReplyStream::new(Arc::clone(&ENGINE), dialect, LINES());
        let mut out = Vec::new();
        machine.push(Bytes::copy_from_slice(stream.as_bytes()), &mut out);
        assert!(matches!(machine.stop(), Some(Stop::Blocked(_))));
        let sent = out.len();
        assert!(machine.cut(Reason::PolicyBlocked, "no", &mut out));
        let ending = documents(&out[sent].bytes, Framing::Lines);
        assert_eq!(lines(&out[sent].bytes)[name], "\n\nno");
        let last = ending.last().expect("a last line");
        assert_eq!(
            (&last["done"], &last["done_reason"], &last["model"]),
            (&json!(true), &json!("stop"), &json!("m"))
        );
    }
    let options = ReplyOptions { cut: CutStyle::Error, ..LINES() };
    let mut machine = ReplyStream::new(Arc::clone(&ENGINE), &Ollama::Chat, options);
    let mut out = Vec::new();
    assert!(machine.cut(Reason::PolicyBlocked, "no", &mut out));
    assert_eq!(&out[0].bytes[..], b"{\"error\":\"no\"}\n");
}
