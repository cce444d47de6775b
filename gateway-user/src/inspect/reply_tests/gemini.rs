//! Streams of Gemini: as events, and as the items of one JSON array.

use std::path::PathBuf;

use serde_json::json;

use super::*;
use crate::wire::event::Kind;

/// Adds the texts of a chunk: each candidate's parts in order, thoughts apart.
pub fn collect(chunk: &Value, texts: &mut BTreeMap<String, String>) {
    for candidate in chunk["candidates"].as_array().into_iter().flatten() {
        for part in candidate["content"]["parts"].as_array().into_iter().flatten() {
            let sort = if part["thought"] == true { "thought" } else { "text" };
            if let Some(text) = part["text"].as_str().filter(|text| !text.is_empty()) {
                let index = candidate["index"].as_u64().unwrap_or(0);
                texts.entry(format!("candidate {index} {sort}")).or_default().push_str(text);
            }
        }
    }
}

pub fn chunk(part: Value, finish: Option<&str>) -> Value {
    let mut candidate = json!({"content": {"parts": [part], "role": "model"}, "index": 0});
    let mut usage = json!({"promptTokenCount": 20, "cachedContentTokenCount": 5, "thoughtsTokenCount": 3});
    if let Some(finish) = finish {
        candidate["finishReason"] = json!(finish);
        usage["candidatesTokenCount"] = json!(7);
    }
    json!({"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini", "responseId": "r1"})
}

pub fn chunks(thoughts: &[&str], text: &[&str]) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    all.extend(thoughts.iter().map(|text| chunk(json!({"text": text, "thought": true}), None)));
    all.extend(text.iter().map(|text| chunk(json!({"text": text}), None)));
    let signed = json!({"text": "", "thoughtSignature": format!("c2ln{KEY}")});
    all.push(chunk(signed, Some("STOP")));
    all
}

pub fn sse(chunks: &[Value]) -> String {
    chunks.iter().map(|chunk| format!("data: {chunk}\r\n\r\n")).collect()
}

fn array(chunks: &[Value]) -> String {
    let items: Vec<String> =
        chunks.iter().map(|chunk| serde_json::to_string_pretty(chunk).expect("JSON")).collect();
    format!("[{}\n]\n", items.join("\n,\r\n"))
}

const ARRAY: fn() -> ReplyOptions =
    || ReplyOptions { framing: Some(Framing::Items), ..ReplyOptions::default() };

/// The texts of an array, which must be sound JSON.
fn items(bytes: &[u8]) -> BTreeMap<String, String> {
    let mut texts = BTreeMap::new();
    let array: Value = serde_json::from_slice(bytes).expect("a JSON array");
    array.as_array().expect("an array").iter().for_each(|chunk| collect(chunk, &mut texts));
    texts
}

#[test]
fn an_untouched_stream_keeps_every_byte() {
    let chunks = chunks(&["**Hm**"], &["Hello", " wörld \"x\"\n"]);
    for (stream, options) in [(sse(&chunks), ReplyOptions::default()), (array(&chunks), ARRAY())] {
        let outcome = check(&Gemini::Bare, options, stream.as_bytes());
        assert_eq!(String::from_utf8_lossy(&outcome.bytes), stream);
        assert_eq!((outcome.deltas, outcome.text), (3, "**Hm**Hello wörld \"x\"\n".len()));
        let usage = Usage { input: 15, cached_input: 5, output: 10, reasoning: 3, ..Usage::default() };
        assert_eq!(outcome.usage, Some(usage));
        assert!(outcome.complete && outcome.stop.is_none() && outcome.findings.is_empty());
    }
}

