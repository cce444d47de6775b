//! The built-in checks of arguments: which of them are paths, addresses and shell commands.

mod kinds;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::{ToolPolicy, Tools};
use crate::inspect::tools::arguments::Argument;
use crate::inspect::tools::glob::fits;
use crate::inspect::tools::path::Sandbox;
use crate::inspect::tools::shell::{self, Command, Word, base};
use crate::inspect::tools::{Because, Disk, address};
use kinds::{
    Sort, is_file_url, is_program, is_reached_public, is_word_inside, looks_like_path, patched, plain, sort,
};

/// The checks that are on.
#[derive(Debug)]
pub struct Checks {
    sandbox: Option<Sandbox>,
    net: bool,
    shell: bool,
    commands: Vec<String>,
}

/// Commands whose words are hosts.
const REACHING: &[&str] = &[
    "curl",
    "wget",
    "nc",
    "ncat",
    "netcat",
    "ssh",
    "scp",
    "sftp",
    "rsync",
    "telnet",
    "ftp",
    "ping",
    "ping6",
    "dig",
    "nslookup",
    "host",
    "http",
    "https",
    "xh",
    "socat",
    "openssl",
    "psql",
    "mysql",
    "redis-cli",
    "mongosh",
];

/// Programs that print or compare words and open none of them.
const ONLY_SAY: &[&str] = &[
    "echo", "printf", "test", "[", "[[", "true", "false", "exit", "return", "set", "shift", "kill", "expr",
    "seq", "sleep", "export", "local", "declare", "unset", "read", "alias",
];

impl Checks {
    pub fn new(tools: &Tools, disk: Arc<dyn Disk>) -> Checks {
        let has = |policy| tools.policies.contains(&policy);
        Checks {
            sandbox: has(ToolPolicy::FsSafe).then(|| Sandbox::new(&tools.sandbox, disk)),
            net: has(ToolPolicy::NetSafe),
            shell: has(ToolPolicy::ShellSafe),
            commands: tools.commands.clone(),
        }
    }

    /// Whether anything is checked.
    pub fn any(&self) -> bool {
        self.sandbox.is_some() || self.net || self.shell || !self.commands.is_empty()
    }

    /// What speaks against a call with these values.
    pub fn judge(&self, tool: &str, values: &[Argument]) -> Option<Because> {
        let folder = match self.folder(values) {
            Ok(folder) => folder,
            Err(because) => return Some(because),
        };
        let mut at = 0;
        while let Some(one) = values.get(at) {
            let items =
                values[at..].iter().take_while(|next| next.array.is_some() && next.array == one.array);
            let count = items.count().max(1);
            let because = match sort(tool, &one.key) {
                Sort::Script => self.script(&folder, &values[at..at + count]),
                sort => values[at..at + count].iter().find_map(|one| self.value(sort, &folder, &one.value)),
            };
            if because.is_some() {
                return because;
            }
            at += count;
        }
        None
    }

    /// The folder in which a call runs, where it says one.
    fn folder(&self, values: &[Argument]) -> Result<PathBuf, Because> {
        const KEYS: &[&str] = &["cwd", "workdir", "workingdirectory", "workingdir", "currentdirectory"];
        let Some(sandbox) = &self.sandbox else { return Ok(PathBuf::from("/")) };
        let named = values.iter().filter(|one| KEYS.contains(&plain(&one.key).as_str()));
        let mut folder = sandbox.root().to_owned();
        for one in named {
            if !sandbox.holds(sandbox.root(), &one.value) {
                return Err(Because::Path);
            }
            folder = folder.join(&one.value);
        }
        Ok(folder)
    }

    fn value(&self, sort: Sort, folder: &Path, value: &str) -> Option<Because> {
        let is_path = match sort {
            Sort::Path => !value.contains("://") || is_file_url(value),
            Sort::Prose => false,
            _ => looks_like_path(value),
        };
        if is_path
            && let Some(sandbox) = &self.sandbox
            && !sandbox.holds(folder, value)
        {
            return Some(Because::Path);
        }
        if let Some(sandbox) = &self.sandbox
            && patched(value).any(|path| !sandbox.holds(folder, path))
        {
            return Some(Because::Path);
        }
        let public = match sort {
            Sort::Host => address::is_public(value),
            Sort::Prose => true,
            _ => address::urls_are_public(value),
        };
        (self.net && !public).then_some(Because::Address)
    }

    /// A script, or the words of one command.
    fn script(&self, folder: &Path, values: &[Argument]) -> Option<Because> {
        let read = match values {
            [one] if one.array.is_none() => shell::read(&one.value),
            words => shell::read_words(&words.iter().map(|one| one.value.as_str()).collect::<Vec<_>>()),
        };
        let Ok(commands) = read else { return Some(Because::Command) };
        if self.shell && shell::is_harmful(&commands)
            || commands.iter().any(|command| self.is_denied(command))
        {
            return Some(Because::Command);
        }
        let mut folder = folder.to_owned();
        commands.iter().find_map(|command| {
            let because = self.command(&folder, command);
            if command.words.first().is_some_and(|word| base(word) == "cd")
                && let Some(to) = command.words.get(1)
            {
                folder.push(&to.text);
            }
            because
        })
    }

    fn is_denied(&self, command: &Command) -> bool {
        self.commands.iter().any(|pattern| {
            let mut wanted = pattern.split_whitespace().enumerate();
            wanted.all(|(at, wanted)| {
                command
                    .words
                    .get(at)
                    .is_some_and(|word| fits(wanted, if at == 0 { base(word) } else { &word.text }))
            })
        })
    }

    /// The words of one command, as paths and hosts.
    fn command(&self, folder: &Path, command: &Command) -> Option<Because> {
        let name = command.words.first().map(base).unwrap_or_default();
        if let Some(sandbox) = &self.sandbox {
            let says = ONLY_SAY.contains(&name);
            let rest = command.words.iter().enumerate().filter(|(at, word)| !(*at == 0 && is_program(word)));
            let words = rest.map(|(_, word)| word).filter(|_| !says);
            let files = command.reads.iter().chain(&command.writes);
            let values =
                command.assigns.iter().map(|(_, value)| value).filter(|value| value.text.starts_with('/'));
            let loops = matches!(name, "cd" | "pushd") && command.words.len() == 1;
            if loops || words.chain(files).chain(values).any(|word| !is_word_inside(sandbox, folder, word)) {
                return Some(Because::Path);
            }
        }
        let reaches = self.net && REACHING.contains(&name);
        let hosts = command.words.iter().skip(1).filter(|_| self.net);
        let bad = hosts.filter(|word| !is_reached_public(word, reaches)).count();
        let socket = |word: &Word| {
            let rest = word.text.strip_prefix("/dev/tcp/").or(word.text.strip_prefix("/dev/udp/"));
            rest.is_some_and(|rest| !address::is_public(rest.split('/').next().unwrap_or_default()))
        };
        let sockets =
            command.writes.iter().chain(&command.reads).filter(|word| self.net && socket(word)).count();
        (bad + sockets > 0).then_some(Because::Address)
    }
}
