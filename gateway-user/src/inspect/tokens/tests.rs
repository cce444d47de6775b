//! Tests of the vault, of finding tokens at every split, and of the way there and back.

use std::sync::Mutex;

use super::*;
use crate::inspect::request::{JudgeOptions, judge, judge_reply};
use crate::inspect::{Action, Engine, RuleSet};
use crate::wire::dialects::openai_chat::OpenAiChat;
use crate::wire::escape;
use crate::wire::event::Direction;

const KEY: [u8; 32] = [3; 32];
const BOUNDS: Bounds = Bounds { entries: 100_000, bytes: MOST_BYTES, ttl: 1000 };

fn vault(bounds: Bounds) -> Arc<Vault> {
    Arc::new(Vault::new(&KEY, bounds, [], Box::new(|_| ())))
}

/// The tokens of the app `app` without a credential.
pub fn tokens(app: &str, now: u64) -> Tokens {
    Tokens::new(&vault(BOUNDS), app, None, now)
}

fn given(tokens: &Tokens, rule: &str, value: &str) -> String {
    tokens.vault.token(tokens.owner, rule, value, tokens.now, || true).expect("a token")
}

fn back(tokens: &Tokens, token: &str) -> Option<String> {
    tokens.value(token.as_bytes()).map(|value| value.to_string())
}

#[test]
fn a_token_depends_on_key_principal_rule_and_value_alone() {
    let vault = vault(BOUNDS);
    let of = |app, key, now| Tokens::new(&vault, app, key, now);
    let token = given(&of("app", Some("k"), 0), "email", "tom@example.org");
    assert!(token.starts_with("[EMAIL_") && !token.contains("tom"), "{token}");
    assert_eq!(given(&of("app", Some("k"), 999), "email", "tom@example.org"), token);
    assert_eq!(
        given(&tokens("app", 7), "email", "tom@example.org"),
        given(&of("app", None, 7), "email", "tom@example.org")
    );
    let others = [
        given(&of("app", Some("k"), 0), "phone", "tom@example.org"),
        given(&of("app", Some("k"), 0), "email", "tim@example.org"),
        given(&of("app", Some("l"), 0), "email", "tom@example.org"),
        given(&of("app", None, 0), "email", "tom@example.org"),
        given(&of("ap", Some("pk"), 0), "email", "tom@example.org"),
    ];
    assert!(
        others.iter().all(|other| other[other.len() - 11..] != token[token.len() - 11..]),
        "{others:?} {token}"
    );
    let elsewhere = Arc::new(Vault::new(&[4; 32], BOUNDS, [], Box::new(|_| ())));
    assert_ne!(given(&Tokens::new(&elsewhere, "app", Some("k"), 0), "email", "tom@example.org"), token);
}

#[test]
fn only_the_owner_gets_the_value_and_only_for_the_very_token() {
    let vault = vault(BOUNDS);
    let [own, other] = ["a", "b"].map(|key| Tokens::new(&vault, "app", Some(key), 0));
    let token = given(&own, "email", "tom@example.org");
    assert_eq!(back(&own, &token).as_deref(), Some("tom@example.org"));
    assert_eq!(back(&other, &token), None);
    assert_eq!(back(&own, &token.replace("EMAIL", "PHONE")), None);
    assert_eq!(back(&own, &token.to_lowercase()), None);
    // Whatever a model makes up stands for nothing.
    for number in 0..10_000u64 {
        let invented = form::write("EMAIL", Code(number * 7_919_191));
        assert!(back(&own, &invented).is_none() || invented == token);
    }
}

#[test]
fn many_values_have_tokens_of_their_own() {
    let tokens = tokens("app", 0);
    let value = |number: u32| format!("user{number}@example.org");
    let all: std::collections::HashSet<String> =
        (0..10_000).map(|number| given(&tokens, "email", &value(number))).collect();
    assert_eq!(all.len(), 10_000);
    for number in 0..10_000 {
        assert_eq!(back(&tokens, &given(&tokens, "email", &value(number))), Some(value(number)));
    }
    assert_eq!(tokens.vault.len(), 10_000);
}

