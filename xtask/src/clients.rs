//! Installs the real clients the client tests drive: exact versions, into folders under `target/clients`.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

/// What is installed together, into a folder of its own because others want other versions of the same packages.
struct Set {
    /// The folder below the clients' one.
    folder: &'static str,
    /// The file that says what is wanted: its name where the installer looks for it, and its text.
    file: (&'static str, &'static str),
    /// The commands, run in the folder, each with what helps when it fails.
    steps: &'static [(&'static [&'static str], &'static str)],
}

/// npm without install scripts: none of these packages needs its own.
const NPM: (&[&str], &str) = (
    &["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
    "apt-get install nodejs npm (Node 20 or newer)",
);
const VENV: (&[&str], &str) = (&["python3", "-m", "venv", "venv"], "apt-get install python3-venv");
const PIP: (&[&str], &str) =
    (&["venv/bin/pip", "install", "--quiet", "-r", "requirements.txt"], "check pip's index settings");
const GO: (&[&str], &str) = (&["go", "build", "-o", "turn", "turn.go"], "apt-get install golang-go");

/// Every set; a new client is a line in one of their files, or a set.
const SETS: &[Set] = &[
    Set {
        folder: "python",
        file: ("requirements.txt", include_str!("../../tests/clients/install/sdks.txt")),
        steps: &[VENV, PIP],
    },
    Set {
        folder: "node",
        file: ("package.json", include_str!("../../tests/clients/install/sdks.json")),
        steps: &[NPM],
    },
    Set {
        folder: "agents",
        file: ("package.json", include_str!("../../tests/clients/install/agents.json")),
        steps: &[NPM],
    },
    Set {
        folder: "aider",
        file: ("requirements.txt", include_str!("../../tests/clients/install/aider.txt")),
        steps: &[VENV, PIP],
    },
    Set { folder: "go", file: ("turn.go", include_str!("../../tests/clients/turn/turn.go")), steps: &[GO] },
];

/// Installs every set below `dir`. Does nothing for those that are there in the same versions.
///
/// # Errors
/// Names the step that failed and what it printed; a missing `python3`, `venv`, `npm` or `go` among them.
pub fn install(dir: &Path) -> anyhow::Result<()> {
    SETS.iter().try_for_each(|set| {
        let folder = dir.join(set.folder);
        let (name, wanted) = set.file;
        // Written last, so that a broken installation is not taken for a whole one.
        let stamp = folder.join("installed");
        if fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) {
            return Ok(());
        }
        if folder.exists() {
            // Packages of another version are no help, and may be in the way.
            fs::remove_dir_all(&folder).with_context(|| format!("clearing {}", folder.display()))?;
        }
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        fs::write(folder.join(name), wanted)?;
        set.steps.iter().try_for_each(|(words, hint)| step(&folder, words, hint))?;
        Ok(fs::write(stamp, wanted)?)
    })
}

fn step(folder: &Path, words: &[&str], hint: &str) -> anyhow::Result<()> {
    let Some((program, arguments)) = words.split_first() else { return Ok(()) };
    let path = if program.contains('/') { folder.join(program) } else { program.into() };
    let done = Command::new(&path)
        .args(arguments)
        .current_dir(folder)
        .output()
        .with_context(|| format!("cannot run {}; {hint}", path.display()))?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        bail!("{} failed in {}; {hint}\n{}", words.join(" "), folder.display(), said.trim());
    }
    Ok(())
}
