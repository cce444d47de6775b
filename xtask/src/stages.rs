//! The stages of `cargo xtask test`, in the order they run.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::install::{self, Package};
use crate::run;
use crate::suite::Options;
use crate::tally::Tally;
use crate::tidy;

/// One stage: a name to select it by, what it needs, and what it does.
pub struct Stage {
    /// The word for `--only`.
    pub name: &'static str,
    /// Whether `--quick` runs it.
    pub quick: bool,
    /// Debian packages it needs.
    pub needs: &'static [&'static [Package]],
    /// Runs it. An error is a failure of the stage.
    pub run: fn(&Bench) -> Result<Tally>,
}

/// Every stage; a new one is one row.
pub const STAGES: &[Stage] = &[
    Stage { name: "fmt", quick: true, needs: &[], run: fmt },
    Stage { name: "clippy", quick: true, needs: &[], run: clippy },
    Stage { name: "deny", quick: false, needs: &[], run: deny },
    Stage { name: "tidy", quick: true, needs: &[], run: tidy },
    Stage { name: "unit", quick: true, needs: &[install::NETWORK], run: unit },
];

/// What a stage works with.
pub struct Bench<'a> {
    /// The workspace.
    pub root: &'a Path,
    /// The command line.
    pub options: &'a Options,
    /// The stage's name, which is also the name of its log.
    pub stage: &'static str,
}

/// No stage may take longer.
const LIMIT: Duration = Duration::from_secs(40 * 60);

impl Bench<'_> {
    /// Where the stage's output is kept.
    pub fn log(&self) -> PathBuf {
        self.root.join("target/xtask").join(format!("{}.log", self.stage))
    }

    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut cargo = Command::new("cargo");
        cargo.args(arguments).current_dir(self.root);
        cargo
    }

    /// Runs one command that counts as one.
    fn command(&self, command: &mut Command) -> Result<Tally> {
        let outcome = run::logged(command, &self.log(), LIMIT)?;
        Ok(Tally::of_command(outcome.success, &outcome.text))
    }

    /// Runs `cargo test` with these arguments and counts its tests.
    fn tests(&self, arguments: &[&str]) -> Result<Tally> {
        let mut cargo = self.cargo(&["test", "--no-fail-fast"]);
        cargo.args(arguments);
        if self.options.all {
            cargo.args(["--", "--include-ignored"]);
        }
        let outcome = run::logged(&mut cargo, &self.log(), LIMIT)?;
        Ok(Tally::of_tests(outcome.success, &outcome.text))
    }
}

fn fmt(bench: &Bench) -> Result<Tally> {
    bench.command(&mut bench.cargo(&["fmt", "--all", "--check"]))
}

fn clippy(bench: &Bench) -> Result<Tally> {
    let arguments = [
        "clippy",
        "--package",
        "gateway",
        "--package",
        "xtask",
        "--all-targets",
        "--locked",
        "--",
        "--deny",
        "warnings",
    ];
    bench.command(&mut bench.cargo(&arguments))
}

/// Licences, bans and sources always; advisories when their database can be had.
fn deny(bench: &Bench) -> Result<Tally> {
    install::cargo_command("deny")?;
    let mut tally = bench.command(&mut bench.cargo(&["deny", "check", "bans", "licenses", "sources"]))?;
    let fetched = run::logged(&mut bench.cargo(&["deny", "fetch", "db"]), &bench.log(), LIMIT)?;
    if fetched.success || bench.options.advisories {
        tally.add(bench.command(&mut bench.cargo(&["deny", "check", "--disable-fetch", "advisories"]))?);
    } else {
        tally.notes.push("advisories not checked: their database cannot be fetched from here".into());
    }
    Ok(tally)
}

fn tidy(bench: &Bench) -> Result<Tally> {
    let complaints = tidy::run(bench.root)?;
    let text: String = complaints.iter().map(|complaint| format!("{complaint}\n")).collect();
    Ok(Tally::of_command(complaints.is_empty(), &text))
}

fn unit(bench: &Bench) -> Result<Tally> {
    ensure_corpus()?;
    bench.tests(&["--package", "gateway", "--package", "xtask", "--locked"])
}

/// In CI the recorded traffic must be there; elsewhere the tests fall back to fixtures of their own.
fn ensure_corpus() -> Result<()> {
    let in_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    let corpus = std::env::var_os("GATEWAY_CORPUS").map(PathBuf::from);
    match corpus {
        Some(folder) => ensure!(folder.is_dir(), "GATEWAY_CORPUS={} is no folder", folder.display()),
        None => {
            ensure!(!in_ci, "CI=true but GATEWAY_CORPUS is not set: the recorded traffic must be tested here")
        }
    }
    Ok(())
}
