//! Builds what is measured as a release and runs the bench (`tests/bench`), which prints the table.

use std::process::Command;

use anyhow::{Context, bail};

/// What cargo is told to build: the program, and what measures it.
pub const BUILD: [&str; 11] = [
    "build",
    "--release",
    "--locked",
    "--bin",
    "gateway",
    "--bin",
    "bench*",
    "--package",
    "gateway",
    "--package",
    "gateway-tests",
];

/// What cargo is told to build for the bench of the inspection engine.
const BUILD_INSPECT: [&str; 7] =
    ["build", "--release", "--locked", "--bin", "bench-inspect", "--package", "gateway-tests"];

/// Runs `cargo xtask bench`; `args` go to the bench: `--quick`, `--json FILE`, `--rounds N`, `--seconds S`,
/// `--only ROW`, `--check`. With `inspect` first the inspection engine alone is measured: `--quick`, `--only TEXT`,
/// `--rules FILE`, `--check`.
///
/// # Errors
/// When the build or the bench fails.
pub fn run(args: &[String]) -> anyhow::Result<()> {
    let root =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask stands in a workspace")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    if let [first, rest @ ..] = args
        && first == "inspect"
    {
        step(Command::new(cargo).args(BUILD_INSPECT).current_dir(root), "building the release")?;
        return step(
            Command::new(target.join("release/bench-inspect")).args(rest).current_dir(root),
            "the bench",
        );
    }
    step(Command::new(cargo).args(BUILD).current_dir(root), "building the release")?;
    step(Command::new(target.join("release/bench")).args(args).current_dir(root), "the bench")
}

fn step(command: &mut Command, what: &str) -> anyhow::Result<()> {
    let status =
        command.status().with_context(|| format!("{what}: cannot run {:?}", command.get_program()))?;
    if !status.success() {
        bail!("{what} failed with {status}");
    }
    Ok(())
}
