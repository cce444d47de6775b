//! What the words of a command and the values of an argument are: paths, addresses, programs, prose.

use std::path::Path;

use crate::inspect::tools::address;
use crate::inspect::tools::glob::fits;
use crate::inspect::tools::path::Sandbox;
use crate::inspect::tools::shell::Word;

/// What a value is read as, by its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    Path,
    Host,
    Script,
    /// Text of its own, in which a path or an address is only named.
    Prose,
    Other,
}

/// Folders of the programs that every system has.
const PROGRAMS: &[&str] =
    &["/bin/", "/usr/bin/", "/usr/local/bin/", "/sbin/", "/usr/sbin/", "/opt/homebrew/bin/"];

/// Whether a word of a command, if it is a path, lies inside.
pub fn is_word_inside(sandbox: &Sandbox, folder: &Path, word: &Word) -> bool {
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

pub fn is_program(word: &Word) -> bool {
    !word.unknown
        && PROGRAMS.iter().any(|folder| {
            word.text.strip_prefix(folder).is_some_and(|name| !name.is_empty() && !name.contains('/'))
        })
}

pub fn is_reached_public(word: &Word, reaches: bool) -> bool {
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

pub fn is_file_url(value: &str) -> bool {
    value.trim().get(..5).is_some_and(|start| start.eq_ignore_ascii_case("file:"))
}

/// The files that a patch changes (`*** Update File: PATH` of apply_patch).
pub fn patched(text: &str) -> impl Iterator<Item = &str> {
    const STARTS: &[&str] = &["*** Add File: ", "*** Update File: ", "*** Delete File: ", "*** Move to: "];
    let is_patch = text.contains("*** Begin Patch");
    let lines = text.lines().filter(move |_| is_patch);
    lines.filter_map(|line| STARTS.iter().find_map(|start| line.trim_start().strip_prefix(start)))
}

/// Whether a value under an unknown key is a path: it begins like one that leads somewhere, and is one line.
pub fn looks_like_path(value: &str) -> bool {
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
pub fn plain(key: &str) -> String {
    key.chars().filter(|letter| letter.is_alphanumeric()).map(|letter| letter.to_ascii_lowercase()).collect()
}

/// What the values of a key are read as.
pub fn sort(tool: &str, key: &str) -> Sort {
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
