//! Recorded streams of the corpus, where `GATEWAY_CORPUS` names it: untouched they pass byte for byte, planted values never.

use std::path::{Path, PathBuf};

use super::*;
use crate::wire::dialects::bedrock::{converse::Converse, invoke::Invoke};
use crate::wire::dialects::cohere::Cohere;
use crate::wire::dialects::ollama::Ollama;

/// How thoroughly streams are cut.
#[derive(Clone, Copy)]
struct Cuts {
    /// The longest streams that are cut in two at every place, in bytes.
    every: usize,
    /// How often every stream is cut at random places.
    random: usize,
}

/// What takes seconds.
const SOME: Cuts = Cuts { every: 512, random: 3 };

/// What takes minutes in a build for release.
const ALL: Cuts = Cuts { every: 4096, random: 1000 };

/// The corpus's folders with streams.
const FAMILIES: &[&str] =
    &["openai_chat", "openai_responses", "anthropic_messages", "gemini", "ollama", "bedrock", "cohere"];

/// A recorded stream.
struct Case {
    folder: PathBuf,
    dialect: &'static dyn Dialect,
    framing: Framing,
    stream: Vec<u8>,
}

impl Case {
    /// The case in this folder, if it is a stream.
    fn read(folder: PathBuf) -> Option<Case> {
        let files = [("sse", Framing::Events), ("ndjson", Framing::Lines), ("eventstream", Framing::Frames)];
        let (name, framing) =
            files.into_iter().find(|(name, _)| folder.join(format!("response.{name}")).exists())?;
        let stream = std::fs::read(folder.join(format!("response.{name}"))).expect("readable");
        let meta: Value = json(&folder.join("meta.json"))?;
        let text = |name: &str| meta[name].as_str().unwrap_or_default().to_owned();
        let dialect = dialect(&text("family"), &text("operation"))?;
        Some(Case { folder, dialect, framing, stream })
    }

    fn run(&self, chunks: &[&[u8]]) -> Outcome {
        let options = ReplyOptions { framing: Some(self.framing), ..ReplyOptions::default() };
        run(&ENGINE, self.dialect, options, chunks)
    }

    /// Runs it whole and cut, each time with the same outcome, which is returned.
    fn check(&self, cuts: Cuts) -> Outcome {
        let (stream, whole) = (&self.stream[..], self.run(&[&self.stream]));
        if stream.len() <= cuts.every {
            for at in 1..stream.len() {
                assert_eq!(
                    self.run(&[&stream[..at], &stream[at..]]),
                    whole,
                    "{} at {at}",
                    self.folder.display()
                );
            }
        }
        for seed in 0..cuts.random {
            assert_eq!(self.run(&pieces(stream, seed)), whole, "{} cut {seed}", self.folder.display());
        }
        whole
    }
}

fn dialect(family: &str, operation: &str) -> Option<&'static dyn Dialect> {
    Some(match (family, operation) {
        ("openai_chat", _) => &OpenAiChat,
        ("openai_responses", _) => &OpenAiResponses,
        ("anthropic_messages", _) => &Anthropic,
        ("gemini", "interactions") => &Opaque,
        ("gemini", _) => &Gemini::Bare,
        ("ollama", "chat") => &Ollama::Chat,
        ("ollama", _) => &Ollama::Generate,
        ("bedrock", "converse-stream") => &Converse,
        ("bedrock", _) => &Invoke,
        ("cohere", "v1_chat") => &Cohere::V1,
        ("cohere", _) => &Cohere::V2,
        _ => return None,
    })
}

fn json(file: &Path) -> Option<Value> {
    let text = std::fs::read(file).ok()?;
    Some(serde_json::from_slice(&text).expect("JSON"))
}

/// The streams of a family, where there is a corpus.
fn corpus(set: &str, family: &str) -> Vec<Case> {
    let Ok(root) = std::env::var("GATEWAY_CORPUS") else { return Vec::new() };
    let folder = PathBuf::from(root).join(set).join(family);
    let Ok(cases) = std::fs::read_dir(&folder) else { return Vec::new() };
    let mut cases: Vec<PathBuf> = cases.map(|case| case.expect("readable").path()).collect();
    cases.sort();
    let cases: Vec<Case> = cases.into_iter().filter_map(Case::read).collect();
    assert!(!cases.is_empty(), "{} has no streams", folder.display());
    cases
}

