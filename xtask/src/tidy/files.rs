//! Checks of single files: how they open, how long they are, and which must exist.

use super::{Complaint, Tree};

/// Production lines a file may have.
const LONGEST: usize = 400;

/// Files that are one long table, which reads best in one place.
const TABLES: &[&str] = &[];

/// Files without which the project cannot be built, released or understood.
const REQUIRED: &[&str] = &[
    ".ci/run",
    "CHANGELOG.md",
    "Cargo.lock",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "deny.toml",
    "rustfmt.toml",
];

/// Every Rust file opens with a `//!` sentence that says what it is for.
pub fn heads(tree: &Tree, complaints: &mut Vec<Complaint>) {
    for source in &tree.sources {
        let head: Vec<&str> = source.lines.iter().map_while(|line| line.strip_prefix("//! ")).collect();
        let head = head.join(" ");
        if head.is_empty() {
            complaints.push(Complaint::new(
                &source.path,
                1,
                "open the file with a `//!` sentence: what is it for?",
            ));
        } else if !head.contains(". ") && !head.ends_with(['.', '?', ':']) {
            complaints.push(Complaint::new(&source.path, 1, "the opening `//!` line is no whole sentence"));
        }
    }
}

/// No file is longer than a reader can keep in mind.
pub fn lengths(tree: &Tree, complaints: &mut Vec<Complaint>) {
    for source in tree.sources.iter().filter(|source| !TABLES.contains(&source.path.as_str())) {
        let lines = source.production().filter(|(line, _)| *line < source.lines.len()).count();
        if lines > LONGEST {
            let what = format!("{lines} production lines, {LONGEST} at most: two things share this file");
            complaints.push(Complaint::new(&source.path, 0, what));
        }
    }
}

/// The files every newcomer looks for are there.
pub fn required(tree: &Tree, complaints: &mut Vec<Complaint>) {
    for path in REQUIRED.iter().filter(|path| tree.text(path).is_none()) {
        complaints.push(Complaint::new(path, 0, "is missing"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::complaints;

    fn check(content: &str, expected: usize) {
        assert_eq!(complaints(heads, &[("a.rs", content)]).len(), expected, "{content}");
    }

    #[test]
    fn files_open_with_a_sentence() {
        check("//! Counts.\nfn f() {}", 0);
        check("//! Counts what\n//! is there.\n//!\n//! More", 0);
        check("//! Counts", 1);
        check("fn f() {}", 1);
        check("", 1);
    }

    #[test]
    fn long_files_are_found_but_tests_do_not_count() {
        let long = "x\n".repeat(LONGEST + 1);
        assert_eq!(complaints(lengths, &[("a.rs", &long)]).len(), 1);
        assert_eq!(complaints(lengths, &[("a.rs", &"x\n".repeat(LONGEST))]), [""; 0]);
        assert_eq!(complaints(lengths, &[("a/tests.rs", &long)]), [""; 0]);
        assert_eq!(
            complaints(lengths, &[("a.rs", &format!("#[cfg(test)]\nmod tests {{\n{long}}}\n"))]),
            [""; 0]
        );
    }

    #[test]
    fn missing_files_are_named() {
        let all: Vec<(&str, &str)> = REQUIRED.iter().map(|path| (*path, "")).collect();
        assert_eq!(complaints(required, &all), [""; 0]);
        assert_eq!(complaints(required, &all[1..]), [".ci/run: is missing"]);
    }
}
