//! `cargo xtask fuzz`: the fuzz targets under libFuzzer, each for some minutes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

use crate::install::{self, FUZZ};
use crate::run;

/// What to fuzz, and for how long.
#[derive(clap::Args)]
pub struct Options {
    /// Targets; all unless given. Each is a folder of `fuzz/inputs`.
    targets: Vec<String>,
    /// Minutes for each target.
    #[arg(long, default_value_t = 10)]
    minutes: u64,
}

/// Coverage as libFuzzer needs it, and arithmetic that is checked. These flags are stable Rust.
const FLAGS: &[&str] = &[
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cdebug-assertions",
    "-Ccodegen-units=1",
];

/// Longest input in bytes.
const LONGEST: u32 = 4096;

/// An input may take this many seconds; what takes longer is a hang.
const SLOWEST: u32 = 10;

/// Builds the targets and runs them one after the other. What was learned of each stays in `target/fuzz/corpus`; an
/// input that breaks something is written to `target/fuzz/artifacts` and named.
pub fn run(root: &Path, options: &Options) -> Result<ExitCode> {
    install::packages(FUZZ)?;
    let inputs = root.join("fuzz/inputs");
    let known = folders(&inputs)?;
    for target in &options.targets {
        ensure!(known.contains(target), "no fuzz target is called {target}; there are {}", known.join(", "));
    }
    let place = run::target(root).join("fuzz");
    let program = build(root, &place)?;
    let chosen = if options.targets.is_empty() { &known } else { &options.targets };
    let mut broken = Vec::new();
    for target in chosen {
        println!("fuzz  {target}: {} minutes", options.minutes);
        if !fuzz(&program, &place, &inputs.join(target), target, options.minutes)? {
            broken.push(target.as_str());
        }
    }
    match broken[..] {
        [] => println!("{} targets, {} minutes each: nothing broke", chosen.len(), options.minutes),
        _ => println!(
            "broken: {}; the inputs stand in {}",
            broken.join(", "),
            place.join("artifacts").display()
        ),
    }
    Ok(if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn folders(inputs: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(inputs).with_context(|| format!("cannot read {}", inputs.display()))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Builds the program, in a folder of its own because every crate has other flags.
fn build(root: &Path, place: &Path) -> Result<PathBuf> {
    let told = Command::new("rustc").args(["--print", "host-tuple"]).output()?;
    let host = String::from_utf8(told.stdout)?.trim().to_owned();
    let status = Command::new("cargo")
        .args(["build", "--release", "--locked", "--package", "gateway-fuzz", "--features", "libfuzzer"])
        // Where a target is named, the flags leave build scripts alone.
        .args(["--target", &host])
        .arg("--target-dir")
        .arg(place)
        .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}"))
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .current_dir(root)
        .status()?;
    ensure!(status.success(), "the fuzz targets do not build: {status}");
    Ok(place.join(host).join("release/gateway-fuzz"))
}

/// Runs one target; whether nothing broke.
fn fuzz(program: &Path, place: &Path, seeds: &Path, target: &str, minutes: u64) -> Result<bool> {
    let (corpus, artifacts) = (place.join("corpus").join(target), place.join("artifacts").join(target));
    fs::create_dir_all(&corpus)?;
    fs::create_dir_all(&artifacts)?;
    let status = Command::new(program)
        .env("FUZZ_TARGET", target)
        .arg(&corpus)
        .arg(seeds)
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .arg(format!("-max_total_time={}", minutes * 60))
        .arg(format!("-max_len={LONGEST}"))
        .arg(format!("-timeout={SLOWEST}"))
        .arg("-print_final_stats=1")
        .status()?;
    Ok(status.success())
}