#[test]
fn a_value_over_several_chunks_is_masked_once() {
    let chunks =
        chunks(&["it is AKIAQYLP", "MN5HHHFPZAM2"], &["so AKIA", "QYLPMN5HHHFPZAM2", " or [[12", "3]]"]);
    let outcome = check(&Gemini::Bare, ReplyOptions::default(), sse(&chunks).as_bytes());
    assert_eq!(texts(&outcome.bytes), redacted(texts(sse(&chunks).as_bytes())));
    let kinds: Vec<Kind> = outcome.findings.iter().map(|found| found.channel.kind).collect();
    assert_eq!(kinds, [Kind::Thinking, Kind::Assistant, Kind::Assistant]);
    assert!(String::from_utf8_lossy(&outcome.bytes).contains(&format!("c2ln{KEY}")), "the signature is kept");
    let outcome = check(&Gemini::Bare, ARRAY(), array(&chunks).as_bytes());
    assert_eq!(items(&outcome.bytes), redacted(items(array(&chunks).as_bytes())));
    assert_eq!(outcome.findings.len(), 3);
}

#[test]
fn thoughts_that_might_go_on_hold_no_answer_back() {
    let stream = sse(&chunks(&["perhaps AKIAQYLP"], &["Hello", " more"]));
    let part = &stream[..stream.find(" more").and_then(|at| stream[..at].rfind("data: ")).expect("a chunk")];
    let outcome = run(&ENGINE, &Gemini::Bare, ReplyOptions::default(), &[part.as_bytes()]);
    let mut machine = ReplyStream::new(Arc::clone(&ENGINE), &Gemini::Bare, ReplyOptions::default());
    let mut out = Vec::new();
    machine.push(Bytes::copy_from_slice(part.as_bytes()), &mut out);
    assert_eq!((machine.held(), outcome.bytes.as_slice()), (0, part.as_bytes()));
}

#[test]
fn a_stalled_stream_shows_what_is_decided() {
    let stream = sse(&chunks(&[], &["Hello AKIAQYLP"]));
    let part = &stream[..stream.find("\r\n\r\n").expect("a chunk") + 4];
    let mut machine = ReplyStream::new(Arc::clone(&ENGINE), &Gemini::Bare, ReplyOptions::default());
    let mut out = Vec::new();
    machine.push(Bytes::copy_from_slice(part.as_bytes()), &mut out);
    assert!(out.is_empty());
    machine.relax(&mut out);
    assert_eq!(texts(&out[0].bytes)["candidate 0 text"], "Hello ");
}

#[test]
fn arguments_of_calls_and_odd_items_are_judged() {
    let call = json!({"functionCall": {"name": "find", "args": {"deep": [{"key": KEY}]}}});
    let outcome = check(&Gemini::Bare, ReplyOptions::default(), sse(&[chunk(call, None)]).as_bytes());
    assert!(String::from_utf8_lossy(&outcome.bytes).contains("\"key\":\"[KEY]\""));
    for odd in [format!("[\"{KEY}\",{{}}]"), format!("{{\"error\":\"{KEY}\"}}"), format!("[{{}}, \"{KEY}\"]")]
    {
        let outcome = check(&Gemini::Bare, ARRAY(), odd.as_bytes());
        assert!(!String::from_utf8_lossy(&outcome.bytes).contains(KEY), "{odd}");
    }
}

/// A chunk of one candidate's text that says it is the last.
fn last(candidate: u16, text: &str) -> Value {
    let mut last = chunk(json!({"text": text}), Some("STOP"));
    last["candidates"][0]["index"] = json!(candidate);
    last
}

#[test]
fn a_value_over_chunks_that_all_say_stop_is_masked() {
    for at in 1..KEY.len() {
        let stream = sse(&[last(0, &KEY[..at]), last(0, &KEY[at..]), last(0, " end")]);
        let outcome = check(&Gemini::Bare, ReplyOptions::default(), stream.as_bytes());
        assert_eq!(texts(&outcome.bytes)["candidate 0 text"], "[KEY] end", "{at}");
        assert!(outcome.complete);
    }
}

