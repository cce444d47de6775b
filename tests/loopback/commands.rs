//! What a user gets who asks for something wrong: a message that says what, where and what to do, and an exit code.

use std::{
    net::TcpListener,
    path::Path,
    process::{Command, Output},
};

use gateway_tests::gateway::binary;
use tempfile::TempDir;

fn run(state: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command
        .args(arguments)
        .arg("--state")
        .arg(state.join("state"))
        .env_clear()
        .output()
        .expect("the binary runs")
}

/// Runs a command that must fail: with this code, and with a message that holds all of `said`.
fn check(state: &Path, arguments: &[&str], code: i32, said: &[&str]) {
    let output = run(state, arguments);
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {message}");
    for part in said {
        assert!(message.contains(part), "{arguments:?} does not say {part:?}: {message}");
    }
    assert!(!message.contains("panicked"), "{message}");
}

/// A configuration file with this text, and what `gateway explain` says about it.
fn check_config(text: &str, said: &[&str]) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("gateway.yaml");
    std::fs::write(&file, text).unwrap();
    check(folder.path(), &["explain", "--config", file.to_str().unwrap()], 64, said);
}

#[test]
fn a_wrong_configuration_is_told_with_file_line_and_remedy() {
    check_config("mode: strict\nbudgett: 5\n", &["gateway.yaml:2", "budgett", "budget"]);
    check_config("mode: lenient\n", &["gateway.yaml:1", "lenient", "warn", "strict"]);
    check_config("limits:\n  request_bytes: -3\n", &["gateway.yaml:2", "-3", "size in bytes"]);
    check_config("budget: lots\nfail: ajar\n", &["gateway.yaml:1", "gateway.yaml:2", "lots", "ajar"]);
    check_config(
        "hosts:\n  api.openia.com: relay\n",
        &["gateway.yaml:2", "api.openia.com", "no known LLM host", "did you mean `api.openai.com`"],
    );
    check_config("hosts: {'*.example.org': refuse}\n", &["*.example.org", "no known LLM host"]);
    check_config("mode: [strict\n", &["gateway.yaml"]);
}

#[test]
fn a_missing_configuration_file_is_named() {
    let folder = TempDir::new().unwrap();
    check(
        folder.path(),
        &["explain", "--config", "/nonexistent/gateway.yaml"],
        64,
        &["/nonexistent/gateway.yaml"],
    );
}

#[test]
fn wrong_rules_are_told_with_file_and_rule() {
    let folder = TempDir::new().unwrap();
    let rules = folder.path().join("rules.yaml");
    let config = folder.path().join("gateway.yaml");
    std::fs::write(&config, format!("rules:\n  files: [{}]\n", rules.display())).unwrap();
    let rule = |pattern: &str| {
        format!(
            "rules:\n  - id: mine\n    category: secret\n    severity: high\n    description: Mine.\n    pattern: '{pattern}'\n    examples: ['mine-1']\n"
        )
    };
    let explain = ["explain", "--config", config.to_str().unwrap()];
    for (text, said) in [
        (rule("mine-[0-9"), "mine"),
        (rule("mine-[0-9]+"), "mine"),
        (rule("mine-[a-z]"), "example 1"),
        ("rules:\n  - id: mine\n    colour: red\n".to_owned(), "colour"),
    ] {
        std::fs::write(&rules, &text).unwrap();
        check(folder.path(), &explain, 1, &["rules.yaml", said]);
    }
}

#[test]
fn a_port_in_use_is_told() {
    let folder = TempDir::new().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    check(folder.path(), &["proxy", "--listen", &address], 69, &[&address, "--listen"]);
}

#[test]
fn a_wrong_command_line_is_told() {
    let folder = TempDir::new().unwrap();
    check(folder.path(), &["prxy"], 2, &["proxy"]);
    check(folder.path(), &["proxy", "--budget=-5"], 64, &["budget"]);
    check(folder.path(), &["proxy", "--upstream", "ftp://example.org"], 64, &["ftp://example.org"]);
    check(folder.path(), &["run"], 2, &["CMD"]);
    check(folder.path(), &["attach", "--cgroup", "no-such-cgroup-anywhere"], 1, &["no-such-cgroup-anywhere"]);
    check(folder.path(), &["proxy", "--upstream-ca", "/nonexistent.pem"], 64, &["/nonexistent.pem"]);
}

#[test]
fn asking_before_anything_was_recorded_is_told() {
    let folder = TempDir::new().unwrap();
    for arguments in [&["list"][..], &["show", "01"], &["usage"]] {
        check(folder.path(), arguments, 69, &["nothing is recorded", "--state"]);
    }
    check(folder.path(), &["show", "not/an/id"], 1, &["gateway list"]);
    check(folder.path(), &["trust", "show"], 1, &["gateway trust init"]);
}

#[test]
fn the_ca_is_made_shown_and_kept() {
    let folder = TempDir::new().unwrap();
    let said = |arguments: &[&str]| {
        let output = run(folder.path(), arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let made = said(&["trust", "init"]);
    assert!(made.contains("SHA-256") && made.contains("api.openai.com"), "{made}");
    let exported = said(&["trust", "export"]);
    assert!(exported.starts_with("-----BEGIN CERTIFICATE-----"), "{exported}");
    assert_eq!(said(&["trust", "init"]), made, "a second init keeps the first CA");
    said(&["trust", "init", "--renew"]);
    assert_ne!(said(&["trust", "export"]), exported);
}

#[test]
fn settings_are_explained_with_their_origin() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("gateway.yaml");
    std::fs::write(&file, "budget: 25\n").unwrap();
    let arguments = ["explain", "--json", "--mode", "warn", "--config", file.to_str().unwrap()];
    let output = run(folder.path(), &arguments);
    let explained: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let origin = |key: &str| {
        let settings = explained["settings"].as_array().unwrap();
        let found = settings.iter().find(|setting| setting["key"] == key).unwrap();
        (found["value"].as_str().unwrap().to_owned(), found["origin"].as_str().unwrap().to_owned())
    };
    assert_eq!(origin("mode"), ("warn".to_owned(), "--mode".to_owned()));
    assert!(origin("budget").1.contains("gateway.yaml:1"), "{:?}", origin("budget"));
    assert_eq!(origin("cut").1, "built-in");
    assert_eq!(explained["held"], serde_json::json!([]), "warn mode holds nothing back");
    let rules = explained["rules"].as_array().unwrap();
    let key = rules.iter().find(|rule| rule["rule"] == "aws-access-key-id").expect("every rule is listed");
    assert_eq!((&key["request"], &key["reply"]), (&"warn".into(), &"warn".into()), "{key}");
}
