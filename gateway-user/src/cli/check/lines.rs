//! The line protocol of `gateway check --jsonl`: one question a line, one answer a line, in order.
//!
//! A question is `{"id": …, "text": "…"}`; its answer `{"id": …, "findings": [{"start", "end", "type", "class", …}],
//! "took_ns": N}`, offsets in code points. With `--stream` a question is `{"id": …, "deltas": ["…", …]}`; its answer
//! `{"id": …, "emitted": […], "held": […], "push_ns": […]}`: what came out after each delta and at the end, how many
//! code points were held after each, and the time each took inside the engine.

use std::io::{BufRead, Write};
use std::time::Instant;

use serde::Deserialize;
use serde_json::{Value, json};

use super::report::described;
use crate::cli::{Failure, Outcome};
use crate::inspect::{Engine, Running, find};
use crate::wire::event::Direction;

/// Longest question, in bytes.
const LONGEST_LINE: u64 = 256 << 20;

/// A question.
#[derive(Deserialize)]
struct Question {
    id: Value,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    deltas: Option<Vec<String>>,
}

/// Answers until the input ends.
pub fn answer(engine: &Engine, direction: Direction, stream: bool) -> Outcome {
    let mut input = std::io::stdin().lock();
    let mut output = std::io::stdout().lock();
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let length = std::io::Read::take(&mut input, LONGEST_LINE).read_until(b'\n', &mut line)?;
        if length == 0 {
            break;
        }
        if length as u64 == LONGEST_LINE && line.last() != Some(&b'\n') {
            return Err(Failure::command(format!("line {number}: longer than 256 MiB; split it")));
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let wrong = |reason: String| Failure::command(format!("line {number}: {reason}"));
        let question: Question =
            serde_json::from_slice(&line).map_err(|error| wrong(format!("no question: {error}")))?;
        let answer = match (stream, question.text, question.deltas) {
            (false, Some(text), _) => whole(engine, direction, &question.id, &text),
            (true, _, Some(deltas)) => streamed(engine, direction, &question.id, &deltas),
            (false, None, _) => return Err(wrong("`text` is missing (deltas need --stream)".to_owned())),
            (true, _, None) => {
                return Err(wrong("`deltas` is missing (a text needs no --stream)".to_owned()));
            }
        };
        serde_json::to_writer(&mut output, &answer)?;
        output.write_all(b"\n")?;
        output.flush()?;
    }
    Ok(0)
}

fn whole(engine: &Engine, direction: Direction, id: &Value, text: &str) -> Value {
    let started = Instant::now();
    let found = find(engine, direction, text);
    let took = nanoseconds(started);
    json!({ "id": id, "findings": described(engine, text, &found), "took_ns": took })
}

fn streamed(engine: &Engine, direction: Direction, id: &Value, deltas: &[String]) -> Value {
    let mut running = Running::new();
    let mut out = Vec::with_capacity(deltas.len() + 1);
    let (mut held, mut took) = (Vec::with_capacity(deltas.len()), Vec::with_capacity(deltas.len()));
    for delta in deltas {
        let started = Instant::now();
        let emitted = running.push(engine, direction, delta);
        took.push(nanoseconds(started));
        held.push(String::from_utf8_lossy(running.held()).chars().count());
        out.push(emitted);
    }
    out.push(running.finish(engine, direction));
    json!({ "id": id, "emitted": texts(&out), "held": held, "push_ns": took })
}

fn nanoseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Pieces as texts. A character of which only a part has come waits for its rest.
fn texts(pieces: &[Vec<u8>]) -> Vec<String> {
    let mut waiting = Vec::new();
    let one = |piece: &Vec<u8>| {
        waiting.extend_from_slice(piece);
        let whole = match std::str::from_utf8(&waiting) {
            Ok(_) => waiting.len(),
            Err(error) => error.valid_up_to(),
        };
        let rest = waiting.split_off(whole);
        let text = String::from_utf8_lossy(&waiting).into_owned();
        waiting = rest;
        text
    };
    pieces.iter().map(one).collect()
}
