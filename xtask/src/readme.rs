//! The stage that gives every command in README.md to the real program.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::tally::Tally;

/// A command as a reader would type it.
#[derive(Debug, PartialEq, Eq)]
struct Typed {
    /// Where it stands, counted from 1.
    line: usize,
    /// The program and its arguments.
    words: Vec<String>,
}

/// Runs every `gateway …` and `cargo xtask …` of the README with `--help` added, so that it is read and not done.
///
/// One test each. An unknown command or flag, or an impossible value, fails.
pub fn check(root: &Path, gateway: &Path) -> Result<Tally> {
    let readme = fs::read_to_string(root.join("README.md")).context("cannot read README.md")?;
    let commands = commands(&readme);
    ensure!(!commands.is_empty(), "README.md shows no command");
    let mut tally = Tally::default();
    for command in commands {
        let (program, arguments) = match command.words[0].as_str() {
            "gateway" => (gateway.to_path_buf(), &command.words[1..]),
            _ => (std::env::current_exe()?, &command.words[2..]),
        };
        let answer = Command::new(&program)
            .args(asking_for_help(arguments))
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot start {}", program.display()))?;
        if answer.status.success() {
            tally.passed += 1;
        } else {
            tally.failed += 1;
            let said = String::from_utf8_lossy(&answer.stderr);
            tally.failures +=
                &format!("README.md:{}: {}\n{}\n", command.line, command.words.join(" "), said.trim());
        }
    }
    Ok(tally)
}

/// The arguments with `--help` at the end of the gateway's own: before a `--`, after which another command stands.
fn asking_for_help(arguments: &[String]) -> Vec<String> {
    let end = arguments.iter().position(|word| word == "--").unwrap_or(arguments.len());
    arguments[..end].iter().cloned().chain(["--help".to_owned()]).collect()
}

/// The commands in fenced blocks and in `inline code`.
fn commands(readme: &str) -> Vec<Typed> {
    let mut found = Vec::new();
    let mut fenced = false;
    let mut lines = readme.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if fenced {
            let mut whole = line.trim().to_owned();
            while let Some(start) = whole.strip_suffix('\\') {
                let next = lines.next().map_or("", |(_, line)| line.trim());
                whole = format!("{start}{next}");
            }
            found.extend(typed(index + 1, &whole));
        } else {
            found.extend(line.split('`').skip(1).step_by(2).filter_map(|code| typed(index + 1, code)));
        }
    }
    found
}

/// A line as a command of ours, if it is one.
fn typed(line: usize, text: &str) -> Option<Typed> {
    let mut words = split(text);
    while words.first().is_some_and(|word| word == "$" || word == "#" || word == "sudo") {
        words.remove(0);
    }
    let ours = match words.first()?.as_str() {
        "gateway" => words.len() > 1,
        "cargo" => words.len() > 2 && words[1] == "xtask",
        _ => false,
    };
    ours.then_some(Typed { line, words })
}

/// Words as a shell splits them, up to a comment, a pipe or another operator.
fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    for character in text.chars() {
        match (quote, character) {
            (Some(open), _) if character == open => quote = None,
            (Some(_), _) => word.push(character),
            (None, '\'' | '"') => quote = Some(character),
            (None, '|' | '&' | '>' | ';') => break,
            (None, '#') if word.is_empty() && !words.is_empty() => break,
            (None, _) if character.is_whitespace() => {
                words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
            }
            (None, _) => word.push(character),
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(readme: &str, expected: &[(usize, &str)]) {
        let found: Vec<_> =
            commands(readme).into_iter().map(|found| (found.line, found.words.join("|"))).collect();
        let expected: Vec<_> = expected.iter().map(|(line, words)| (*line, words.to_string())).collect();
        assert_eq!(found, expected, "{readme}");
    }

    #[test]
    fn commands_are_found() {
        check("text `gateway list` and `gateway`, `ls`", &[(1, "gateway|list")]);
        check(
            "```sh\nsudo gateway run -- curl x   # why\n```\ngateway list",
            &[(2, "gateway|run|--|curl|x")],
        );
        check("```\n$ gateway proxy \\\n    --mode strict &\n```", &[(2, "gateway|proxy|--mode|strict")]);
        check("```\ncargo xtask test\ncargo build\n```", &[(2, "cargo|xtask|test")]);
        check("```\ngateway show 'a b' | less\n```", &[(2, "gateway|show|a b")]);
    }

    #[test]
    fn help_is_asked_of_the_gateway() {
        let words = |text| split(text);
        assert_eq!(asking_for_help(&words("run --cgroup a -- sh -c x")), words("run --cgroup a --help"));
        assert_eq!(asking_for_help(&words("list")), words("list --help"));
    }
}
