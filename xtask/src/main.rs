//! The project's own commands, run as `cargo xtask COMMAND`.

mod bench;
mod clients;
mod demo;
mod ebpf;
mod fuzz;
mod install;
mod readme;
mod run;
mod stages;
mod suite;
mod tally;
mod tidy;
mod train;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

/// The project's own commands.
///
/// They need git and stable Rust. What else a command needs it installs when it runs as root, and names, with the
/// command that installs it, when it does not.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Measure the gateway beside a direct call, a byte-copying TLS relay and nginx, in one run; print the ratios.
    Bench {
        /// `--quick`, `--json FILE`, `--rounds N`, `--seconds S`, `--only ROW`, `--check`; `inspect` first measures the
        /// inspection engine alone, with `--quick`, `--only TEXT`, `--rules FILE`, `--check`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Build a release and show the gateway at work, without an API key and without a network.
    ///
    /// As root the kernel steers an unmodified client; otherwise the same runs through the reverse-proxy door.
    Demo {
        /// Passed on to `gateway demo`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Build the kernel programs from source, and stamp the object that is committed.
    ///
    /// Needs a compiler with `core` for BPF, and bpf-linker, which is installed when it is missing. Building the gateway
    /// itself needs neither: it takes the committed object.
    Ebpf {
        /// Build nothing: fail when the committed object does not belong to its sources.
        #[arg(long)]
        check: bool,
    },
    /// Run the fuzz targets under libFuzzer, each for some minutes.
    Fuzz(fuzz::Options),
    /// Install what the tests need, run every stage, end with `N passed, N failed`.
    Test(suite::Options),
    /// Check the tree: import order of rooms, file heads and lengths, README's map, leftovers.
    Tidy,
    /// Train the model of the prompt firewall from labelled texts.
    Train(train::Options),
}

fn main() -> ExitCode {
    match dispatch(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(task: Task) -> Result<ExitCode> {
    let root = root()?;
    match task {
        Task::Bench { arguments } => {
            if arguments.first().is_none_or(|first| first != "inspect") {
                install::packages(install::BENCH)?;
            }
            bench::run(&arguments).map(|()| ExitCode::SUCCESS)
        }
        Task::Demo { arguments } => demo::run(&root, &arguments),
        Task::Ebpf { check } => {
            let arguments: &[String] = if check { &["--check".to_owned()] } else { &[] };
            ebpf::run(arguments).map(|()| ExitCode::SUCCESS)
        }
        Task::Fuzz(options) => fuzz::run(&root, &options),
        Task::Test(options) => suite::run(&root, &options),
        Task::Tidy => {
            let complaints = tidy::run(&root)?;
            complaints.iter().for_each(|complaint| println!("{complaint}"));
            Ok(if complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Task::Train(options) => train::run(&options).map(|()| ExitCode::SUCCESS),
    }
}

/// The root of the working tree: the folder above this package.
fn root() -> Result<PathBuf> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = package.parent().context("the xtask package stands in no workspace")?;
    anyhow::ensure!(
        root.join("Cargo.lock").is_file(),
        "{} is no longer the workspace: run the command through `cargo xtask`",
        root.display()
    );
    Ok(root.to_path_buf())
}
