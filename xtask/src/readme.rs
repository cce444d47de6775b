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

/// Tries everything a reader would copy: every command with `--help` added, so that it is read and not done, and
/// every YAML block as a configuration file of `gateway explain`, or, where it is marked so, as a file of providers.
///
/// One test each. An unknown command, flag or key, or an impossible value, fails. `scratch` is a folder to write to.
pub fn check(root: &Path, gateway: &Path, scratch: &Path) -> Result<Tally> {
    let readme = fs::read_to_string(root.join("README.md")).context("cannot read README.md")?;
    let commands = commands(&readme);
    ensure!(!commands.is_empty(), "README.md shows no command");
    let mut tally = Tally::default();
    for Typed { line, words } in commands {
        let (program, arguments) = match words[0].as_str() {
            "gateway" => (gateway.to_path_buf(), &words[1..]),
            _ => (std::env::current_exe()?, &words[2..]),
        };
        let mut command = Command::new(program);
        tally.add(tried(line, &words.join(" "), command.args(asking_for_help(arguments)))?);
    }
    fs::create_dir_all(scratch)?;
    for (line, settings) in blocks(&readme, "yaml") {
        let file = scratch.join(format!("readme-{line}.yaml"));
        fs::write(&file, settings)?;
        let mut command = Command::new(gateway);
        command.arg("explain").arg("--config").arg(&file).arg("--state").arg(scratch.join("state"));
        tally.add(tried(line, "the configuration", &mut command)?);
    }
    for (line, entries) in blocks(&readme, "yaml providers") {
        let (file, config) = (
            scratch.join(format!("readme-{line}-providers.yaml")),
            scratch.join(format!("readme-{line}.yaml")),
        );
        fs::write(&file, entries)?;
        fs::write(&config, format!("providers: [{}]\n", file.display()))?;
        let mut command = Command::new(gateway);
        command.arg("providers").arg("--config").arg(&config).arg("--state").arg(scratch.join("state"));
        tally.add(tried(line, "the providers", &mut command)?);
    }
    Ok(tally)
}

/// Runs one command as one test.
fn tried(line: usize, what: &str, command: &mut Command) -> Result<Tally> {
    let program = command.get_program().to_owned();
    let answer = command.stdin(Stdio::null()).output();
    let answer = answer.with_context(|| format!("cannot start {}", program.display()))?;
    let said = String::from_utf8_lossy(&answer.stderr);
    Ok(Tally::of_command(answer.status.success(), &format!("README.md:{line}: {what}\n{}\n", said.trim())))
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

/// The fenced blocks marked `language`, each with the line of its fence.
fn blocks(readme: &str, language: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut inside = false;
    for (index, line) in readme.lines().enumerate() {
        match line.strip_prefix("```") {
            Some(_) if inside => inside = false,
            Some(mark) if mark == language => {
                inside = true;
                found.push((index + 1, String::new()));
            }
            _ => {
                if let Some((_, block)) = found.last_mut().filter(|_| inside) {
                    block.push_str(line);
                    block.push('\n');
                }
            }
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
    fn blocks_are_found_by_language() {
        let readme = "```sh\na\n```\n```yaml\nb: 1\n  c\n```\n```yaml\nd\n```\n";
        assert_eq!(blocks(readme, "yaml"), [(4, "b: 1\n  c\n".to_owned()), (8, "d\n".to_owned())]);
    }

    #[test]
    fn help_is_asked_of_the_gateway() {
        let words = |text| split(text);
        assert_eq!(asking_for_help(&words("run --cgroup a -- sh -c x")), words("run --cgroup a --help"));
        assert_eq!(asking_for_help(&words("list")), words("list --help"));
    }
}