#[test]
fn a_token_is_good_for_its_time_after_the_value_was_last_seen() {
    let vault = vault(BOUNDS);
    let at = |now| Tokens::new(&vault, "app", None, now);
    let token = given(&at(0), "email", "tom@example.org");
    assert!(back(&at(1000), &token).is_some(), "and that renews it");
    assert!(back(&at(2000), &token).is_some());
    assert_eq!(back(&at(3001), &token), None);
    assert_eq!(given(&at(3001), "email", "tom@example.org"), token, "it comes back with its value");
    assert!(back(&at(3001), &token).is_some());
}

#[test]
fn what_was_not_seen_for_longest_goes_first() {
    let bounds = Bounds { entries: 3, bytes: 10, ..BOUNDS };
    let vault = vault(bounds);
    let tokens = Tokens::new(&vault, "app", None, 0);
    let [a, b, c] = ["aa", "bb", "cc"].map(|value| given(&tokens, "rule", value));
    assert!(back(&tokens, &a).is_some());
    let d = given(&tokens, "rule", "dd");
    assert_eq!([&a, &b, &c, &d].map(|token| back(&tokens, token).is_some()), [true, false, true, true]);
    // Bytes count as well.
    let long = given(&tokens, "rule", "eightbyt");
    assert_eq!([&a, &c, &d, &long].map(|token| back(&tokens, token).is_some()), [false, false, true, true]);
    let long = "x".repeat(MAX_VALUE + 1);
    assert_eq!(vault.token(tokens.owner, "rule", &long, 0, || true), None);
}

#[test]
fn what_was_written_down_makes_the_same_vault() {
    let written: Arc<Mutex<std::collections::BTreeMap<Place, Kept>>> = Arc::default();
    let note = Arc::clone(&written);
    let on_change = move |(place, kept): Change| {
        let mut written = note.lock().unwrap();
        match kept {
            Some(kept) => drop(written.insert(place, kept)),
            None => drop(written.remove(&place)),
        }
    };
    let bounds = Bounds { entries: 2, ..BOUNDS };
    let vault = Arc::new(Vault::new(&KEY, bounds, [], Box::new(on_change)));
    let at = |now| Tokens::new(&vault, "app", None, now);
    let [a, b, c] = [(1, "aa"), (2, "bb"), (3, "cc")].map(|(now, value)| given(&at(now), "rule", value));
    assert!(back(&at(900), &b).is_some(), "a use long after is written down, too");
    let written = written.lock().unwrap().clone();
    let seen: Vec<(&str, u64)> = written.values().map(|kept| (&*kept.value, kept.seen)).collect();
    assert!(seen.len() == 2 && seen.contains(&("bb", 900)) && seen.contains(&("cc", 3)), "{seen:?}");
    let again = Arc::new(Vault::new(&KEY, bounds, written, Box::new(|_| ())));
    let tokens = Tokens::new(&again, "app", None, 901);
    let values = [&a, &b, &c].map(|token| back(&tokens, token));
    assert_eq!(values, [None, Some("bb".to_owned()), Some("cc".to_owned())]);
}

#[test]
fn a_code_that_is_taken_leads_to_another() {
    let vault = vault(BOUNDS);
    let tokens = Tokens::new(&vault, "app", None, 0);
    let first = given(&tokens, "rule", "value");
    let (_, code) = form::parse(first.as_bytes()).unwrap();
    let place = Place { owner: tokens.owner, code };
    let taken = Kept { rule: "rule".into(), value: "of another".into(), seen: 0, standing: Standing::Alone };
    let vault = Arc::new(Vault::new(&KEY, BOUNDS, [(place, taken)], Box::new(|_| ())));
    let tokens = Tokens::new(&vault, "app", None, 0);
    let second = given(&tokens, "rule", "value");
    assert_ne!(first, second);
    assert_eq!(given(&tokens, "rule", "value"), second);
    assert_eq!(back(&tokens, &first).as_deref(), Some("of another"));
    assert_eq!(back(&tokens, &second).as_deref(), Some("value"));
}

