//! The engine at the command line: what it finds, what it takes out, and the line protocol.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use gateway_tests::gateway::binary;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Runs a command with this on its standard input.
fn run(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(binary())
        .args(arguments)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("it reads its input");
    child.wait_with_output().expect("it ends")
}

/// Runs a command that ends with this code, and returns what it printed.
fn check(arguments: &[&str], input: &str, code: i32) -> String {
    let output = run(arguments, input);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn a_text_is_told_by_place_and_rule_but_not_by_value() {
    let told = check(&["check", "first line\nmail bob@example.org now"], "", 1);
    assert!(told.starts_with("2:6  email  medium  redact"), "{told}");
    assert!(!told.contains("bob@"), "a pipe is not shown the value: {told}");
    assert!(check(&["check", "nothing here"], "", 0).starts_with("0 found"));
}

#[test]
fn a_file_and_standard_input_are_read() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("notes.txt");
    std::fs::write(&file, "card 4111 1111 1111 1111\n").unwrap();
    let found: Value =
        serde_json::from_str(&check(&["check", "--json", file.to_str().unwrap()], "", 1)).unwrap();
    assert_eq!(found["findings"][0]["rule"], "credit-card");
    assert_eq!((&found["findings"][0]["start"], &found["findings"][0]["end"]), (&json!(5), &json!(24)));
    let masked = check(&["redact"], "张三 4111 1111 1111 1111\nkey sk-proj-short\n", 0);
    assert_eq!(masked, "张三 [CREDIT_CARD_REDACTED]\nkey sk-proj-short\n");
}

#[test]
fn classes_and_rule_files_choose_what_is_looked_for() {
    assert!(check(&["check", "--class", "secret", "bob@example.org"], "", 0).starts_with("0 found"));
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("own.yaml");
    let rule = "rules:\n  - {id: ticket, category: dictionary, severity: low, description: d, pattern: 'TICKET-[0-9]{4}'}\n";
    std::fs::write(&file, rule).unwrap();
    let file = file.to_str().unwrap();
    assert_eq!(check(&["redact", "--rules", file, "see TICKET-1234"], "", 0), "see [TICKET_REDACTED]\n");
    assert!(check(&["rules", "test", file], "", 0).contains("all as they should be"));
}

#[test]
fn lines_are_answered_in_order() {
    let questions = "{\"id\":\"a\",\"text\":\"张 jane@example.com\"}\n\n{\"id\":2,\"text\":\"none\"}\n";
    let answers: Vec<Value> = check(&["check", "--jsonl"], questions, 0)
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(answers.len(), 2);
    let finding = &answers[0]["findings"][0];
    assert_eq!((&answers[0]["id"], &finding["class"]), (&json!("a"), &json!("pii")));
    assert_eq!((&finding["start"], &finding["end"]), (&json!(2), &json!(18)), "code points");
    assert!(answers[0]["took_ns"].is_u64());
    assert_eq!((&answers[1]["id"], &answers[1]["findings"]), (&json!(2), &json!([])));
}

#[test]
fn deltas_come_out_behind_the_holdback() {
    let question = "{\"id\":\"a\",\"deltas\":[\"mail ja\",\"ne@exa\",\"mple.com\"]}\n";
    let answer: Value =
        serde_json::from_str(&check(&["check", "--jsonl", "--stream"], question, 0)).expect("JSON");
    assert_eq!(answer["emitted"], json!(["mail ", "", "", "[EMAIL_REDACTED]"]));
    assert_eq!(answer["held"], json!([2, 8, 16]));
    assert_eq!(answer["push_ns"].as_array().map(Vec::len), Some(3));
}

#[test]
fn what_is_wrong_is_told() {
    let cases: &[(&[&str], &str, i32, &str)] = &[
        (&["check", "--jsonl"], "{\"id\":1}\n", 2, "line 1: `text` is missing"),
        (&["check", "--jsonl", "--stream"], "{\"id\":1,\"text\":\"\"}\n", 2, "line 1: `deltas` is missing"),
        (&["check", "--jsonl"], "{\"id\":1,\"text\":\"\"}\nnonsense\n", 2, "line 2: no question"),
        (&["check", "--class", "secrets", "x"], "", 2, "there are secret, pii"),
        (&["rules", "explain", "emai"], "", 1, "did you mean `email`?"),
        (&["rules", "test", "/nowhere.yaml"], "", 1, "/nowhere.yaml"),
    ];
    for (arguments, input, code, said) in cases {
        let output = run(arguments, input);
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(*code), "{arguments:?}: {message}");
        assert!(message.contains(said), "{arguments:?}: {message}");
    }
}

#[test]
fn a_rule_is_explained() {
    let told = check(&["rules", "explain", "email"], "", 0);
    assert!(told.starts_with("rule:            email\n") && told.contains("[EMAIL_REDACTED]"), "{told}");
    let listed: Value = serde_json::from_str(&check(&["rules", "list", "--json"], "", 0)).expect("JSON");
    assert!(listed.as_array().unwrap().iter().any(|rule| rule["rule"] == "email" && rule["class"] == "pii"));
}
