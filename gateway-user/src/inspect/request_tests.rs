//! Tests of whole bodies: what is masked, what is left alone, what is learned, what the corpus shows.

use std::path::PathBuf;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::*;
use crate::inspect::RuleSet;
use crate::wire::dialects::anthropic::Anthropic;
use crate::wire::dialects::gemini::Gemini;
use crate::wire::dialects::opaque::Opaque;
use crate::wire::dialects::openai_chat::OpenAiChat;
use crate::wire::dialects::openai_responses::OpenAiResponses;
use crate::wire::event::Kind;

const KEY: &str = "AKIAQYLPMN5HHHFPZAM2";

const RULES: &str = "
rules:
  - {id: key, category: secret, severity: high, description: a key, pattern: 'AKIA[A-Z0-9]{16}', mask: '[KEY]',
     examples: ['AKIAQYLPMN5HHHFPZAM2']}
  - {id: card, category: pii, severity: high, description: a card, pattern: '4[0-9]{15}', mask: '[\"CARD\"]',
     examples: ['4111111111111111']}
  - {id: forbidden, category: pii, severity: low, description: a word, pattern: 'forbidden-[0-9]{4}',
     action: {request: block, reply: block}, examples: ['forbidden-1234']}
";

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let mut rules = RuleSet::empty();
    rules.extend_from_text("test", RULES, None).expect("valid rules");
    Engine::build(&rules, true, &[7; 32]).expect("rules compile")
});

/// Judges `body` and checks the body that comes out, and on which kinds of channel something was found.
fn check(dialect: &dyn Dialect, body: &str, expected: Option<&str>, kinds: &[Kind]) -> Judged {
    let judged = judge(&ENGINE, dialect, body.as_bytes(), JudgeOptions::default());
    let out = judged.body.clone().map(|body| String::from_utf8(body).expect("UTF-8"));
    assert_eq!(out.as_deref(), expected, "{body}");
    let found: Vec<Kind> = judged.findings.iter().map(|found| found.channel.kind).collect();
    assert_eq!(found, kinds, "{body}");
    judged
}

#[test]
fn text_of_every_sort_is_judged_where_it_stands() {
    let request =
        |messages: &str| format!("{{ \"model\" : \"gpt\", \"messages\":[{messages}], \"stream\": true}}");
    let message = |role: &str, text: &str| format!("{{\"role\":\"{role}\",\"content\":\"{text}\"}}");
    for (role, kind) in [
        ("system", Kind::System),
        ("user", Kind::User),
        ("assistant", Kind::Assistant),
        ("tool", Kind::ToolResult),
    ] {
        let given = request(&message(role, &format!("a\\n{KEY}\\u00e9")));
        let wanted = request(&message(role, "a\\n[KEY]\\u00e9"));
        check(&OpenAiChat, &given, Some(&wanted), &[kind]);
    }
    check(&OpenAiChat, &request(&message("user", "nothing here")), None, &[]);
    // Content before its role, an escaped field name, an escaped value, an unknown field, a key of an unknown object.
    let key = r"AKIAQYLP\u004dN5HHHFPZAM2";
    let given = request(&format!(
        "{{\"cont\\u0065nt\":\"{key}\",\"role\":\"user\",\"x\":{{\"{KEY}\":[\"{KEY}\"]}}}}"
    ));
    let wanted = request("{\"cont\\u0065nt\":\"[KEY]\",\"role\":\"user\",\"x\":{\"[KEY]\":[\"[KEY]\"]}}");
    check(&OpenAiChat, &given, Some(&wanted), &[Kind::User, Kind::Opaque, Kind::Opaque]);
}

#[test]
fn names_ids_and_payloads_are_no_text() {
    let body = format!(
        "{{\"model\":\"{KEY}\",\"messages\":[{{\"role\":\"user\",\"tool_call_id\":\"{KEY}\",\"content\":[{{\"type\":\"image_url\",\
         \"image_url\":{{\"url\":\"data:image/png;base64,{KEY}\"}}}}]}}]}}"
    );
    let judged = check(&OpenAiChat, &body, None, &[]);
    assert!(judged.payload > 20);
    let source = |kind: &str| {
        format!(
            "{{\"messages\":[{{\"role\":\"user\",\"content\":[{{\"type\":\"document\",\"source\":\
             {{\"data\":\"{KEY}\",\"type\":\"{kind}\"}}}}]}}]}}"
        )
    };
    check(&Anthropic, &source("base64"), None, &[]);
    check(&Anthropic, &source("text"), Some(&source("text").replace(KEY, "[KEY]")), &[Kind::User]);
}

