//! `cargo xtask demo`: builds a release and hands over to `gateway demo`.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

use crate::{install, run};

/// Builds the release and becomes `gateway demo`; returns only when that fails.
pub fn run(root: &Path, arguments: &[String]) -> Result<ExitCode> {
    eprintln!("building the release (minutes the first time) …");
    let built = Command::new("cargo")
        .args(["build", "--release", "--package", "gateway"])
        .current_dir(root)
        .status()
        .context("cannot start cargo: install Rust with rustup, or from your distribution")?;
    ensure!(built.success(), "the release did not build: cargo says why above");
    let gateway = run::target(root).join("release/gateway");
    if !install::is_root() {
        eprintln!("not root, so the demo uses the reverse-proxy door; for the kernel's part run");
        eprintln!("    sudo {} demo\n", gateway.display());
    }
    let error = Command::new(&gateway).arg("demo").args(arguments).exec();
    Err(error).with_context(|| format!("cannot start {}", gateway.display()))
}
