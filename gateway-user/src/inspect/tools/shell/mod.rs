//! Shell commands in arguments: what runs in a script, through wrappers and inner shells, and which of it is harmful.

mod harm;
mod lex;
mod unwrap;
mod words;

use std::collections::HashMap;

pub use harm::is_harmful;
pub use lex::{Command, Unreadable};
pub use words::Word;

use lex::{DEEPEST, MOST_COMMANDS, commands};
use unwrap::{Inner, inner};

/// All commands that a script may run: its own, and those that shells, `env`, `xargs`, `find -exec` and their like start.
///
/// # Errors
/// When it is no script that can be read whole.
pub fn read(script: &str) -> Result<Vec<Command>, Unreadable> {
    let mut all = Vec::new();
    let mut scripts = vec![(script.to_owned(), 0)];
    while let Some((script, depth)) = scripts.pop() {
        for command in commands(&script, &HashMap::new())? {
            add(command, depth, &mut all, &mut scripts)?;
        }
    }
    Ok(all)
}

/// All commands that a list of words runs, as `execve` takes it: no expansions are done.
///
/// # Errors
/// As [`read`].
pub fn read_words(words: &[&str]) -> Result<Vec<Command>, Unreadable> {
    let word = |text: &&str| Word { text: (*text).to_owned(), quoted: true, ..Word::default() };
    let command = Command { words: words.iter().map(word).collect(), ..Command::default() };
    let (mut all, mut scripts) = (Vec::new(), Vec::new());
    add(command, 0, &mut all, &mut scripts)?;
    for (script, _) in scripts {
        all.extend(read(&script)?);
    }
    Ok(all)
}

/// Adds a command and what it starts in turn.
fn add(
    command: Command,
    depth: u8,
    all: &mut Vec<Command>,
    scripts: &mut Vec<(String, u8)>,
) -> Result<(), Unreadable> {
    let mut open = vec![(command, depth)];
    while let Some((command, depth)) = open.pop() {
        if depth > DEEPEST || all.len() >= MOST_COMMANDS {
            return Err(Unreadable);
        }
        for inner in inner(&command) {
            match inner {
                Inner::Script(script) => scripts.push((script, depth + 1)),
                Inner::Words(words) => {
                    let started = Command { words, assigns: vec![], ..command.clone() };
                    open.push((started, depth + 1));
                }
            }
        }
        all.push(command);
    }
    Ok(())
}

/// The name of a command without its folder.
pub fn base(word: &Word) -> &str {
    word.text.rsplit('/').next().unwrap_or_default()
}
