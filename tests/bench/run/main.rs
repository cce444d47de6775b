//! The bench: measures the gateway's doors beside a byte relay and nginx in one run, and prints ratios.
//!
//! Path phases put load, proxy and provider on one processor, so that what is added is work and not the waking of
//! another core. Full and paced phases give the proxy a processor of its own. `direct` is measured right before each
//! phase of each row; added figures are differences of such neighbours, and the table shows medians over rounds.

mod goals;
mod phases;
mod processes;
mod relayed;
mod rows;
mod table;

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use gateway::simulate::world;

use phases::Measured;
use processes::Running;
use rows::{Door, Place, Row};

#[derive(Parser)]
#[command(
    name = "cargo xtask bench",
    about = "Measures what the gateway adds, beside a byte relay and nginx"
)]
struct Options {
    /// Short phases and one round: shows that everything runs; the figures are rough.
    #[arg(long)]
    quick: bool,
    /// Rounds; the table shows medians over them.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Length of one timed phase.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Only this row; may be repeated.
    #[arg(long, value_name = "ROW")]
    only: Vec<String>,
    /// Write every figure of every round to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Fail when a row cannot be measured.
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let folder = tempfile::TempDir::new()?;
    let inside = nix::unistd::geteuid().is_root();
    if inside {
        let addresses = [("api.openai.com", Ipv4Addr::new(192, 0, 2, 10)), relayed::HOST];
        world::enter(folder.path(), &addresses)?;
    } else {
        eprintln!("not root: the forward and transparent doors need namespaces and are left out");
    }
    let place = Place::new(folder.path(), inside)?;
    let _provider = place.provider()?;
    let mut results: Vec<(&Row, Vec<Measured>)> = Vec::new();
    let mut failed = Vec::new();
    let wanted = |row: &&Row| options.only.is_empty() || options.only.iter().any(|name| name == row.name);
    for row in rows::ROWS.iter().filter(wanted).filter(|row| inside || !row.needs_root) {
        match measure(&place, row, options) {
            Ok(rounds) => results.push((row, rounds)),
            Err(error) => failed.push(format!("{}: {error:#}", row.name)),
        }
    }
    let mut relayed = Vec::new();
    if inside && (options.only.is_empty() || options.only.iter().any(|name| name == relayed::NAME)) {
        let (rounds, bytes) = if options.quick { (1, 200_000_000) } else { (options.rounds, 4_000_000_000) };
        match relayed::measure(&place, rounds, bytes) {
            Ok(measured) => relayed = measured,
            Err(error) => failed.push(format!("{}: {error:#}", relayed::NAME)),
        }
    }
    place.clean()?;
    println!("{}", table::render(&results));
    println!("{}", goals::render(&results));
    if !relayed.is_empty() {
        println!("{}", relayed::render(&relayed));
    }
    failed.iter().for_each(|failure| println!("not measured: {failure}"));
    if let Some(file) = &options.json {
        let text = serde_json::to_string_pretty(&table::json(&results, &relayed, &failed))?;
        std::fs::write(file, text).with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(if options.check && !failed.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Starts a row's proxy, shows that it passes a whole and a streamed answer, and measures its rounds.
fn measure(place: &Place, row: &Row, options: &Options) -> anyhow::Result<Vec<Measured>> {
    let proxy: Running = place.start(row)?;
    let rounds = if options.quick { 1 } else { options.rounds };
    let seconds = if options.quick { 0.3 } else { options.seconds };
    phases::prove(place, row).with_context(|| format!("it does not pass requests on\n{}", proxy.said()))?;
    let mut measured = Vec::new();
    for _ in 0..rounds {
        let mut round = phases::round(place, row, &proxy, seconds)?;
        if row.door == Door::Transparent {
            round.push(phases::connects(place, options.quick)?);
        }
        measured.push(round);
        eprintln!("-- {} measured", row.name);
    }
    Ok(measured)
}
