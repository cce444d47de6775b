//! Streams with tokens: whatever the split, the client gets the values, and nothing waits that is no token.

use serde_json::json;

use super::*;
use crate::inspect::tokens::{Bounds, MOST_BYTES, Vault};
use crate::inspect::{RuleIndex, Tokens};

const MAIL: &str = "tom@example.org";
/// A value that has to be escaped wherever it stands in JSON.
const NAME: &str = "Zo\u{eb} \"Z\"\n\t\\ O'Neil \u{1F600}";

/// The rule called `test-number`, which stands for the one that found the values.
const NUMBER: RuleIndex = RuleIndex(2);

static TOKENS: LazyLock<Tokens> = LazyLock::new(|| {
    let bounds = Bounds { entries: 100, bytes: MOST_BYTES, ttl: 1000 };
    Tokens::new(&Arc::new(Vault::new(&[3; 32], bounds, [], Box::new(|_| ()))), "app", None, 0)
});

/// The tokens of [`MAIL`] and [`NAME`].
fn both() -> [String; 2] {
    [MAIL, NAME].map(token)
}

/// The token of a value that a rule found in a request.
fn token(value: &str) -> String {
    TOKENS.token(&ENGINE, NUMBER, value.as_bytes()).expect("a token")
}

/// Texts with tokens and with what is none: adjacent, doubled brackets, unknown, cut off at the end.
fn examples() -> Vec<String> {
    let [a, b] = both();
    vec![
        format!("write to {a}{b}, not [x] [NOTE] [TEST_NUMBER_REDACTED]"),
        format!("[[{a}] [TEST_NUMBER_0123456789] [A{b}"),
        format!("{a} and {}", &b[..7]),
        format!("nothing [at] all [{a}"),
    ]
}

fn in_text(text: &str) -> String {
    let [a, b] = both();
    text.replace(&a, MAIL).replace(&b, NAME)
}

/// In JSON text a value is escaped.
fn in_json(text: &str) -> String {
    let [a, b] = both();
    let name = serde_json::to_string(NAME).expect("a string");
    text.replace(&a, MAIL).replace(&b, &name[1..name.len() - 1])
}

fn machine(dialect: &'static dyn Dialect, options: ReplyOptions) -> ReplyStream {
    ReplyStream::new(Arc::clone(&ENGINE), dialect, options).restoring(Some(TOKENS.clone()))
}

fn restored(dialect: &'static dyn Dialect, options: ReplyOptions, chunks: &[&[u8]]) -> Vec<u8> {
    let (mut machine, mut out) = (machine(dialect, options), Vec::new());
    chunks.iter().for_each(|chunk| machine.push(Bytes::copy_from_slice(chunk), &mut out));
    machine.finish(&mut out);
    assert_eq!((machine.stop(), machine.held()), (None, 0));
    out.iter().flat_map(|released| released.bytes.to_vec()).collect()
}

/// Checks that a stream, however it is split, becomes one whose texts are these.
fn check_texts(dialect: &'static dyn Dialect, stream: &str, wanted: &BTreeMap<String, String>) {
    let options = ReplyOptions::default();
    let bytes = stream.as_bytes();
    let whole = restored(dialect, options, &[bytes]);
    assert_eq!(&texts(&whole), wanted, "{}", String::from_utf8_lossy(&whole));
    assert_eq!(restored(dialect, options, &bytes.chunks(1).collect::<Vec<_>>()), whole, "byte by byte");
    for at in 1..bytes.len() {
        assert_eq!(restored(dialect, options, &[&bytes[..at], &bytes[at..]]), whole, "split at {at}");
    }
}

/// `text` in deltas: whole, in two at each place, character by character.
fn cuts(text: &str) -> Vec<Vec<&str>> {
    let inside = (1..text.len()).filter(|at| text.is_char_boundary(*at));
    let mut all: Vec<Vec<&str>> = inside.map(|at| vec![&text[..at], &text[at..]]).collect();
    all.push(vec![text]);
    all.push(text.split_inclusive(|_| true).collect());
    all
}

