//! The bench of the inspection engine: speed over many sorts of text, whole and streamed, and what it costs to have.

mod corpus;
mod measure;
mod texts;

use std::process::ExitCode;

use anyhow::Context;
use gateway::inspect::{Engine, RuleSet};

use measure::{Row, row, worked};

/// Bytes of each text, unless `--quick`.
const LENGTH: usize = 3_500_000;
const QUICK: usize = 400_000;
/// Builds of the engine; the least counts.
const STARTS: usize = 3;

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let check = arguments.iter().any(|argument| argument == "--check");
    let only: Vec<&str> = values(&arguments, "--only").collect();
    let mut rules = RuleSet::builtin();
    for file in values(&arguments, "--rules") {
        rules.extend_from_file(file.as_ref()).with_context(|| format!("reading {file}"))?;
    }
    let engine = start_up(&rules)?;
    let length = if quick { QUICK } else { LENGTH };
    let mut texts = texts::all(&rules, length);
    texts.extend(corpus::texts(length));
    println!(
        "\n| text | whole MB/s | streamed MB/s | 560 KB ms | 2 KiB µs | delta p50 ns | p99 ns | held p50 | p99 | state |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    let mut rows = Vec::new();
    for (name, text) in &texts {
        if only.is_empty() || only.contains(&name.as_str()) {
            let row = row(&engine, name, text, if quick { 1 } else { 3 });
            println!("{row}");
            rows.push(row);
        }
    }
    let short: Vec<&Row> = rows.iter().filter(|row| !row.reaches_goals()).collect();
    println!("\n{} of {} texts reach the goals.", rows.len() - short.len(), rows.len());
    Ok(if check && !short.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What stands behind each `--name` of the command line.
fn values<'a>(arguments: &'a [String], name: &'a str) -> impl Iterator<Item = &'a str> {
    arguments.windows(2).filter(move |pair| pair[0] == name).map(|pair| pair[1].as_str())
}

/// Builds the engine and says what that takes.
fn start_up(rules: &RuleSet) -> anyhow::Result<Engine> {
    let timed = |count: usize, work: &mut dyn FnMut() -> anyhow::Result<()>| -> anyhow::Result<f64> {
        let mut least = f64::INFINITY;
        for _ in 0..count {
            let start = worked();
            work()?;
            least = least.min((worked() - start) * 1e3);
        }
        Ok(least)
    };
    let mut engine = None;
    let read = timed(STARTS, &mut || {
        RuleSet::builtin();
        Ok(())
    })?;
    let built = timed(STARTS, &mut || {
        engine = Some(Engine::build(rules, true, &[7; 32]).context("building the engine")?);
        Ok(())
    })?;
    let engine = engine.context("the engine was built at least once")?;
    println!(
        "{} rules: read in {read:.0} ms, compiled in {built:.0} ms, {} KiB of automata and tables",
        engine.rules().len(),
        engine.memory() >> 10
    );
    Ok(engine)
}