#[test]
fn base64_parts_are_read_where_they_are_text() {
    let file = |url: &str| {
        format!(
            "{{\"messages\":[{{\"role\":\"user\",\"content\":[{{\"type\":\"image_url\",\"image_url\":{{\"url\":\"{url}\"}}}}]}}]}}"
        )
    };
    let source = |data: &str| {
        format!(
            "{{\"messages\":[{{\"role\":\"user\",\"content\":[{{\"type\":\"document\",\"source\":\
             {{\"data\":\"{data}\",\"type\":\"base64\"}}}}]}}]}}"
        )
    };
    let encoded = |text: &str| BASE64_STANDARD.encode(text);
    let data = |text: &str| format!("data:text/plain;base64,{}", encoded(text));
    let text = |key: &str| format!("Größe: ???>>> {key} end");
    let kinds = [Kind::User];
    check(&OpenAiChat, &file(&data(&text(KEY))), Some(&file(&data(&text("[KEY]")))), &kinds);
    check(&Anthropic, &source(&encoded(&text(KEY))), Some(&source(&encoded(&text("[KEY]")))), &kinds);
    // Escaped slashes, as some writers of JSON set them.
    let escaped = encoded(&text(KEY)).replace('/', "\\/");
    check(&Anthropic, &source(&escaped), Some(&source(&encoded(&text("[KEY]")))), &kinds);
    check(&Anthropic, &source(&encoded(&text("nothing"))), None, &[]);
    let blocked = check(&Anthropic, &source(&encoded("forbidden-1234")), None, &kinds);
    assert_eq!(blocked.action, Action::Block);
    let picture: Vec<u8> = [0x89, b'P', b'N', b'G', 0].into_iter().chain(KEY.bytes()).collect();
    check(&Anthropic, &source(&BASE64_STANDARD.encode(picture)), None, &[]);
}

#[test]
fn json_inside_strings_is_judged_too() {
    let arguments = format!("{{\"a\":\"x\\n{KEY}\"}}");
    let body = |arguments: &str| {
        let inner = serde_json::to_string(arguments).expect("a string");
        format!(
            "{{\"messages\":[{{\"role\":\"assistant\",\"tool_calls\":[{{\"id\":\"c\",\"function\":{{\"name\":\"f\",\"arguments\":{inner}}}}}]}}]}}"
        )
    };
    let wanted = body(&arguments.replace(KEY, "[KEY]"));
    check(&OpenAiChat, &body(&arguments), Some(&wanted), &[Kind::ToolArguments]);
    let card = "{\"a\":\"\\u0034111111111111111\"}";
    let judged = judge(&ENGINE, &OpenAiChat, body(card).as_bytes(), JudgeOptions::default());
    let out: Value = serde_json::from_slice(&judged.body.expect("changed")).expect("JSON");
    let arguments = out["messages"][0]["tool_calls"][0]["function"]["arguments"].as_str().expect("a string");
    let arguments: Value = serde_json::from_str(arguments).expect("still JSON inside");
    assert_eq!(arguments["a"], "[\"CARD\"]");
}

#[test]
fn a_number_is_text_where_text_may_be() {
    let given = "{\"messages\":[{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"input\":{\"n\":4111111111111111}}]}]}";
    let wanted = given.replace("4111111111111111", "\"[\\\"CARD\\\"]\"");
    check(&Anthropic, given, Some(&wanted), &[Kind::ToolArguments]);
}

#[test]
fn a_blocked_request_has_no_body() {
    let judged = check(
        &OpenAiChat,
        &format!("{{\"messages\":[{{\"content\":\"{KEY} forbidden-1234\"}}]}}"),
        None,
        &[Kind::User, Kind::User],
    );
    assert_eq!(judged.action, Action::Block);
    let thinking = format!(
        "{{\"messages\":[{{\"role\":\"assistant\",\"content\":[{{\"type\":\"thinking\",\"thinking\":\"{KEY}\"}}]}}]}}"
    );
    assert_eq!(check(&Anthropic, &thinking, None, &[Kind::Thinking]).action, Action::Block);
}

