//! Checks for leftovers: notes to oneself, debugging aids, and places that exist only on somebody's machine.

use super::{Complaint, Text, Tree};

/// This file names them all.
const THIS: &str = "xtask/src/tidy/leftovers.rs";

/// Words that say that something is not finished.
const WORDS: &[&str] = &["TODO", "FIXME", "XXX", "HACK", "dbg!", "todo!", "unimplemented!", "legacy"];

/// Folders of somebody's machine; in tests and prose the last one is fine.
const MACHINE_PLACES: &[&str] = &["/work/", "/root/", "/tmp/"];

/// Package registries: whose registry is used is a matter of the machine, not of the tree.
///
/// In two parts, because no file may name them, and this is a file.
const REGISTRIES: &[(&str, &str)] = &[
    ("crates", "io"),
    ("debian", "org"),
    ("golang", "org"),
    ("npmjs", "org"),
    ("pypi", "org"),
    ("pythonhosted", "org"),
    ("rubygems", "org"),
];

/// Nothing says that it is not finished.
pub fn words(tree: &Tree, complaints: &mut Vec<Complaint>) {
    for text in tree.texts.iter().filter(|text| is_written_by_us(text)) {
        for (line, content) in numbered(&text.content) {
            if let Some(word) = WORDS.iter().find(|word| has_word(content, word)) {
                complaints.push(Complaint::new(
                    &text.path,
                    line,
                    format!("`{word}` is a leftover: finish it or remove it"),
                ));
            }
        }
    }
}

/// Nothing names a place of one machine, or a package registry.
pub fn places(tree: &Tree, complaints: &mut Vec<Complaint>) {
    for text in tree.texts.iter().filter(|text| text.path != THIS && !text.path.ends_with("Cargo.lock")) {
        for (line, content) in numbered(&text.content) {
            for (name, domain) in REGISTRIES {
                if content.contains(&format!("{name}.{domain}")) {
                    complaints.push(Complaint::new(&text.path, line, "names a package registry"));
                }
            }
        }
    }
    for text in tree.texts.iter().filter(|text| text.path != THIS && text.path != ".ci/run") {
        for (line, content) in numbered(&text.content).filter(|(_, content)| content.contains("../shared")) {
            complaints.push(Complaint::new(
                &text.path,
                line,
                format!("only .ci/run may look outside: {}", content.trim()),
            ));
        }
    }
    for source in tree.sources.iter().filter(|source| source.path != THIS) {
        for (line, place) in machine_places(&source.lines, &source.test) {
            complaints.push(Complaint::new(&source.path, line, format!("{place} is a place of one machine")));
        }
    }
}

fn machine_places<'a>(
    lines: &'a [String],
    test: &'a [bool],
) -> impl Iterator<Item = (usize, &'static str)> + 'a {
    let production = lines.iter().zip(test).enumerate().filter(|(_, (_, test))| !**test);
    production.filter_map(|(index, (line, _))| {
        let place = MACHINE_PLACES.iter().find(|place| line.contains(&format!("\"{place}")))?;
        Some((index + 1, *place))
    })
}

/// Code, settings and prose; not data, where such words may be the very thing looked for.
fn is_written_by_us(text: &Text) -> bool {
    let kinds = [".rs", ".toml", ".md", ".sh", ".ci/run", ".py", ".mjs"];
    text.path != THIS && !text.path.contains("/data/") && kinds.iter().any(|kind| text.path.ends_with(kind))
}

fn numbered(content: &str) -> impl Iterator<Item = (usize, &str)> {
    content.lines().enumerate().map(|(index, line)| (index + 1, line))
}

/// Whether `word` stands in `line` and no letter, digit or underscore touches it.
fn has_word(line: &str, word: &str) -> bool {
    let part_of_word = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(word).any(|(start, _)| {
        let before = line[..start].chars().next_back().is_some_and(part_of_word);
        let after = line[start + word.len()..].chars().next().is_some_and(part_of_word);
        !before && (!after || word.ends_with('!'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::complaints;

    fn check(check: fn(&Tree, &mut Vec<Complaint>), path: &str, content: &str, expected: usize) {
        assert_eq!(complaints(check, &[(path, content)]).len(), expected, "{content}");
    }

    #[test]
    fn unfinished_things_are_found() {
        check(words, "a.rs", "// TODO: later", 1);
        check(words, "a.rs", "dbg!(x)", 1);
        check(words, "README.md", "the legacy way", 1);
        check(words, "a.rs", "legacy_version: u16, // TODOS", 0);
        check(words, "gateway-user/data/rules/a.yaml", "XXX", 0);
    }

    #[test]
    fn places_of_one_machine_are_found() {
        check(places, "a.rs", "open(\"/work/x\")", 1);
        check(places, "a.rs", "#[cfg(test)]\nfn f() { open(\"/tmp/x\") }", 0);
        check(places, "Makefile", &["see py", "pi.org"].concat(), 1);
        check(places, "Cargo.lock", &["crates", ".io-index"].concat(), 0);
        check(places, "a.toml", &["..", "/shared/x"].concat(), 1);
        check(places, ".ci/run", &["..", "/shared/x"].concat(), 0);
    }
}
