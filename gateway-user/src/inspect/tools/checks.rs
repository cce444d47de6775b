//! The built-in checks of arguments: which of them are paths, addresses and shell commands.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::{ToolPolicy, Tools};
use crate::inspect::tools::arguments::Argument;
use crate::inspect::tools::glob::fits;
use crate::inspect::tools::path::Sandbox;
use crate::inspect::tools::shell::{self, Command, Word, base};
use crate::inspect::tools::{Because, Disk, address};

/// The checks that are on.
#[derive(Debug)]
pub struct Checks {
    sandbox: Option<Sandbox>,
    net: bool,
    shell: bool,
    commands: Vec<String>,
}

/// What a value is read as, by its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Path,
    Host,
    Script,
    /// Text of its own, in which a path or an address is only named.
    Prose,
    Other,
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

/// Folders of the programs that every system has.
const PROGRAMS: &[&str] =
    &["/bin/", "/usr/bin/", "/usr/local/bin/", "/sbin/", "/usr/sbin/", "/opt/homebrew/bin/"];

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

/// Whether a word of a command, if it is a path, lies inside.
fn is_word_inside(sandbox: &Sandbox, folder: &Path, word: &Word) -> bool {
    if word.home || word.unknown {
        return false;
    }
    // `--output=/path`, `-I/path`, `of=/path`.
    let text = word.text.as_str();
    let value = text.split_once('=').map(|(_, value)| value);
    let glued = text.strip_prefix('-').and_then(|rest| rest.find('/').map(|at| &rest[at..]));
    let whole = (!text.starts_with('-')).then_some(text);
    let mut parts = [whole, value, glued].into_iter().flatten().filter(|part| is_path_word(part));
    // A shell has undone its own escapes; percent signs are no escapes to it.
    parts.all(|part| part.len() < 4096 && sandbox.holds_plain(folder, &dotted(part)))
}

/// Whether a word can name something outside: relative words without `..` cannot, but through a link.
fn is_path_word(word: &str) -> bool {
    let url = word.contains("://") && !is_file_url(word);
    !word.is_empty() && !url && word.len() < 4096 && !word.contains(['\n', '\0'])
}