#[test]
fn tokens_are_found_at_every_split_and_nothing_else_is_held() {
    let tokens = tokens("app", 0);
    let (a, b) = (given(&tokens, "email", "tom@example.org"), given(&tokens, "name", "Zo\u{eb} \"Z\"\n"));
    let text =
        format!("x [{a}{b}[[{a}]] [NOTE] [ [A[{b} [EMAIL_REDACTED] [EMAIL_0123456789] \u{dc}{a}{}", &b[..9]);
    let expected = text.replace(&a, "tom@example.org").replace(&b, "Zo\u{eb} \"Z\"\n");
    let bytes = text.as_bytes();
    let run = |pieces: &[&[u8]]| {
        let (mut restorer, mut found) = (Restorer::new(tokens.clone(), false), Vec::new());
        for piece in pieces {
            restorer.push(piece, &mut found);
        }
        let mut out = text.clone();
        for restored in found.iter().rev() {
            out.replace_range(restored.start as usize..restored.end as usize, &restored.value);
        }
        assert_eq!(restorer.frontier(), (bytes.len() - 9) as u64, "a token cut off at the end");
        out
    };
    for first in 0..=bytes.len() {
        for second in first..=bytes.len() {
            assert_eq!(run(&[&bytes[..first], &bytes[first..second], &bytes[second..]]), expected);
        }
    }
    // What is held is what a token may still begin with.
    let mut restorer = Restorer::new(tokens.clone(), false);
    for at in 0..bytes.len() {
        restorer.push(&bytes[at..=at], &mut Vec::new());
        let held = &bytes[restorer.frontier() as usize..=at];
        let longest = (0..=at).find(|from| bytes[*from] == b'[' && form::may_begin(&bytes[*from..=at]));
        assert_eq!(held, longest.map_or(&b""[..], |from| &bytes[from..=at]));
        assert!(held.len() < MAX_TOKEN);
    }
    // Where nobody knows how to escape, only what needs no escapes is given back.
    let (mut plain, mut found) = (Restorer::new(tokens, true), Vec::new());
    plain.push(bytes, &mut found);
    assert!(found.len() == 3 && found.iter().all(|restored| &*restored.value == "tom@example.org"));
}

const RULES: &str = r#"
rules:
  - {id: email, category: pii, severity: low, description: an address, pattern: '[a-z]{1,20}@[a-z]{1,20}\.org',
     action: {request: tokenize, reply: allow}, examples: [tom@example.org]}
  - {id: quoted, category: pii, severity: low, description: a stretch, pattern: '<<[ -;=?-~\n\t]{1,40}>>', not_after: none,
     action: {request: tokenize, reply: warn}, examples: ['<<"a" \ b>>']}
  - {id: name, category: dictionary, severity: low, description: a name, words: ['Zoë "Z" O''Neil', '陈大文'],
     action: {request: tokenize, reply: allow}, examples: [陈大文]}
  - {id: number, category: pii, severity: low, description: a number, pattern: '77[0-9]{6}',
     action: {request: tokenize, reply: allow}, examples: ['77123456']}
"#;

fn engine(enforce: bool) -> Engine {
    let mut rules = RuleSet::empty();
    rules.extend_from_text("test", RULES, None).expect("valid rules");
    Engine::build(&rules, enforce, &[7; 32]).expect("rules compile")
}

fn quoted(text: &str) -> String {
    escape::quoted(text)
}

/// A request that holds `text` as a message, and as the argument of a call that the model made earlier.
fn request(text: &str) -> String {
    let arguments = quoted(&format!("{{\"to\": {}}}", quoted(text)));
    format!(
        "{{\"messages\": [{{\"role\": \"user\", \"content\": {}}}, {{\"role\": \"assistant\", \"tool_calls\": \
         [{{\"id\": \"c\", \"function\": {{\"name\": \"f\", \"arguments\": {arguments}}}}}]}}]}}",
        quoted(text)
    )
}