#[test]
fn a_cut_after_a_stop_that_was_none_says_why() {
    for (candidate, shown) in [(0, "Hello\n\nno"), (1, "\n\nno")] {
        let chunks = [last(0, "Hello"), last(candidate, " forbidden-1234 more")].map(|chunk| sse(&[chunk]));
        let whole = chunks.concat();
        for pushes in [vec![whole.as_str()], vec![chunks[0].as_str(), chunks[1].as_str()]] {
            let mut machine = ReplyStream::new(Arc::clone(&ENGINE), &Gemini::Bare, ReplyOptions::default());
            let (mut bytes, mut out) = (Vec::new(), Vec::new());
            for part in pushes {
                machine.push(Bytes::copy_from_slice(part.as_bytes()), &mut out);
                out.drain(..).for_each(|released| bytes.extend_from_slice(&released.bytes));
            }
            assert!(matches!(machine.stop(), Some(Stop::Blocked(_))) && !machine.is_complete());
            assert!(machine.cut(Reason::PolicyBlocked, "no", &mut out));
            out.drain(..).for_each(|released| bytes.extend_from_slice(&released.bytes));
            assert_eq!(texts(&bytes)[&format!("candidate {candidate} text")], shown);
        }
    }
}

fn cut(part: &str, options: ReplyOptions) -> Vec<u8> {
    let mut machine = ReplyStream::new(Arc::clone(&ENGINE), &Gemini::Bare, options);
    let mut out = Vec::new();
    machine.push(Bytes::copy_from_slice(part.as_bytes()), &mut out);
    assert!(machine.cut(Reason::BudgetExceeded, "no money left", &mut out));
    assert!(machine.is_complete());
    out.iter().flat_map(|released| released.bytes.to_vec()).collect()
}

#[test]
fn a_cut_ends_with_a_text_and_an_ordinary_finish() {
    let chunks = chunks(&[], &["Hello", " more"]);
    let stream = sse(&chunks);
    let bytes = cut(&stream[..stream.find(" more").expect("a text")], ReplyOptions::default());
    assert_eq!(texts(&bytes)["candidate 0 text"], "Hello\n\nno money left");
    assert!(String::from_utf8_lossy(&bytes).contains("\"finishReason\":\"STOP\""));
    assert!(bytes.ends_with(b"\r\n\r\n"));
    let stream = array(&chunks);
    for part in ["", &stream[..stream.find(" more").expect("a text")]] {
        let said = items(&cut(part, ARRAY()));
        let expected = if part.is_empty() { "\n\nno money left" } else { "Hello\n\nno money left" };
        assert_eq!(said["candidate 0 text"], expected);
    }
}

#[test]
fn a_cut_may_be_an_error() {
    let options = ReplyOptions { cut: CutStyle::Error, ..ARRAY() };
    let array: Value = serde_json::from_slice(&cut("", options)).expect("JSON");
    assert_eq!(array[0]["error"]["code"], 400);
    assert_eq!(array[0]["error"]["status"], "INVALID_ARGUMENT");
}

/// The recorded array streams of the corpus pass byte for byte, at seeded splits.
#[test]
fn recorded_arrays_pass_byte_for_byte() {
    let Ok(root) = std::env::var("GATEWAY_CORPUS") else { return };
    let mut seen = 0;
    for case in std::fs::read_dir(PathBuf::from(root).join("traffic/gemini")).expect("readable") {
        let case = case.expect("readable").path();
        let Ok(stream) = std::fs::read(case.join("response.json")) else { continue };
        if !stream.starts_with(b"[") {
            continue;
        }
        seen += 1;
        for seed in 0..5 {
            let outcome = run(&ENGINE, &Gemini::Bare, ARRAY(), &recorded::pieces(&stream, seed));
            assert_eq!(outcome.bytes, stream, "{}", case.display());
            assert!(outcome.complete && outcome.usage.is_some(), "{}", case.display());
        }
    }
    assert!(seen > 0, "the corpus has no array streams");
}
