//! Commands that start other commands: wrappers, shells, `xargs`, `find -exec`.

use crate::inspect::tools::shell::words::Word;
use crate::inspect::tools::shell::{Command, base};

/// What a command starts.
pub enum Inner {
    /// A script for a shell.
    Script(String),
    /// A command with its words.
    Words(Vec<Word>),
}

/// Shells, which take a script with `-c` or from their input.
pub const SHELLS: &[&str] =
    &["sh", "bash", "zsh", "dash", "ash", "ksh", "mksh", "fish", "rbash", "csh", "tcsh"];

/// Wrappers: they start the command that stands in their words, behind options. With each the options that take a value,
/// and how many words stand before the command.
const WRAPPERS: &[(&str, &[&str], usize)] = &[
    ("sudo", &["-u", "-g", "-h", "-p", "-C", "-r", "-t", "-T", "-U", "-D", "--user", "--group"], 0),
    ("doas", &["-u", "-C"], 0),
    ("pkexec", &["--user"], 0),
    ("env", &["-u", "-C", "--unset", "--chdir"], 0),
    ("nohup", &[], 0),
    ("nice", &["-n"], 0),
    ("ionice", &["-c", "-n", "-p"], 0),
    ("chrt", &[], 1),
    ("taskset", &[], 1),
    ("time", &["-f", "-o"], 0),
    ("timeout", &["-s", "-k", "--signal", "--kill-after"], 1),
    ("stdbuf", &["-i", "-o", "-e"], 0),
    ("setsid", &[], 0),
    ("unbuffer", &[], 0),
    ("exec", &["-a"], 0),
    ("command", &[], 0),
    ("builtin", &[], 0),
    ("noglob", &[], 0),
    ("busybox", &[], 0),
    ("toybox", &[], 0),
    ("strace", &["-e", "-o", "-p", "-s"], 0),
    ("ltrace", &["-e", "-o"], 0),
    ("watch", &["-n", "-d"], 0),
    ("xargs", &["-I", "-i", "-n", "-P", "-L", "-d", "-s", "-a", "-E", "--max-args", "--max-procs"], 0),
    ("parallel", &["-j", "-n", "--jobs"], 0),
    ("chroot", &[], 1),
    ("unshare", &[], 0),
    ("nsenter", &["-t"], 0),
    ("flock", &["-w", "-E"], 1),
    ("script", &[], 0),
    ("runuser", &["-u", "-g"], 0),
    ("setpriv", &["--reuid", "--regid"], 0),
    ("firejail", &[], 0),
    ("rtk", &[], 0),
];

/// What a command starts in turn.
pub fn inner(command: &Command) -> Vec<Inner> {
    let Some(name) = command.words.first().map(base) else { return vec![] };
    let rest = &command.words[1..];
    if SHELLS.contains(&name) {
        return shell(command, rest);
    }
    match name {
        "eval" => vec![Inner::Script(join(rest))],
        "trap" => rest.first().map(|word| Inner::Script(word.text.clone())).into_iter().collect(),
        "su" | "script" | "watch" | "flock" if let Some(script) = behind(rest, &["-c", "--command"]) => {
            vec![Inner::Script(script)]
        }
        "watch" => vec![Inner::Script(join(without_options(rest, &["-n", "--interval"])))],
        "find" | "fd" | "fdfind" => executed(rest),
        "ssh" => vec![],
        _ => match WRAPPERS.iter().find(|(wrapper, ..)| *wrapper == name) {
            Some((_, valued, skip)) => wrapped(rest, valued, *skip),
            None => vec![],
        },
    }
}

/// The script of a shell: behind `-c`, or its input.
fn shell(command: &Command, rest: &[Word]) -> Vec<Inner> {
    let is_script = |word: &Word| {
        let text = &word.text;
        text == "--command" || text.starts_with('-') && !text.starts_with("--") && text.contains('c')
    };
    if let Some(at) = rest.iter().position(is_script) {
        let scripts = rest[at + 1..].iter().find(|word| !word.text.starts_with('-'));
        return scripts.map(|word| Inner::Script(word.text.clone())).into_iter().collect();
    }
    command.input.iter().map(|input| Inner::Script(input.text.clone())).collect()
}

fn wrapped(rest: &[Word], valued: &[&str], skip: usize) -> Vec<Inner> {
    if let Some(script) = behind(rest, &["-S", "--split-string"]) {
        return vec![Inner::Script(script)];
    }
    let words = without_options(rest, valued);
    let words = words.iter().skip_while(|word| is_assignment(word)).skip(skip).cloned().collect::<Vec<_>>();
    if words.is_empty() { vec![] } else { vec![Inner::Words(words)] }
}

/// The words behind the options at the start.
fn without_options<'a>(rest: &'a [Word], valued: &[&str]) -> &'a [Word] {
    let mut at = 0;
    while let Some(word) = rest.get(at) {
        let text = word.text.as_str();
        if text == "--" {
            return &rest[at + 1..];
        }
        if !text.starts_with('-') || text.len() < 2 {
            break;
        }
        at += if valued.contains(&text) { 2 } else { 1 };
    }
    rest.get(at..).unwrap_or_default()
}

fn is_assignment(word: &Word) -> bool {
    word.text.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

/// The word behind an option.
fn behind(rest: &[Word], options: &[&str]) -> Option<String> {
    let at = rest.iter().position(|word| options.contains(&word.text.as_str()))?;
    rest.get(at + 1).map(|word| word.text.clone())
}

/// The commands of `find … -exec COMMAND … ;`.
fn executed(rest: &[Word]) -> Vec<Inner> {
    const STARTS: &[&str] = &["-exec", "-execdir", "-ok", "-okdir", "-x", "-X", "--exec", "--exec-batch"];
    let mut found = Vec::new();
    let mut rest = rest;
    while let Some(at) = rest.iter().position(|word| STARTS.contains(&word.text.as_str())) {
        rest = &rest[at + 1..];
        let end = rest.iter().position(|word| matches!(word.text.as_str(), ";" | "+")).unwrap_or(rest.len());
        if end > 0 {
            found.push(Inner::Words(rest[..end].to_vec()));
        }
    }
    found
}

fn join(words: &[Word]) -> String {
    words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
}
