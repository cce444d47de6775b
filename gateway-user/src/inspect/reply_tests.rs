//! Tests of streamed replies: at every split the text released is the redacted text, and untouched streams keep
//! every byte.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;

use super::*;
use crate::inspect::{Action, RuleSet, redact};
use crate::wire::dialects::anthropic::Anthropic;
use crate::wire::dialects::gemini::Gemini;
use crate::wire::dialects::opaque::Opaque;
use crate::wire::dialects::openai_chat::OpenAiChat;
use crate::wire::dialects::openai_responses::OpenAiResponses;

#[path = "reply_tests/bedrock.rs"]
mod bedrock;
#[path = "reply_tests/cohere.rs"]
mod cohere;
#[path = "reply_tests/gemini.rs"]
mod gemini;
#[path = "reply_tests/mcp.rs"]
mod mcp;
#[path = "reply_tests/ollama.rs"]
mod ollama;
#[path = "reply_tests/recorded.rs"]
mod recorded;
#[path = "reply_tests/responses.rs"]
mod responses;
#[path = "reply_tests/tokens.rs"]
mod tokens;

const KEY: &str = "AKIAQYLPMN5HHHFPZAM2";

/// A rule that holds words back, for texts in which many deltas wait.
const RULES: &str = "
rules:
  - id: test-key
    category: secret
    severity: high
    description: a key
    pattern: 'AKIA[A-Z0-9]{16}'
    mask: '[KEY]'
    examples: ['AKIAQYLPMN5HHHFPZAM2']
  - id: test-number
    category: pii
    severity: low
    description: a long number in brackets
    pattern: '\\[\\[[0-9]{3,40}\\]\\]'
    not_after: none
    mask: '[NUMBER]'
    action: {request: redact, reply: redact}
    examples: ['[[123]]']
    counter_examples: ['[[12]]']
  - id: test-block
    category: pii
    severity: low
    description: a forbidden word
    pattern: 'forbidden-[0-9]{4}'
    action: {request: block, reply: block}
    examples: ['forbidden-1234']
    counter_examples: ['forbidden-123']
";

static ENGINE: LazyLock<Arc<Engine>> = LazyLock::new(|| engine(true));
static WARNING: LazyLock<Arc<Engine>> = LazyLock::new(|| engine(false));

fn engine(enforce: bool) -> Arc<Engine> {
    let mut rules = RuleSet::empty();
    rules.extend_from_text("test", RULES, None).expect("valid rules");
    Arc::new(Engine::build(&rules, enforce, &[7; 32]).expect("rules compile"))
}

/// What came out of a stream.
#[derive(Debug, PartialEq)]
struct Outcome {
    bytes: Vec<u8>,
    text: usize,
    deltas: u32,
    usage: Option<Usage>,
    findings: Vec<Located>,
    stop: Option<Stop>,
    complete: bool,
}

fn run(
    engine: &Arc<Engine>,
    dialect: &'static dyn Dialect,
    options: ReplyOptions,
    chunks: &[&[u8]],
) -> Outcome {
    let mut stream = ReplyStream::new(Arc::clone(engine), dialect, options);
    let mut out = Vec::new();
    for chunk in chunks {
        stream.push(Bytes::copy_from_slice(chunk), &mut out);
    }
    stream.finish(&mut out);
    Outcome {
        bytes: out.iter().flat_map(|released| released.bytes.to_vec()).collect(),
        text: out.iter().map(|released| released.text_len).sum(),
        deltas: out.iter().map(|released| released.deltas).sum(),
        usage: stream.usage(),
        findings: stream.findings().to_vec(),
        stop: stream.stop(),
        complete: stream.is_complete(),
    }
}

/// Runs a stream whole, byte by byte and at every split in two, checks that the outcome is always the same, and
/// returns it.
fn check(dialect: &'static dyn Dialect, options: ReplyOptions, stream: &[u8]) -> Outcome {
    let run = |chunks: &[&[u8]]| {
        let outcome = run(&ENGINE, dialect, options, chunks);
        // Raw bodies have no deltas of their own: every piece counts as one.
        Outcome { deltas: if options.framing.is_some() { outcome.deltas } else { 0 }, ..outcome }
    };
    let whole = run(&[stream]);
    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(run(&bytes), whole, "byte by byte");
    for at in 1..stream.len() {
        assert_eq!(run(&[&stream[..at], &stream[at..]]), whole, "split at {at}");
    }
    whole
}