#[test]
fn what_is_no_json_is_judged_as_it_is() {
    let body = format!("{{\"messages\": [\"{KEY}");
    let judged = check(&OpenAiChat, &body, Some("{\"messages\": [\"[KEY]"), &[Kind::Opaque]);
    assert_eq!(judged.broken, Some(JsonError::Truncated));
    let judged = check(&Opaque, &format!("a={KEY}&b=1"), Some("a=[KEY]&b=1"), &[Kind::Opaque]);
    assert_eq!(judged.broken, None);
    assert!(check(&OpenAiChat, "", None, &[]).broken.is_some());
}

#[test]
fn a_request_says_what_it_asks_for() {
    let body = "{\"model\":\"gpt-5\",\"stream\":true,\"max_completion_tokens\":77,\"messages\":[{\"role\":\"user\",\"content\":\"häagen\"}]}";
    let judged = check(&OpenAiChat, body, None, &[]);
    assert_eq!((judged.model.as_deref(), judged.stream, judged.max_tokens), (Some("gpt-5"), true, Some(77)));
    assert_eq!((judged.text, judged.wants_usage, judged.asked_usage), (7, false, false));
}

#[test]
fn usage_is_asked_for_where_the_client_does_not() {
    let check = |body: &str, expected: Option<&str>| {
        let options = JudgeOptions { ask_usage: true, ..JudgeOptions::default() };
        let judged = judge(&ENGINE, &OpenAiChat, body.as_bytes(), options);
        assert_eq!(judged.asked_usage, expected.is_some(), "{body}");
        let out = judged.body.map(|body| String::from_utf8(body).expect("UTF-8"));
        assert_eq!(out.as_deref(), expected, "{body}");
    };
    check(r#"{"stream":false}"#, None);
    check(r#"{"stream":true,"stream_options":{"include_usage":true}}"#, None);
    check(r#"{"stream":true}"#, Some(r#"{"stream_options":{"include_usage":true},"stream":true}"#));
    check(
        r#"{"stream":true,"stream_options":{}}"#,
        Some(r#"{"stream":true,"stream_options":{"include_usage":true}}"#),
    );
    check(
        r#"{"stream":true,"stream_options":null}"#,
        Some(r#"{"stream":true,"stream_options":{"include_usage":true}}"#),
    );
    check(
        r#"{"stream":true,"stream_options":{"include_obfuscation":false}}"#,
        Some(r#"{"stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false}}"#),
    );
    check(
        r#"{"stream":true,"stream_options":{"include_usage":false}}"#,
        Some(r#"{"stream":true,"stream_options":{"include_usage":true}}"#),
    );
}

#[test]
fn a_whole_reply_is_masked_and_counted() {
    let body = format!(
        "{{\"id\":\"{KEY}\",\"model\":\"gpt\",\"choices\":[{{\"index\":0,\"message\":{{\"content\":\"ok\"}},\"logprobs\":{{\"x\":1}}}},\
         {{\"index\":1,\"message\":{{\"content\":\"{KEY}\"}},\"logprobs\":{{\"content\":[{{\"token\":\"{KEY}\"}}]}}}}],\
         \"usage\":{{\"prompt_tokens\":5,\"completion_tokens\":3}}}}"
    );
    let judged = judge_reply(&ENGINE, None, &OpenAiChat, body.as_bytes(), None);
    let out = String::from_utf8(judged.body.expect("changed")).expect("UTF-8");
    let start = body.find("\"message\":{\"content\":\"AKIA").expect("there");
    assert_eq!(out[..start], body[..start]);
    assert!(out.contains("{\"index\":1,\"message\":{\"content\":\"[KEY]\"},\"logprobs\":null}"), "{out}");
    assert_eq!(judged.usage, Some(Usage { input: 5, output: 3, ..Usage::default() }));
    assert_eq!(judged.findings.iter().map(|found| found.channel.choice).collect::<Vec<_>>(), [1]);
}

/// Cutting a body anywhere, or flipping any byte, is never worse than an error.
#[test]
fn damaged_bodies_do_no_harm() {
    let body = format!(
        "\u{FEFF}{{\"messages\":[{{\"role\":\"user\",\"content\":\"\\ud83d\\ude00 {KEY}\\u00\"}}],\"n\":-1.5e3,\"x\":[null,true]}}"
    );
    for at in 0..body.len() {
        let mut bytes = body.clone().into_bytes();
        judge(&ENGINE, &OpenAiChat, &bytes[..at], JudgeOptions::default());
        for byte in [0, b'"', b'\\', b'{', b']', 0xFF] {
            bytes[at] = byte;
            judge(&ENGINE, &Anthropic, &bytes, JudgeOptions { ask_usage: true, ..JudgeOptions::default() });
            judge_reply(&ENGINE, None, &OpenAiChat, &bytes, None);
        }
    }
}

fn corpus() -> Option<PathBuf> {
    std::env::var("GATEWAY_CORPUS").ok().map(PathBuf::from)
}

#[test]
fn planted_values_in_requests_are_found_where_they_stand() {
    let Some(root) = corpus() else { return };
    let engine = Engine::build(&RuleSet::builtin(), true, &[7; 32]).expect("built-in rules compile");
    let rows = std::fs::read_to_string(root.join("requests_spliced/requests.jsonl"))
        .expect("the corpus has requests");
    let (mut planted, mut changed, mut quiet) = (0, 0, 0);
    for row in rows.lines() {
        let row: Value = serde_json::from_str(row).expect("a row");
        let dialect: &dyn Dialect = match row["family"].as_str() {
            Some("openai_chat") => &OpenAiChat,
            Some("openai_responses") => &OpenAiResponses,
            Some("anthropic_messages") => &Anthropic,
            Some("gemini") => &Gemini::Bare,
            _ => &Opaque,
        };
        let body = serde_json::to_vec(&row["request"]).expect("JSON");
        let judged = judge(&engine, dialect, &body, JudgeOptions::default());
        assert!(judged.broken.is_none());
        if let Some(out) = &judged.body {
            serde_json::from_slice::<Value>(out).expect("still JSON");
        }
        match row["sensitive_class"].as_str() {
            Some("secret" | "pii") => {
                planted += 1;
                changed += usize::from(judged.body.is_some());
            }
            _ => quiet += usize::from(judged.body.is_none()),
        }
    }
    println!("{changed} of {planted} planted requests are changed; {quiet} others are left alone");
}

#[test]
fn recorded_bodies_are_read() {
    let Some(root) = corpus() else { return };
    let mut read = 0;
    let families: [(&str, &dyn Dialect); 4] = [
        ("openai_chat", &OpenAiChat),
        ("openai_responses", &OpenAiResponses),
        ("anthropic_messages", &Anthropic),
        ("gemini", &Gemini::Bare),
    ];
    for (family, dialect) in families {
        for case in std::fs::read_dir(root.join("traffic").join(family)).expect("the corpus has traffic") {
            let case = case.expect("readable").path();
            if let Ok(body) = std::fs::read(case.join("request.json")) {
                let judged = judge(&ENGINE, dialect, &body, JudgeOptions::default());
                assert!(judged.broken.is_none() && judged.body.is_none(), "{}", case.display());
                let expected: Value = serde_json::from_slice(&body).expect("JSON");
                assert_eq!(judged.model.as_deref(), expected["model"].as_str(), "{}", case.display());
                read += 1;
            }
            let (Ok(body), Ok(expected)) =
                (std::fs::read(case.join("response.json")), std::fs::read(case.join("expected.json")))
            else {
                continue;
            };
            if body.starts_with(b"[") {
                continue; // A stream as an array: its items are judged one by one.
            }
            let judged = judge_reply(&ENGINE, None, dialect, &body, None);
            assert!(judged.broken.is_none() && judged.body.is_none(), "{}", case.display());
            let expected: Value = serde_json::from_slice(&expected).expect("JSON");
            let usage = judged.usage.unwrap_or_default();
            let raw = &expected["usage_raw"];
            let number = |name: &str| raw[name].as_u64();
            let part = |name: &str| number(name).unwrap_or(0);
            let said =
                number("promptTokenCount").map(|_| part("candidatesTokenCount") + part("thoughtsTokenCount"));
            let output = number("completion_tokens").or(number("output_tokens")).or(said).unwrap_or(0);
            assert_eq!(usage.output, output, "{}", case.display());
        }
    }
    assert!(read > 300);
}