/// Checks every example in every cut; `stream` writes one, JSON text where `json`, and `wanted` changes its texts.
fn check_all(dialect: &'static dyn Dialect, json: bool, stream: impl Fn(&[&str]) -> String) {
    for (example, splits) in examples().into_iter().zip([true, false, false, false]) {
        let text = if json { format!("{{\"to\": \"{example}\"}}") } else { example };
        let change = if json { in_json } else { in_text };
        for (number, cut) in cuts(&text).iter().enumerate() {
            let stream = stream(cut);
            let wanted = texts(stream.as_bytes()).into_iter().map(|(at, text)| (at, change(&text))).collect();
            // Every cut into deltas, and of one stream every split of its bytes.
            if splits && number == text.len() / 2 {
                check_texts(dialect, &stream, &wanted);
            } else {
                let out = restored(dialect, ReplyOptions::default(), &[stream.as_bytes()]);
                assert_eq!(texts(&out), wanted, "{stream}");
            }
        }
    }
}

fn anthropic(kind: &str, field: &str, deltas: &[&str]) -> String {
    let mut events = vec![
        json!({"type": "message_start", "message": {"id": "m", "model": "claude", "content": [], "usage": {"input_tokens": 3}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
    ];
    let delta = |text: &&str| json!({"type": "content_block_delta", "index": 0, "delta": {"type": kind, field: text}});
    events.extend(deltas.iter().map(delta));
    events.push(json!({"type": "content_block_stop", "index": 0}));
    events.push(
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}}),
    );
    events.push(json!({"type": "message_stop"}));
    let write =
        |event: &Value| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().expect("a type"));
    events.iter().map(write).collect()
}

/// An OpenAI stream whose deltas are the arguments of one tool call.
fn openai_call(deltas: &[&str]) -> String {
    let chunk = |text: &&str| {
        let call = json!({"index": 0, "function": {"arguments": text}});
        format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}))
    };
    let end = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]});
    deltas.iter().map(chunk).collect::<String>() + &format!("data: {end}\n\ndata: [DONE]\n\n")
}

#[test]
fn openai_chat() {
    let choice = |deltas: &[&str]| openai(&deltas.iter().map(|text| (0, *text)).collect::<Vec<_>>());
    check_all(&OpenAiChat, false, choice);
    check_all(&OpenAiChat, true, openai_call);
}

#[test]
fn anthropic_messages() {
    check_all(&Anthropic, false, |deltas| anthropic("text_delta", "text", deltas));
    check_all(&Anthropic, true, |deltas| anthropic("input_json_delta", "partial_json", deltas));
}

#[test]
fn openai_responses() {
    check_all(&OpenAiResponses, false, |deltas| responses::stream(&["hm"], deltas, &["{}"]));
    check_all(&OpenAiResponses, true, |deltas| responses::stream(&["hm"], &["hi"], deltas));
}

#[test]
fn gemini() {
    check_all(&Gemini::Bare, false, |deltas| gemini::sse(&gemini::chunks(&["hm"], deltas)));
    // Arguments of a call are an object of the chunk.
    let [a, b] = both();
    let call = |to: String| json!({"functionCall": {"name": "f", "args": {"to": to, "n": [1]}}});
    let stream = gemini::sse(&[gemini::chunk(call(format!("{a}, {b}")), Some("STOP"))]);
    let out = restored(&Gemini::Bare, ReplyOptions::default(), &[stream.as_bytes()]);
    let expected = gemini::sse(&[gemini::chunk(call(format!("{MAIL}, {NAME}")), Some("STOP"))]);
    assert_eq!(String::from_utf8_lossy(&out), expected);
}

#[test]
fn signed_thinking_keeps_its_tokens() {
    let [a, _] = both();
    let stream = anthropic("thinking_delta", "thinking", &["ask ", &a, " first"]);
    assert_eq!(restored(&Anthropic, ReplyOptions::default(), &[stream.as_bytes()]), stream.as_bytes());
}

#[test]
fn nothing_waits_that_is_no_token() {
    let [a, _] = both();
    let delta =
        |text: &str| format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": {"content": text}}]}));
    let mut machine = machine(&OpenAiChat, ReplyOptions::default());
    let mut held = |text: &str| {
        let mut out = Vec::new();
        machine.push(Bytes::from(delta(text)), &mut out);
        machine.held()
    };
    for text in ["Hello ", "world (see 1", ") ] NOTE", "A_B"] {
        assert_eq!(held(text), 0, "{text}");
    }
    assert_eq!(held("list["), delta("list[").len());
    assert_eq!(held("0] "), 0, "the next character shows that it is none");
    assert!(held("[TEST_NUM") > 0 && held("BER_") > 0);
    assert_eq!(held(" [x]"), 0);
    assert!(held(&a[..9]) > 0);
    assert_eq!(held(&a[9..]), 0, "with the bracket it is decided");
    assert_eq!(machine.restored(), 1);
}

