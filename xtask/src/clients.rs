//! Installs the real client SDKs the client tests drive: exact versions, into a folder under `target`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

/// What is installed, as files of the tests' package.
const PYTHON: &str = include_str!("../../tests/clients/requirements.txt");
const NODE: &str = include_str!("../../tests/clients/package.json");

/// Installs the Python packages into `dir/python` (a venv) and the Node packages into `dir/node_modules`.
/// Does nothing when the same versions are already there.
///
/// # Errors
/// Names the step that failed and what it printed; a missing `python3`, `venv` or `npm` among them.
pub fn install(dir: &Path) -> anyhow::Result<()> {
    let stamp = dir.join("installed");
    let wanted = format!("{PYTHON}{NODE}");
    if std::fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) {
        return Ok(());
    }
    std::fs::create_dir_all(dir).with_context(|| format!("making {}", dir.display()))?;
    std::fs::write(dir.join("requirements.txt"), PYTHON)?;
    std::fs::write(dir.join("package.json"), NODE)?;
    step(dir, "python3", &["-m", "venv", "python"], "apt-get install python3-venv")?;
    step(
        dir,
        "python/bin/pip",
        &["install", "--quiet", "-r", "requirements.txt"],
        "check pip's index settings",
    )?;
    let npm = ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    step(dir, "npm", &npm, "apt-get install nodejs npm (Node 20 or newer)")?;
    std::fs::write(stamp, wanted)?;
    Ok(())
}

fn step(dir: &Path, program: &str, arguments: &[&str], hint: &str) -> anyhow::Result<()> {
    let path = if program.contains('/') { dir.join(program) } else { program.into() };
    let done = Command::new(&path)
        .args(arguments)
        .current_dir(dir)
        .output()
        .with_context(|| format!("cannot run {}; {hint}", path.display()))?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        bail!("{program} {} failed in {}; {hint}\n{}", arguments.join(" "), dir.display(), said.trim());
    }
    Ok(())
}