/// An OpenAI stream whose deltas are these, on these choices.
fn openai(deltas: &[(u16, &str)]) -> String {
    let mut out = String::new();
    let mut choices: Vec<u16> = deltas.iter().map(|(choice, _)| *choice).collect();
    for (choice, text) in deltas {
        out.push_str(&format!(
            "data: {{\"id\":\"chatcmpl-1\",\"created\":5,\"model\":\"gpt\",\"choices\":[{{\"index\":{choice},\"delta\":{{\"content\":{}}},\
             \"logprobs\":null,\"finish_reason\":null}}],\"obfuscation\":\"x\"}}\n\n",
            serde_json::to_string(text).expect("a string")
        ));
    }
    choices.sort_unstable();
    choices.dedup();
    for choice in choices {
        out.push_str(&format!(
            "data: {{\"id\":\"chatcmpl-1\",\"choices\":[{{\"index\":{choice},\"delta\":{{}},\"finish_reason\":\"stop\"}}]}}\n\n"
        ));
    }
    out.push_str("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4,\"prompt_tokens_details\":{\"cached_tokens\":2}}}\n\n");
    out.push_str("data: [DONE]\n\n");
    out
}

/// The texts of a stream of events by choice or block and field, read independently of the code under test.
fn texts(stream: &[u8]) -> BTreeMap<String, String> {
    texts_of(stream, Framing::Events)
}

/// The same of any stream.
fn texts_of(stream: &[u8], framing: Framing) -> BTreeMap<String, String> {
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    for value in documents(stream, framing) {
        for choice in value["choices"].as_array().into_iter().flatten() {
            let index = &choice["index"];
            collect(&choice["delta"], &format!("choice {index}"), &mut texts);
        }
        if value["type"] == "content_block_delta" {
            collect(&value["delta"], &format!("block {}", value["index"]), &mut texts);
        }
        responses::collect(&value, &mut texts);
        gemini::collect(&value, &mut texts);
        ollama::collect(&value, &mut texts);
        bedrock::collect(&value, &mut texts);
        cohere::collect(&value, &mut texts);
    }
    texts
}

/// The JSON documents of a stream.
fn documents(stream: &[u8], framing: Framing) -> Vec<Value> {
    if framing == Framing::Frames {
        return bedrock::documents(stream);
    }
    let text = String::from_utf8_lossy(stream).replace("\r\n", "\n").replace('\r', "\n");
    let lines = text.lines();
    let datas = lines
        .filter_map(|line| if framing == Framing::Lines { Some(line) } else { line.strip_prefix("data:") });
    datas.filter_map(|data| serde_json::from_str(data).ok()).collect()
}

fn collect(delta: &Value, at: &str, texts: &mut BTreeMap<String, String>) {
    for field in ["content", "refusal", "reasoning", "reasoning_content", "text", "thinking", "partial_json"]
    {
        if let Some(text) = delta[field].as_str().filter(|text| !text.is_empty()) {
            texts.entry(format!("{at} {field}")).or_default().push_str(text);
        }
    }
    for call in delta["tool_calls"].as_array().into_iter().flatten() {
        if let Some(text) = call["function"]["arguments"].as_str().filter(|text| !text.is_empty()) {
            texts.entry(format!("{at} call {}", call["index"])).or_default().push_str(text);
        }
    }
}

/// What `texts` must become: each redacted as one text.
fn redacted(texts: BTreeMap<String, String>) -> BTreeMap<String, String> {
    texts
        .into_iter()
        .map(|(at, text)| (at, redact(&ENGINE, Direction::Reply, &text).0))
        .filter(|(_, text)| !text.is_empty())
        .collect()
}

