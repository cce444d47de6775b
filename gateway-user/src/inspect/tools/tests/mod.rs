//! Tests of the tool policy: every evasion that is known, and what honest calls look like.

mod addresses;
mod answers;
mod histories;
mod paths;
mod scripts;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::policy::Called;
use super::*;
use crate::config::{ArgumentRule, Config, Mode, Refused, ToolPolicy};

/// A file system of links: each name with where it leads.
#[derive(Debug, Default)]
struct Links(HashMap<PathBuf, PathBuf>);

impl Disk for Links {
    fn resolve(&self, path: &Path) -> Option<PathBuf> {
        let link = path.ancestors().find_map(|part| Some((part, self.0.get(part)?)));
        Some(
            link.map_or_else(
                || path.to_owned(),
                |(part, to)| to.join(path.strip_prefix(part).expect("a part")),
            ),
        )
    }
}

/// A configuration with these policies and the sandbox `/work/app`.
fn config(policies: &[ToolPolicy]) -> Config {
    let mut config = Config::built_in();
    config.mode = Mode::Strict;
    config.tools.policies = policies.to_vec();
    config.tools.sandbox = vec!["/work/app".into()];
    config
}

fn policy(config: &Config) -> Arc<Policy> {
    let links = [("/work/app/out", "/etc"), ("/work/app/in", "/work/app/src")];
    let links = links.map(|(from, to)| (PathBuf::from(from), PathBuf::from(to)));
    Arc::new(Policy::new(config, Arc::new(Links(links.into())), &[7; 32]).expect("it compiles"))
}

/// The verdict on a call with arguments in JSON.
fn verdict(policy: &Policy, name: &str, arguments: &str) -> Option<Because> {
    policy.judge(&Called { name, arguments: arguments.as_bytes(), json: true, by_provider: false })
}

#[test]
fn names_are_allowed_and_denied() {
    let check = |allow: &[&str], deny: &[&str], name: &str, expected: Option<Because>| {
        let mut config = config(&[]);
        config.tools.allow = allow.iter().map(|name| (*name).to_owned()).collect();
        config.tools.deny = deny.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(verdict(&policy(&config), name, "{}"), expected, "{allow:?} {deny:?} {name}");
    };
    check(&[], &[], "anything", None);
    check(&["read_*"], &[], "read_file", None);
    check(&["read_*"], &[], "write_file", Some(Because::NotAllowed));
    check(&["*"], &["*delete*"], "db_delete_all", Some(Because::Denied));
    check(&[], &["bash"], "bash", Some(Because::Denied));
    let mut off = config(&[]);
    off.tool_calling.enabled = false;
    assert_eq!(verdict(&policy(&off), "x", "{}"), Some(Because::Disabled));
}

#[test]
fn arguments_are_held_to_their_rules() {
    let mut config = config(&[]);
    let rule = |tool: &str, argument: &str, allow: Option<&str>, deny: Option<&str>| ArgumentRule {
        tool: tool.to_owned(),
        argument: argument.to_owned(),
        allow: allow.map(str::to_owned),
        deny: deny.map(str::to_owned),
    };
    config.tools.arguments = vec![
        rule("query", "sql", Some("^(?i)select "), Some("(?i)into outfile")),
        rule("*", "/options/force", None, Some("^true$")),
    ];
    let policy = policy(&config);
    for (name, arguments, expected) in [
        ("query", r#"{"sql":"SELECT 1"}"#, None),
        ("query", r#"{"sql":"DROP TABLE x"}"#, Some(Because::Argument)),
        ("query", r#"{"deep":[{"sql":"DROP TABLE x"}]}"#, Some(Because::Argument)),
        ("query", r#"{"sql":"select 1","sql":"drop table x"}"#, Some(Because::Argument)),
        ("query", r#"{"sql":"\u0064rop table x"}"#, Some(Because::Argument)),
        ("query", r#"{"sql":"select 1 into outfile 'x'"}"#, Some(Because::Argument)),
        ("query", r#"{"sql":"#, Some(Because::Unreadable)),
        ("other", r#"{"sql":"DROP TABLE x"}"#, None),
        ("other", r#"{"options":{"force":true}}"#, Some(Because::Argument)),
        ("other", r#"{"force":true}"#, None),
        ("other", "", None),
    ] {
        assert_eq!(verdict(&policy, name, arguments), expected, "{name} {arguments}");
    }
}

/// Cheap pseudo-random numbers, the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % most
    }
}

#[test]
fn no_bytes_make_the_checks_fail() {
    let mut config = config(&[ToolPolicy::FsSafe, ToolPolicy::NetSafe, ToolPolicy::ShellSafe]);
    config.tools.refused = Refused::Cut;
    let policy = policy(&config);
    let pieces = [
        "$(",
        ")",
        "`",
        "'",
        "\"",
        "${",
        "}",
        "{",
        ",",
        "<<E\n",
        "<(",
        ">&",
        "|",
        "&",
        ";",
        "\n",
        "\\",
        "$'",
        "\\x",
        "((",
        "..",
        "/",
        "~",
        "%2e",
        "%c0",
        "://",
        "@",
        "[::",
        "]",
        "0x",
        ".",
        ":",
        "é",
        "\u{FF0F}",
        "rm",
        " -rf ",
        "=",
        "for x in",
        " ",
        "find -exec",
        "xargs",
        "sh -c ",
        "a(){",
        "#",
        "*",
        "\u{1F}",
    ];
    let mut dice = Dice(42);
    for _ in 0..20_000 {
        let text: String = (0..dice.below(14)).map(|_| pieces[dice.below(pieces.len())]).collect();
        for key in ["command", "path", "url", "x"] {
            let arguments = serde_json::json!({ key: text }).to_string();
            verdict(&policy, "t", &arguments);
        }
        let bytes: Vec<u8> = (0..dice.below(20)).map(|_| dice.below(256) as u8).collect();
        policy.judge(&Called { name: "t", arguments: &bytes, json: dice.below(2) == 0, by_provider: false });
    }
}

#[test]
fn what_grows_without_end_is_refused_and_not_followed() {
    let policy = policy(&config(&[ToolPolicy::FsSafe, ToolPolicy::NetSafe, ToolPolicy::ShellSafe]));
    let script = |text: String| serde_json::json!({ "command": text }).to_string();
    for text in [
        "$(".repeat(100_000),
        "(".repeat(100_000),
        "{a,b}".repeat(1000),
        "`".repeat(99_999),
        format!("echo {}", "x".repeat(300_000)),
        "true;".repeat(60_000),
        "env ".repeat(50_000),
    ] {
        let start: String = text.chars().take(20).collect();
        assert_eq!(verdict(&policy, "bash", &script(text)), Some(Because::Command), "{start}");
    }
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    assert_eq!(verdict(&policy, "t", &deep), Some(Because::Unreadable));
}