/// Cuts a stream at seeded places.
pub fn pieces(stream: &[u8], seed: usize) -> Vec<&[u8]> {
    let (mut rest, mut state, mut pieces) = (stream, seed as u64 * 2 + 1, Vec::new());
    while !rest.is_empty() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (piece, after) = rest.split_at(rest.len().min(1 + (state >> 33) as usize % 700));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

#[test]
fn recorded_streams_pass_byte_for_byte() {
    check_recorded(SOME);
}

#[test]
#[ignore = "takes minutes; for a build for release"]
fn recorded_streams_pass_byte_for_byte_at_every_split() {
    check_recorded(ALL);
    check_planted(ALL);
}

fn check_recorded(cuts: Cuts) {
    for family in FAMILIES {
        for case in corpus("traffic", family) {
            let outcome = case.check(cuts);
            assert!(outcome.stop.is_none(), "{}: {:?}", case.folder.display(), outcome.stop);
            let changed = outcome.findings.iter().any(|found| found.finding.action.enforces());
            assert!(changed || outcome.bytes == case.stream, "{} is changed", case.folder.display());
            if changed {
                println!("{}: {:?}", case.folder.display(), outcome.findings);
            }
            compare_usage(&case, &outcome);
        }
    }
}

/// Compares usage with what an independent decoder found.
fn compare_usage(case: &Case, outcome: &Outcome) {
    let Some(expected) = json(&case.folder.join("expected.json")) else { return };
    let (raw, place) = (&expected["usage_raw"], case.folder.display());
    let number = |name: &str| raw[name].as_u64();
    let Some(usage) = outcome.usage else {
        let none =
            ["completion_tokens", "outputTokens", "eval_count"].iter().all(|name| number(name).is_none());
        return assert!(!case.dialect.is_known() || none, "{place}: no usage");
    };
    if let (Some(prompt), Some(completion)) = (number("prompt_tokens"), number("completion_tokens")) {
        assert_eq!((usage.input + usage.cached_input, usage.output), (prompt, completion), "{place}");
    }
    if let (Some(prompt), Some(said)) = (number("promptTokenCount"), number("candidatesTokenCount")) {
        let expected = (
            prompt + number("toolUsePromptTokenCount").unwrap_or(0),
            said + number("thoughtsTokenCount").unwrap_or(0),
        );
        assert_eq!((usage.input + usage.cached_input, usage.output), expected, "{place}");
    }
    if let (Some(input), Some(output)) = (number("input_tokens"), number("output_tokens")) {
        let apart = ["anthropic", "bedrock_invoke"].contains(&case.dialect.name());
        let cached = if apart { 0 } else { usage.cached_input + usage.cache_write };
        assert_eq!((usage.input + cached, usage.output), (input, output), "{place}");
    }
    if let (Some(input), Some(output)) = (number("inputTokens"), number("outputTokens")) {
        assert_eq!((usage.input, usage.output), (input, output), "{place}");
        let cached = number("cacheReadInputTokens").unwrap_or(0);
        assert_eq!(usage.cached_input, cached, "{place}");
    }
    if let (Some(input), Some(output)) = (number("prompt_eval_count"), number("eval_count")) {
        assert_eq!((usage.input, usage.output), (input, output), "{place}");
    }
}

#[test]
fn planted_values_never_leave() {
    check_planted(SOME);
}

fn check_planted(cuts: Cuts) {
    let (mut planted, mut masked) = (0, 0);
    for family in FAMILIES.iter().filter(|family| **family != "cohere") {
        for case in corpus("traffic_spliced", family) {
            let outcome = case.check(cuts);
            let before = texts_of(&case.stream, case.framing);
            assert!(!before.is_empty(), "{}", case.folder.display());
            assert_eq!(texts_of(&outcome.bytes, case.framing), redacted(before), "{}", case.folder.display());
            planted += 1;
            masked += usize::from(outcome.findings.iter().any(|found| found.finding.action.enforces()));
        }
    }
    println!("{masked} of {planted} planted streams hold something that replies are redacted for");
}