/// An answer that repeats what the provider got.
fn answer(request: &serde_json::Value) -> String {
    let message = serde_json::json!({"role": "assistant", "content": request["messages"][0]["content"],
        "tool_calls": request["messages"][1]["tool_calls"]});
    serde_json::json!({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).to_string()
}

/// Sends `text` to a provider that repeats it; gives what the provider got.
fn there_and_back(engine: &Engine, tokens: &Tokens, text: &str) -> String {
    let body = request(text);
    let judged = judge(
        engine,
        &OpenAiChat,
        body.as_bytes(),
        JudgeOptions { tokens: Some(tokens), ..Default::default() },
    );
    let sent = judged.body.unwrap_or_else(|| body.clone().into_bytes());
    let got: serde_json::Value = serde_json::from_slice(&sent).expect("the provider gets JSON");
    let judged = judge_reply(engine, Some(tokens), &OpenAiChat, answer(&got).as_bytes(), None);
    let back = judged.body.unwrap_or_else(|| answer(&got).into_bytes());
    let back: serde_json::Value = serde_json::from_slice(&back).expect("the client gets JSON");
    let message = &back["choices"][0]["message"];
    assert_eq!(message["content"], text, "provider got {}", String::from_utf8_lossy(&sent));
    let arguments = message["tool_calls"][0]["function"]["arguments"].as_str().expect("a string");
    let arguments: serde_json::Value = serde_json::from_str(arguments).expect("still JSON inside");
    assert_eq!(arguments["to"], text);
    String::from_utf8(sent).expect("UTF-8")
}

#[test]
fn values_leave_as_tokens_and_come_back() {
    let (engine, tokens) = (engine(true), tokens("app", 0));
    for value in [
        "tom@example.org",
        "<<\"a\"\n\\t b\\>>",
        "Zo\u{eb} \"Z\" O'Neil",
        "\u{9648}\u{5927}\u{6587}",
        "77123456",
    ] {
        for text in [value.to_owned(), format!("a {value}, {value}\\ \"{value}\" [x] \u{1F600}")] {
            let sent = there_and_back(&engine, &tokens, &text);
            assert!(!sent.contains(&quoted(value)[1..quoted(value).len() - 1]), "{sent}");
            assert_eq!(sent, there_and_back(&engine, &tokens, &text), "the same bytes each time");
        }
    }
}

#[test]
fn whatever_the_text_it_comes_back() {
    const PARTS: &[&str] = &[
        "tom@example.org",
        "<<\"x\"\n>>",
        "<<a\\u0062\\\\ >>",
        "77123456",
        "[EMAIL_REDACTED]",
        "[EMAIL_",
        "[",
        "]",
        "\\",
        "\"",
        "\n",
        " ",
        "\u{9648}\u{5927}\u{6587}",
        "Zo\u{eb} \"Z\" O'Neil",
        "\u{1F600}",
        "x",
        "\\n",
        "\\\"",
        "@",
        ".org",
        "[NAME_0123456789]",
    ];
    let (engine, tokens) = (engine(true), tokens("app", 0));
    let mut seed = 0x9E37_79B9_7F4A_7C15u64;
    let mut next = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    for _ in 0..3000 {
        let length = next(12);
        let text: String = (0..length).map(|_| PARTS[next(PARTS.len())]).collect();
        there_and_back(&engine, &tokens, &text);
    }
}

#[test]
fn a_number_comes_back_where_it_was_one() {
    let (engine, tokens) = (engine(true), tokens("app", 0));
    let body = "{\"messages\":[{\"role\":\"user\",\"content\":\"x\",\"odd\":{\"n\":77123456}}]}";
    let judged = judge(
        &engine,
        &OpenAiChat,
        body.as_bytes(),
        JudgeOptions { tokens: Some(&tokens), ..Default::default() },
    );
    let token = given(&tokens, "number", "77123456");
    assert_eq!(
        String::from_utf8(judged.body.unwrap()).unwrap(),
        body.replace("77123456", &format!("\"{token}\""))
    );
    assert_eq!(judged.findings[0].finding.action, Action::Tokenize);
}

#[test]
fn without_tokens_a_value_is_masked_and_in_warn_mode_it_stays() {
    let judged =
        judge(&engine(true), &OpenAiChat, request("tom@example.org").as_bytes(), JudgeOptions::default());
    assert!(String::from_utf8(judged.body.unwrap()).unwrap().contains("[EMAIL_REDACTED]"));
    assert_eq!((judged.action, judged.findings[0].finding.action), (Action::Redact, Action::Redact));
    let (warning, tokens) = (engine(false), tokens("app", 0));
    let options = JudgeOptions { tokens: Some(&tokens), ..Default::default() };
    let judged = judge(&warning, &OpenAiChat, request("tom@example.org").as_bytes(), options);
    assert_eq!((judged.action, judged.body), (Action::Warn, None));
    assert!(!warning.tokenizes() && engine(true).tokenizes());
}

#[test]
fn replies_are_not_tokenised() {
    let mut rules = RuleSet::empty();
    let wrong = RULES.replace("reply: warn", "reply: tokenize");
    let error = rules.extend_from_text("test", &wrong, None).unwrap_err().to_string();
    assert!(error.contains("quoted") && error.contains("no use for a token"), "{error}");
    rules.extend_from_text("test", RULES, None).unwrap();
    let error = rules.set_action("pii", Direction::Reply, Action::Tokenize).unwrap_err().to_string();
    assert!(error.contains("is for requests"), "{error}");
}

/// A password is found only by the word before it, and in JSON by its key.
const AROUND: &str = r#"
rules:
  - {id: password, category: secret, severity: high, description: a password, before: 'password[": ]{1,4}',
     pattern: '[a-z]{4,12}[0-9]{2}', not_after: none, action: {request: tokenize, reply: redact},
     examples: ['password: hunter22']}
  - {id: loud, category: secret, severity: high, description: capitals, pattern: '[A-Z0-9]{10}', not_after: none,
     action: {request: redact, reply: redact}, examples: [ABCDEFGHJK]}
"#;

fn around() -> Engine {
    let mut rules = RuleSet::empty();
    rules.extend_from_text("test", AROUND, None).expect("valid rules");
    Engine::build(&rules, true, &[7; 32]).expect("rules compile")
}

/// What the provider gets of a message.
fn sent(engine: &Engine, tokens: &Tokens, text: &str) -> String {
    let body = format!("{{\"messages\":[{{\"role\":\"user\",\"content\":{}}}]}}", quoted(text));
    let options = JudgeOptions { tokens: Some(tokens), ..Default::default() };
    let judged = judge(engine, &OpenAiChat, body.as_bytes(), options);
    let body: serde_json::Value =
        serde_json::from_slice(&judged.body.unwrap_or(body.into_bytes())).expect("JSON");
    body["messages"][0]["content"].as_str().expect("a text").to_owned()
}

#[test]
fn a_value_that_came_back_is_known_wherever_it_stands() {
    let (engine, tokens) = (around(), tokens("app", 0));
    let first = sent(&engine, &tokens, "password: hunter22");
    let token = first.strip_prefix("password: ").expect("the same start").to_owned();
    let elsewhere = "so hunter22, \"hunter22\" and xhunter22 hunter225";
    assert_eq!(sent(&engine, &tokens, elsewhere), elsewhere, "nobody got it back yet");
    assert_eq!(back(&tokens, &token).as_deref(), Some("hunter22"));
    let expected = format!("so {token}, \"{token}\" and xhunter22 hunter225");
    assert_eq!(sent(&engine, &tokens, elsewhere), expected);
    assert_eq!(sent(&engine, &tokens, "password: hunter22"), first, "once, not twice");
    let other = Tokens { owner: tokens.vault.owner("other", None), ..tokens.clone() };
    assert_eq!(sent(&engine, &other, elsewhere), elsewhere);
    let body = request("say hunter22 \"now\"");
    let options = JudgeOptions { tokens: Some(&tokens), ..Default::default() };
    let judged = judge(&engine, &OpenAiChat, body.as_bytes(), options);
    assert_eq!(String::from_utf8(judged.body.unwrap()).unwrap(), request(&format!("say {token} \"now\"")));
    assert_eq!(judged.findings.len(), 2);
}

#[test]
fn a_token_is_no_value_itself() {
    let (engine, tokens) = (around(), tokens("app", 0));
    let token = sent(&engine, &tokens, "password hunter22").replace("password ", "");
    // Its code is ten capitals and digits.
    let text = format!("keep {token} and [PASSWORD_ABCDEFGHJK]");
    assert_eq!(sent(&engine, &tokens, &text), format!("keep {token} and [PASSWORD_[LOUD_REDACTED]]"));
    let reply = answer(&serde_json::json!({"messages": [{"content": text}, {"tool_calls": []}]}));
    let judged = judge_reply(&engine, Some(&tokens), &OpenAiChat, reply.as_bytes(), None);
    let reply = String::from_utf8(judged.body.unwrap()).unwrap();
    assert!(reply.contains("keep hunter22 and [PASSWORD_[LOUD_REDACTED]]"), "{reply}");
    assert_eq!(judged.restored, 1);
}
