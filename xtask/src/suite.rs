//! `cargo xtask test`: chooses the stages, runs them one after the other, and reports.

use std::fs;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::builder::PossibleValuesParser;

use crate::install;
use crate::stages::{BUILD, STAGES, Setting, Stage};
use crate::tally::Tally;

/// Which stages run, and how far they go.
#[derive(clap::Args)]
pub struct Options {
    /// Only what answers within minutes: no kernel, client or bench stages.
    #[arg(long)]
    quick: bool,
    /// Only this stage; may be given more than once.
    #[arg(long, value_name = "STAGE", conflicts_with = "quick", value_parser = names())]
    only: Vec<String>,
    /// Also the tests marked `#[ignore]`, which take long.
    #[arg(long)]
    pub all: bool,
    /// Fail when the advisory database cannot be fetched (otherwise that is only reported).
    #[arg(long)]
    pub advisories: bool,
}

/// Runs the chosen stages and ends with the line `N passed, N failed`.
///
/// Every stage runs, whatever happened to those before it. Fails when anything failed.
pub fn run(root: &Path, options: &Options) -> Result<ExitCode> {
    let stages = chosen(options);
    let mut total = Tally::default();
    if let Err(error) =
        install::packages(stages.iter().flat_map(|stage| stage.needs.iter().copied().flatten()))
    {
        report("install", Duration::ZERO, &failure(&error));
        total.add(headed("install", failure(&error)));
    }
    for stage in stages {
        let started = Instant::now();
        announce(stage.name);
        let setting = Setting { root, options, stage: stage.name };
        // The log shows one run; that there was none before is no failure.
        fs::remove_file(setting.log()).ok();
        let tally = (stage.run)(&setting).unwrap_or_else(|error| failure(&error));
        report(stage.name, started.elapsed(), &tally);
        let log = setting.log();
        total.add(headed(&format!("{} (in full: {})", stage.name, log.display()), tally));
    }
    print!("{}", total.failures);
    println!("{} passed, {} failed", total.passed, total.failed);
    Ok(if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(STAGES.iter().map(|stage| stage.name))
}

/// The stages asked for, and the build where one of them runs what it makes.
fn chosen(options: &Options) -> Vec<&'static Stage> {
    let asked = |stage: &&Stage| match options.only.is_empty() {
        true => stage.quick || !options.quick,
        false => options.only.iter().any(|name| name == stage.name),
    };
    let program = STAGES.iter().filter(asked).any(|stage| stage.program);
    STAGES.iter().filter(|stage| asked(stage) || program && stage.name == BUILD).collect()
}

fn failure(error: &anyhow::Error) -> Tally {
    Tally { failed: 1, failures: format!("{error:#}\n"), ..Tally::default() }
}

/// The failure texts under the name of their stage, for the end of the report.
fn headed(name: &str, mut tally: Tally) -> Tally {
    if !tally.failures.is_empty() {
        tally.failures = format!("\n==== {name} ====\n{}\n", tally.failures);
    }
    tally
}

/// Says at a terminal what is running; its result overwrites the line.
fn announce(name: &str) {
    let mut out = std::io::stdout();
    if out.is_terminal() {
        // A terminal that is gone needs no announcement.
        let _ = write!(out, "{name:<10} …\r").and_then(|()| out.flush());
    }
}

fn report(name: &str, took: Duration, tally: &Tally) {
    let verdict = if tally.failed == 0 { "ok" } else { "FAILED" };
    let mut counts = format!("{} passed, {} failed", tally.passed, tally.failed);
    if tally.ignored > 0 {
        counts.push_str(&format!(", {} not run (--all)", tally.ignored));
    }
    println!("{name:<10} {verdict:<6} {:>7.1} s   {counts}", took.as_secs_f64());
    for note in &tally.notes {
        println!("{:>10} {note}", "note:");
    }
}
