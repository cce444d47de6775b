//! The `gateway` command: reads its arguments and runs one command.

mod args;
mod ask;
mod attach;
mod check;
mod config;
mod detach;
mod doctor;
mod explain;
mod launch;
mod output;
mod places;
mod providers;
mod proxy;
mod records;
mod rules;
mod shell;
mod status;
mod trust;

use std::{io::Write, process::ExitCode};

use clap::{CommandFactory, Parser};

pub use args::Cli;
use args::{Command, Common};

use crate::{config::EXIT_USAGE, demo, telemetry};

/// The command line is wrong, as its parser says it, too.
const EXIT_COMMAND: u8 = 2;

/// Something needed is not there: rights, a kernel feature, a free port (`EX_UNAVAILABLE` of sysexits.h).
const EXIT_UNAVAILABLE: u8 = 69;

/// Why a command failed, with the exit code that says so.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// The configuration is wrong.
    fn usage(message: impl Into<String>) -> Self {
        Failure { code: EXIT_USAGE, message: message.into() }
    }

    /// The command line is wrong.
    fn command(message: impl Into<String>) -> Self {
        Failure { code: EXIT_COMMAND, message: message.into() }
    }

    /// Something needed is not there.
    fn unavailable(message: impl Into<String>) -> Self {
        Failure { code: EXIT_UNAVAILABLE, message: message.into() }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure { code: 1, message: told(&error.into()) }
    }
}

/// An error and its causes in one line; a cause that the error before it already quotes is left out.
fn told(error: &anyhow::Error) -> String {
    let mut message = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !message.contains(&cause) {
            message = format!("{message}: {cause}");
        }
    }
    message
}

/// A command's outcome: its exit code, or why it failed.
type Outcome = Result<u8, Failure>;

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Err(error) = telemetry::init(
        log_format(&cli.common),
        std::env::var(telemetry::logging::FILTER_VARIABLE).ok().as_deref(),
    ) {
        return fail(&Failure::usage(error.to_string()));
    }
    match run(cli) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => fail(&failure),
    }
}

fn run(cli: Cli) -> Outcome {
    let common = &cli.common;
    match cli.command {
        Command::Attach { places, create, steer } => attach::attach(common, &steer, &places, create),
        Command::Detach { places } => detach::detach(common, &places),
        Command::Run { cgroup, user, steer, command } => {
            attach::run(common, &steer, cgroup, user.as_deref(), &command)
        }
        Command::Proxy { listen, upstream } => proxy::proxy(common, listen, upstream),
        Command::Status { coverage } => status::status(common, coverage),
        Command::Trust { action } => trust::trust(common, &action),
        Command::Doctor { subject } => doctor::doctor(common, &subject),
        Command::List { limit, verdict } => records::list(common, limit, verdict.as_deref()),
        Command::Show { id } => records::show(common, &id),
        Command::Usage => records::usage(common),
        Command::Providers { name } => providers::providers(common, name.as_deref()),
        Command::Check(args) => check::check(common, &args),
        Command::Redact(args) => check::redacted(common, &args),
        Command::Rules { action } => rules::rules(common, &action),
        Command::Explain => explain::explain(common),
        Command::Demo => Ok(u8::try_from(demo::run(&demo::Options::default())?).unwrap_or(1)),
        Command::DemoClient { arguments } => {
            demo::client(&arguments)?;
            Ok(0)
        }
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "gateway", &mut std::io::stdout());
            Ok(0)
        }
        Command::Version => {
            output::line(format_args!("gateway {}", env!("CARGO_PKG_VERSION")));
            Ok(0)
        }
    }
}

fn log_format(common: &Common) -> telemetry::LogFormat {
    if common.json { telemetry::LogFormat::Json } else { telemetry::LogFormat::Text }
}

fn fail(failure: &Failure) -> ExitCode {
    // When standard error is closed nobody is left to be told.
    let _ = writeln!(std::io::stderr(), "gateway: {}", failure.message);
    ExitCode::from(failure.code)
}