/// A path in which patterns that `..` fits are `..`.
fn dotted(path: &str) -> String {
    let path = path.strip_prefix("file://").unwrap_or(path);
    let part = |part: &str| {
        let pattern = part.starts_with('.') && part.contains(['*', '?', '[']) && fits(part, "..");
        if pattern { "..".to_owned() } else { part.to_owned() }
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

fn is_program(word: &Word) -> bool {
    !word.unknown
        && PROGRAMS.iter().any(|folder| {
            word.text.strip_prefix(folder).is_some_and(|name| !name.is_empty() && !name.contains('/'))
        })
}

fn is_reached_public(word: &Word, reaches: bool) -> bool {
    let text = word.text.as_str();
    if text.contains("://") || !reaches {
        return address::urls_are_public(text);
    }
    if text.starts_with('-') || word.unknown && text.is_empty() {
        return true;
    }
    // `user@host:path` of ssh and its like.
    let host = text.rsplit('@').next().unwrap_or(text);
    let host = if host.starts_with('[') { host } else { host.split(['/', ':']).next().unwrap_or(host) };
    let is_host = host.parse::<std::net::IpAddr>().is_ok()
        || host.eq_ignore_ascii_case("localhost")
        || host.starts_with('[')
        || host.starts_with("0x")
        || host.contains('.') && !host.starts_with('.')
        || host.len() > 6 && host.bytes().all(|byte| byte.is_ascii_digit());
    !is_host || address::is_public_host(host)
}

fn is_file_url(value: &str) -> bool {
    value.trim().get(..5).is_some_and(|start| start.eq_ignore_ascii_case("file:"))
}

/// The files that a patch changes (`*** Update File: PATH` of apply_patch).
fn patched(text: &str) -> impl Iterator<Item = &str> {
    const STARTS: &[&str] = &["*** Add File: ", "*** Update File: ", "*** Delete File: ", "*** Move to: "];
    let is_patch = text.contains("*** Begin Patch");
    let lines = text.lines().filter(move |_| is_patch);
    lines.filter_map(|line| STARTS.iter().find_map(|start| line.trim_start().strip_prefix(start)))
}

/// Whether a value under an unknown key is a path: it begins like one that leads somewhere, and is one line.
fn looks_like_path(value: &str) -> bool {
    let value = value.trim();
    let rooted =
        value.starts_with('/') && value.len() > 1 && !value.starts_with("//") && !value.starts_with("/*");
    let above = value.split(['/', '\\']).any(|part| part == "..");
    let home =
        value == "~" || value.starts_with("~/") || value.starts_with("$HOME") || value.starts_with("${HOME}");
    let bytes = value.as_bytes();
    let windows = bytes.len() > 2
        && bytes[0].is_ascii_alphabetic()
        && bytes[1] == b':'
        && matches!(bytes[2], b'\\' | b'/');
    let escaped = value.to_ascii_lowercase();
    let escaped = escaped.starts_with("%2f")
        || escaped.starts_with("%2e%2e")
        || escaped.contains("..%2f")
        || escaped.contains("%2e%2e/");
    let line = !value.contains('\n') && value.len() <= 4096;
    line && (rooted || above || home || windows || escaped || is_file_url(value) || value.starts_with("\\\\"))
}

/// A key in lower case without `_` and `-`.
fn plain(key: &str) -> String {
    key.chars().filter(|letter| letter.is_alphanumeric()).map(|letter| letter.to_ascii_lowercase()).collect()
}

/// What the values of a key are read as.
fn sort(tool: &str, key: &str) -> Sort {
    const SCRIPTS: &[&str] = &[
        "command",
        "cmd",
        "commands",
        "script",
        "bash",
        "shell",
        "sh",
        "argv",
        "shellcommand",
        "commandline",
        "cmdline",
        "exec",
    ];
    const HOSTS: &[&str] = &[
        "host",
        "hostname",
        "ip",
        "ipaddress",
        "domain",
        "server",
        "address",
        "addr",
        "hosts",
        "proxy",
        "remote",
    ];
    const PROSE: &[&str] = &[
        "content",
        "contents",
        "text",
        "body",
        "message",
        "prompt",
        "description",
        "oldstring",
        "newstring",
        "oldstr",
        "newstr",
        "filetext",
        "pattern",
        "regex",
        "query",
        "title",
        "explanation",
        "thought",
        "thoughts",
        "reason",
        "summary",
        "comment",
        "instructions",
        "question",
        "answer",
        "newsource",
        "todos",
        "explain",
        "justification",
        "reasoning",
        "note",
        "subject",
        "code",
        "oldcode",
        "newcode",
    ];
    let key = plain(key);
    let named = |ends: &[&str]| ends.iter().any(|end| key.ends_with(end));
    let shell =
        matches!(plain(tool).as_str(), "bash" | "shell" | "sh" | "terminal" | "localshell" | "execcommand");
    if SCRIPTS.contains(&key.as_str()) || shell && matches!(key.as_str(), "input" | "code" | "args") {
        Sort::Script
    } else if HOSTS.contains(&key.as_str())
        || named(&["url", "uri", "urls", "endpoint", "baseurl", "href", "hostname", "website"])
    {
        Sort::Host
    } else if PROSE.contains(&key.as_str()) {
        Sort::Prose
    } else if named(&[
        "path",
        "paths",
        "file",
        "files",
        "filename",
        "filenames",
        "filepath",
        "dir",
        "directory",
        "folder",
        "cwd",
        "workdir",
    ]) || matches!(
        key.as_str(),
        "root"
            | "source"
            | "src"
            | "destination"
            | "dest"
            | "dst"
            | "target"
            | "output"
            | "outfile"
            | "infile"
            | "from"
            | "to"
    ) {
        Sort::Path
    } else {
        Sort::Other
    }
}
