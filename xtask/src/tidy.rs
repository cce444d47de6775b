//! `cargo xtask tidy`: checks of the tree that no compiler makes.

mod architecture;
mod bypass;
mod files;
mod leftovers;
mod readme;
mod source;

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use source::Source;

/// The rooms of `gateway-user/src` in import order: a room imports only rooms before it.
///
/// The README's map lists them in the same order, and says what each is for.
pub const ROOMS: &[&str] = &[
    "telemetry",
    "config",
    "store",
    "wire",
    "provider",
    "inspect",
    "identity",
    "ledger",
    "audit",
    "tls",
    "capture",
    "upstream",
    "flow",
    "admin",
    "doctor",
    "simulate",
    "demo",
    "app",
    "cli",
];

/// Something that is not as it should be.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Complaint {
    file: String,
    /// Counted from 1; 0 speaks of the whole file.
    line: usize,
    what: String,
}

impl Complaint {
    fn new(file: &str, line: usize, what: impl Into<String>) -> Complaint {
        Complaint { file: file.into(), line, what: what.into() }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(out, "{}: {}", self.file, self.what),
            line => write!(out, "{}:{line}: {}", self.file, self.what),
        }
    }
}

/// The files under version control, or about to be.
pub struct Tree {
    /// Every text file, its path seen from the root.
    texts: Vec<Text>,
    /// The Rust files among them, read as code.
    sources: Vec<Source>,
}

/// A file that is valid UTF-8.
pub struct Text {
    path: String,
    content: String,
}

/// Every check; a new one is one row.
const CHECKS: &[fn(&Tree, &mut Vec<Complaint>)] = &[
    architecture::imports,
    architecture::rooms,
    architecture::kernel_library,
    bypass::matrix,
    files::heads,
    files::lengths,
    files::required,
    leftovers::words,
    leftovers::places,
    readme::map,
];

/// Runs every check over the tree at `root`; what it returns is empty when all is well.
pub fn run(root: &Path) -> Result<Vec<Complaint>> {
    let tree = Tree::read(root)?;
    let mut complaints = Vec::new();
    for check in CHECKS {
        check(&tree, &mut complaints);
    }
    complaints.sort();
    Ok(complaints)
}

impl Tree {
    fn read(root: &Path) -> Result<Tree> {
        let output = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(root)
            .output()
            .context("cannot start git")?;
        ensure!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr).trim());
        let mut files = Vec::new();
        for path in
            String::from_utf8(output.stdout).context("a file name is not UTF-8")?.split_terminator('\0')
        {
            // A file that is deleted but not yet committed is listed, too.
            if let Ok(content) = fs::read(root.join(path))
                && let Ok(content) = String::from_utf8(content)
            {
                files.push((path.to_owned(), content));
            }
        }
        Ok(Tree::new(files))
    }

    fn new(files: Vec<(String, String)>) -> Tree {
        let texts: Vec<Text> = files.into_iter().map(|(path, content)| Text { path, content }).collect();
        let sources = texts
            .iter()
            .filter(|text| text.path.ends_with(".rs"))
            .map(|text| Source::new(&text.path, &text.content))
            .collect();
        Tree { texts, sources }
    }

    fn text(&self, path: &str) -> Option<&Text> {
        self.texts.iter().find(|text| text.path == path)
    }
}

/// What one check says about a tree of these files, one line each: for the tests of the checks.
#[cfg(test)]
fn complaints(check: fn(&Tree, &mut Vec<Complaint>), files: &[(&str, &str)]) -> Vec<String> {
    let tree =
        Tree::new(files.iter().map(|(path, content)| (path.to_string(), content.to_string())).collect());
    let mut found = Vec::new();
    check(&tree, &mut found);
    found.iter().map(Complaint::to_string).collect()
}