#[test]
fn what_the_model_writes_is_judged_before_values_come_back() {
    // The value would be masked, had the model written it itself.
    let value = token(KEY);
    let stream = openai(&[(0, "so "), (0, &value), (0, " or "), (0, KEY)]);
    let out = restored(&OpenAiChat, ReplyOptions::default(), &[stream.as_bytes()]);
    assert_eq!(texts(&out)["choice 0 content"], format!("so {KEY} or [KEY]"));
    let stream = openai(&[(0, &value), (0, " forbidden-1234 "), (0, &value)]);
    let (mut machine, mut out) = (machine(&OpenAiChat, ReplyOptions::default()), Vec::new());
    machine.push(Bytes::from(stream), &mut out);
    assert!(matches!(machine.stop(), Some(Stop::Blocked(_))));
}

#[test]
fn another_principal_gets_no_value() {
    let [a, _] = both();
    let bounds = Bounds { entries: 100, bytes: MOST_BYTES, ttl: 1000 };
    let vault = Arc::new(Vault::new(&[3; 32], bounds, [], Box::new(|_| ())));
    let [own, other] = ["app", "other"].map(|app| Tokens::new(&vault, app, None, 0));
    assert_eq!(own.token(&ENGINE, NUMBER, MAIL.as_bytes()).as_ref(), Some(&a));
    let stream = openai(&[(0, &a)]);
    for (tokens, expected) in [(own, MAIL), (other, a.as_str())] {
        let machine = ReplyStream::new(Arc::clone(&ENGINE), &OpenAiChat, ReplyOptions::default());
        let (mut machine, mut out) = (machine.restoring(Some(tokens)), Vec::new());
        machine.push(Bytes::from(stream.clone()), &mut out);
        machine.finish(&mut out);
        let bytes: Vec<u8> = out.iter().flat_map(|released| released.bytes.to_vec()).collect();
        assert_eq!(texts(&bytes)["choice 0 content"], expected);
    }
}

#[test]
fn raw_bodies_get_what_needs_no_escapes() {
    let [a, b] = both();
    let options = ReplyOptions { framing: None, ..ReplyOptions::default() };
    let key = format!("{a}{KEY}");
    for (text, expected) in [
        (format!("so {a}, {b} [x] {KEY} {a}"), format!("so {MAIL}, {b} [x] [KEY] {MAIL}")),
        (
            format!("{{\"x\": \"{a}\"}}\n{{\"x\": \"{b}\"}}\n"),
            format!("{{\"x\": \"{MAIL}\"}}\n{{\"x\": \"{b}\"}}\n"),
        ),
        (key, format!("{MAIL}[KEY]")),
    ] {
        let bytes = text.as_bytes();
        for at in 0..=bytes.len() {
            let out = restored(&Opaque, options, &[&bytes[..at], &bytes[at..]]);
            assert_eq!(String::from_utf8_lossy(&out), expected, "split at {at}");
        }
    }
}

#[test]
fn what_lies_in_a_token_is_no_finding() {
    let rules = "
rules:
  - {id: loud, category: secret, severity: high, description: capitals, pattern: '[A-Z0-9]{10}', not_after: none,
     examples: [ABCDEFGHJK]}
";
    let mut set = RuleSet::empty();
    set.extend_from_text("test", rules, None).expect("valid rules");
    let engine = Arc::new(Engine::build(&set, true, &[7; 32]).expect("rules compile"));
    let [a, _] = both();
    let text = format!("to {a}, [TEST_NUMBER_ABCDEFGHJK] {a}{}", &a[..a.len() - 1]);
    let cut = format!("[TEST_NUMBER_{}", "[LOUD_REDACTED]");
    let expected = format!("to {MAIL}, [TEST_NUMBER_[LOUD_REDACTED]] {MAIL}{cut}");
    for cut in cuts(&text) {
        let stream = openai(&cut.iter().map(|text| (0, *text)).collect::<Vec<_>>());
        let machine = ReplyStream::new(Arc::clone(&engine), &OpenAiChat, ReplyOptions::default());
        let (mut machine, mut out) = (machine.restoring(Some(TOKENS.clone())), Vec::new());
        machine.push(Bytes::from(stream), &mut out);
        machine.finish(&mut out);
        let bytes: Vec<u8> = out.iter().flat_map(|released| released.bytes.to_vec()).collect();
        assert_eq!(texts(&bytes)["choice 0 content"], expected, "{cut:?}");
        assert_eq!(machine.findings().len(), 2);
    }
}
