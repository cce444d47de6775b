//! The built-in rules over recorded traffic and published lists of secrets; runs where `GATEWAY_CORPUS` is set.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::tests::{check_pieces, feed, sorted};
use crate::inspect::{Category, Engine, RuleSet, redact};
use crate::wire::event::Direction;

/// The corpus, where there is one. Automated runs must have it.
fn corpus() -> Option<PathBuf> {
    let path = std::env::var_os("GATEWAY_CORPUS").map(PathBuf::from);
    assert!(path.is_some() || std::env::var_os("CI").is_none(), "GATEWAY_CORPUS must be set in CI");
    path
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

fn engine() -> Engine {
    Engine::build(&RuleSet::builtin(), true, &[7; 32]).unwrap_or_else(|errors| panic!("{errors}"))
}

/// Whether a text holds a secret in the eyes of the built-in rules.
fn secret(engine: &Engine, text: &str) -> Option<String> {
    let findings = redact(engine, Direction::Reply, text).1;
    let rules = findings.iter().map(|finding| engine.rule(finding.rule));
    rules.filter(|rule| rule.category == Category::Secret).map(|rule| rule.id.clone()).next()
}

#[test]
fn ids_and_blobs_of_providers_are_no_secrets() {
    let Some(corpus) = corpus() else { return };
    let engine = engine();
    for line in lines(&corpus.join("secrets/hard_negatives_traffic.jsonl")) {
        let text = line["text"].as_str().expect("a text");
        assert_eq!(secret(&engine, text), None, "{}", line["id"]);
    }
}

#[test]
fn published_secrets_are_found() {
    let Some(corpus) = corpus() else { return };
    let engine = engine();
    // Many of these need their context to be told, which a shape cannot give; the rest must not get fewer.
    for (file, least) in [("gitleaks.jsonl", 50), ("noseyparker.jsonl", 35)] {
        let (mut found, mut all, mut missed) = (0, 0, std::collections::BTreeMap::<String, u32>::new());
        for line in lines(&corpus.join("secrets").join(file)) {
            if line["label"] != "positive" {
                continue;
            }
            all += 1;
            match secret(&engine, line["text"].as_str().expect("a text")) {
                Some(_) => found += 1,
                None => *missed.entry(line["rule"].as_str().unwrap_or_default().to_owned()).or_default() += 1,
            }
        }
        println!("{file}: {found} of {all}; not found: {missed:?}");
        assert!(found * 100 >= all * least, "{file}: {found} of {all}");
    }
}

#[test]
fn recorded_answers_are_scanned_alike_at_every_split() {
    let Some(corpus) = corpus() else { return };
    let engine = engine();
    let mut texts = Vec::new();
    for half in ["traffic", "traffic_spliced"] {
        for family in ["openai_chat", "anthropic_messages"] {
            let folder = std::fs::read_dir(corpus.join(half).join(family)).expect("a folder of cases");
            texts.extend(folder.filter_map(|case| answer(&case.expect("a case").path())));
        }
    }
    assert!(texts.len() > 50, "{}", texts.len());
    for text in texts {
        for direction in [Direction::Request, Direction::Reply] {
            let whole = sorted(feed(&engine, direction, &[text.as_bytes()]));
            check_pieces(&engine, direction, text.as_bytes(), &whole);
        }
    }
}

/// The text of a recorded answer, its first 500 bytes or so.
fn answer(case: &Path) -> Option<String> {
    let expected = std::fs::read(case.join("expected.json")).ok()?;
    let expected: Value = serde_json::from_slice(&expected).ok()?;
    let text = expected["choices"][0]["text"].as_str()?;
    let end = (0..=text.len().min(500)).rev().find(|end| text.is_char_boundary(*end))?;
    (end > 0).then(|| text[..end].to_owned())
}