#[test]
fn an_untouched_stream_keeps_every_byte() {
    let stream = openai(&[(0, "Hello"), (0, " wörld \"quoted\" \u{1F600}"), (0, "\n\ttail sk-")]);
    let outcome = check(&OpenAiChat, ReplyOptions::default(), stream.as_bytes());
    assert_eq!(outcome.bytes, stream.as_bytes());
    assert_eq!(outcome.deltas, 3);
    assert_eq!(outcome.text, "Hello wörld \"quoted\" \u{1F600}\n\ttail sk-".len());
    assert_eq!(outcome.usage, Some(Usage { input: 7, cached_input: 2, output: 4, ..Usage::default() }));
    assert!(outcome.complete && outcome.stop.is_none() && outcome.findings.is_empty());
}

#[test]
fn a_value_over_several_deltas_is_masked_once() {
    let stream = openai(&[(0, "key "), (0, "AKIAQYLP"), (0, "MN5HHHFP"), (0, "ZAM2"), (0, " end")]);
    let outcome = check(&OpenAiChat, ReplyOptions::default(), stream.as_bytes());
    assert_eq!(texts(&outcome.bytes), redacted(texts(stream.as_bytes())));
    assert_eq!(outcome.findings.len(), 1);
    let text = &texts(&outcome.bytes)["choice 0 content"];
    assert!(text.starts_with("key [") && text.ends_with("] end"), "{text}");
}

#[test]
fn interleaved_choices_are_told_apart() {
    let stream =
        openai(&[(0, "AKIAQYLP"), (1, "plain "), (0, "MN5HHHFPZAM2"), (1, "[[12"), (0, "."), (1, "34]]")]);
    let outcome = check(&OpenAiChat, ReplyOptions::default(), stream.as_bytes());
    assert_eq!(texts(&outcome.bytes), redacted(texts(stream.as_bytes())));
    assert_eq!(outcome.findings.len(), 2);
}

#[test]
fn crlf_frames_and_an_unterminated_last_event_are_scanned() {
    let stream = openai(&[(0, "AKIAQYLP"), (0, "MN5HHHFPZAM2")]).replace('\n', "\r\n");
    let outcome = check(&OpenAiChat, ReplyOptions::default(), stream.as_bytes());
    assert_eq!(texts(&outcome.bytes), redacted(texts(stream.as_bytes())));
    let stream = format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{KEY}\"}}}}]}}");
    let outcome = check(&OpenAiChat, ReplyOptions::default(), stream.as_bytes());
    assert!(!String::from_utf8_lossy(&outcome.bytes).contains(KEY));
    let stream = "\u{FEFF}: comment\r\rdata: 1\rdata: 2\r\rid: 3\r\r";
    assert_eq!(check(&OpenAiChat, ReplyOptions::default(), stream.as_bytes()).bytes, stream.as_bytes());
}

#[test]
fn the_extra_usage_chunk_is_taken_out() {
    let stream = openai(&[(0, "Hello")]);
    let options = ReplyOptions { strip_usage: true, ..ReplyOptions::default() };
    let outcome = check(&OpenAiChat, options, stream.as_bytes());
    assert!(!String::from_utf8_lossy(&outcome.bytes).contains("prompt_tokens"));
    assert_eq!(outcome.usage.map(|usage| usage.output), Some(4));
    assert!(outcome.bytes.ends_with(b"data: [DONE]\n\n"));
}

#[test]
fn a_block_stops_before_its_value() {
    let stream = openai(&[(0, "so "), (0, "forbid"), (0, "den-12"), (0, "34"), (0, " more")]);
    let outcome = check(&OpenAiChat, ReplyOptions::default(), stream.as_bytes());
    assert!(matches!(outcome.stop, Some(Stop::Blocked(_))));
    assert_eq!(texts(&outcome.bytes)["choice 0 content"], "so ");
    assert!(!outcome.complete);
}

#[test]
fn warnings_hold_nothing_and_change_nothing() {
    let stream = openai(&[(0, "AKIAQYLPMN5H"), (0, "HHFPZAM2 "), (0, "forbidden-1234")]);
    let outcome = run(&WARNING, &OpenAiChat, ReplyOptions::default(), &[stream.as_bytes()]);
    assert_eq!(outcome.bytes, stream.as_bytes());
    assert_eq!(outcome.findings.len(), 2, "{:?}", outcome.findings);
    assert!(outcome.findings.iter().all(|found| found.finding.action == Action::Warn));
}

#[test]
fn tool_arguments_are_scanned_behind_their_own_escapes() {
    // The value follows an escaped line break of the inner JSON, and is cut inside an inner escape.
    let parts = [r#"{"note":"a\"#, r"nAKIAQYLP\u00", r#"4dN5HHHFPZAM2\n","#, r#""x":1}"#];
    let mut stream = String::new();
    for part in parts {
        stream.push_str(&format!(
            "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":1,\"delta\":{{\"type\":\"input_json_delta\",\"partial_json\":{}}}}}\n\n",
            serde_json::to_string(part).expect("a string")
        ));
    }
    stream.push_str("event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":1}\n\n");
    let outcome = check(&Anthropic, ReplyOptions::default(), stream.as_bytes());
    assert_eq!(outcome.findings.len(), 1);
    let arguments = &texts(&outcome.bytes)["block 1 partial_json"];
    let arguments: Value = serde_json::from_str(arguments).expect("still JSON");
    let note = arguments["note"].as_str().expect("a string");
    assert!(note.starts_with("a\n[") && note.ends_with("]\n"), "{note}");
}

#[test]
fn signed_thinking_is_never_rewritten() {
    let stream = format!(
        "data: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"thinking_delta\",\"thinking\":\"hm {KEY} \"}}}}\n\n"
    );
    let outcome = check(&Anthropic, ReplyOptions::default(), stream.as_bytes());
    assert!(matches!(outcome.stop, Some(Stop::Signed(_))));
    assert!(outcome.bytes.is_empty());
}

#[test]
fn unknown_fields_are_scanned_running_and_alone() {
    let event = |text: &str| {
        format!(
            "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"brand_new\":\"{text}\"}}}}],\"other\":{{\"x\":[\"fixed words\"]}}}}\n\n"
        )
    };
    let stream = [event("AKIAQYLP"), event("MN5HHHFPZAM2"), event(" ")].concat();
    let outcome = check(&OpenAiChat, ReplyOptions::default(), stream.as_bytes());
    assert!(!String::from_utf8_lossy(&outcome.bytes).contains("MN5HHHFPZAM2"));
    let stream = [event(KEY), event(KEY), event(KEY)].concat();
    let outcome = check(&OpenAiChat, ReplyOptions::default(), stream.as_bytes());
    assert!(!String::from_utf8_lossy(&outcome.bytes).contains(KEY));
}

#[test]
fn logprobs_of_changed_text_are_emptied() {
    let event = |text: &str| {
        format!(
            "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}},\"logprobs\":{{\"content\":[{{\"token\":\"{text}\"}}]}}}}]}}\n\n"
        )
    };
    let stream = [event("a "), event("AKIAQYLP"), event("MN5HHHFPZAM2"), event(" b")].concat();
    let outcome = check(&OpenAiChat, ReplyOptions::default(), stream.as_bytes());
    let text = String::from_utf8_lossy(&outcome.bytes).into_owned();
    assert!(!text.contains("AKIAQYLP") && !text.contains("MN5HHHFP"), "{text}");
    assert_eq!(text.matches("\"logprobs\":null").count(), 2);
    assert_eq!(text.matches("\"token\"").count(), 2);
}

#[test]
fn a_raw_body_is_released_up_to_what_is_decided() {
    let body = format!("{{\"a\": \"text\\n{KEY} \\u0041\", \"b\": [1, 2]}}\n{{\"plain\": true}}\n");
    let options = ReplyOptions { framing: None, ..ReplyOptions::default() };
    let outcome = check(&Opaque, options, body.as_bytes());
    let text = String::from_utf8_lossy(&outcome.bytes).into_owned();
    assert!(!text.contains("QYLP"), "{text}");
    assert!(
        text.starts_with("{\"a\": \"text\\n[")
            && text.ends_with("] \\u0041\", \"b\": [1, 2]}\n{\"plain\": true}\n")
    );
}

#[test]
fn an_opaque_event_stream_is_read_field_by_field() {
    let event = |text: &str| {
        format!(
            "event: response.output_text.delta\ndata: {{\"type\":\"response.output_text.delta\",\"item_id\":\"msg_1\",\"delta\":\"{text}\"}}\n\n"
        )
    };
    let stream = [event("my AKIAQYLP"), event("MN5HHHFP"), event("ZAM2 is"), event(" it")].concat();
    let outcome = check(&Opaque, ReplyOptions::default(), stream.as_bytes());
    let text = String::from_utf8_lossy(&outcome.bytes).into_owned();
    assert!(!text.contains("AKIAQYLP") && !text.contains("MN5HHHFP"), "{text}");
    let stream = [event("nothing"), event(" here"), event(" at all")].concat();
    assert_eq!(check(&Opaque, ReplyOptions::default(), stream.as_bytes()).bytes, stream.as_bytes());
}

#[test]
fn what_is_held_is_bounded() {
    let mut deltas = vec![(0, "[["), (0, "1")];
    deltas.extend([(1, "text"); 20]);
    let stream = openai(&deltas);
    let options = ReplyOptions { held_events: 8, ..ReplyOptions::default() };
    let mut machine = ReplyStream::new(Arc::clone(&ENGINE), &OpenAiChat, options);
    let mut out = Vec::new();
    for event in stream.split_inclusive("\n\n") {
        machine.push(Bytes::copy_from_slice(event.as_bytes()), &mut out);
    }
    assert_eq!(machine.stop(), Some(Stop::Held));
    assert!(out.is_empty());
    assert!(machine.held() < 9 * 300);
}

#[test]
fn a_stalled_stream_shows_what_is_decided() {
    let stream = openai(&[(0, "Hello there [[12"), (0, "34]] bye")]);
    let (first, second) = stream.split_at(stream.find("\n\n").expect("an event") + 2);
    let mut machine = ReplyStream::new(Arc::clone(&ENGINE), &OpenAiChat, ReplyOptions::default());
    let mut out = Vec::new();
    machine.push(Bytes::copy_from_slice(first.as_bytes()), &mut out);
    assert!(out.is_empty());
    machine.relax(&mut out);
    let shown = |out: &[Released]| {
        let bytes: Vec<u8> = out.iter().flat_map(|released| released.bytes.to_vec()).collect();
        texts(&bytes)["choice 0 content"].clone()
    };
    assert_eq!(shown(&out), "Hello there ");
    machine.relax(&mut out);
    assert_eq!(out.len(), 1);
    machine.push(Bytes::copy_from_slice(second.as_bytes()), &mut out);
    machine.finish(&mut out);
    assert_eq!(shown(&out), "Hello there [NUMBER] bye");
}

#[test]
fn a_cut_stream_ends_as_its_client_expects() {
    let stream = openai(&[(0, "one"), (1, "two")]);
    let part = stream.split_at(stream.find("\"finish_reason\":\"stop\"").expect("an end")).0;
    let mut machine = ReplyStream::new(Arc::clone(&ENGINE), &OpenAiChat, ReplyOptions::default());
    let mut out = Vec::new();
    machine.push(Bytes::copy_from_slice(part.as_bytes()), &mut out);
    assert!(machine.cut(Reason::BudgetExceeded, "no money left", &mut out));
    let bytes: Vec<u8> = out.iter().flat_map(|released| released.bytes.to_vec()).collect();
    let texts = texts(&bytes);
    assert_eq!(texts["choice 0 content"], "one\n\nno money left");
    assert_eq!(texts["choice 1 content"], "two\n\nno money left");
    assert!(bytes.ends_with(b"data: [DONE]\n\n"));
    assert!(machine.is_complete());
}

#[test]
fn a_cut_ends_what_was_really_sent() {
    let stream = openai(&[(0, "one")]);
    let mut machine = ReplyStream::new(Arc::clone(&ENGINE), &OpenAiChat, ReplyOptions::default());
    let mut out = Vec::new();
    machine.push(Bytes::copy_from_slice(stream.as_bytes()), &mut out);
    assert!(machine.is_complete());
    machine.take_back(0);
    assert!(!machine.is_complete());
    out.clear();
    assert!(machine.cut(Reason::BudgetExceeded, "no money left", &mut out));
    assert_eq!(texts(&out[0].bytes)["choice 0 content"], "\n\nno money left");
    assert!(out[0].bytes.ends_with(b"data: [DONE]\n\n"));
}
