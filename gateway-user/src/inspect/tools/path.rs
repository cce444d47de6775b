//! Paths in arguments: whether one leads out of the sandbox, in all the ways it can be written.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::inspect::tools::Disk;

/// Longest path that is read, in bytes (twice Linux's `PATH_MAX`); longer ones are outside.
const LONGEST_PATH: usize = 8192;

/// Devices that hold nothing and reach nobody.
const HARMLESS: &[&str] = &[
    "/dev/null",
    "/dev/zero",
    "/dev/stdin",
    "/dev/stdout",
    "/dev/stderr",
    "/dev/tty",
    "/dev/random",
    "/dev/urandom",
];

/// The folders in which paths must lie.
#[derive(Debug)]
pub struct Sandbox {
    /// As configured, and as they are with all links followed.
    roots: Vec<PathBuf>,
    disk: Arc<dyn Disk>,
}

impl Sandbox {
    /// A sandbox of these folders; relative ones count from the working directory of the gateway.
    pub fn new(folders: &[PathBuf], disk: Arc<dyn Disk>) -> Sandbox {
        let mut roots = Vec::new();
        for folder in folders {
            let root = std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
            let root = normal(&root);
            let real = disk.resolve(&root).filter(|real| *real != root);
            roots.push(root);
            roots.extend(real);
        }
        Sandbox { roots, disk }
    }

    /// Where relative paths count from.
    pub fn root(&self) -> &Path {
        self.roots.first().map_or(Path::new("/"), PathBuf::as_path)
    }

    /// Whether a path in an argument lies inside, however a tool may read it. Relative ones count from `folder`.
    pub fn holds(&self, folder: &Path, given: &str) -> bool {
        if given.len() > LONGEST_PATH || given.chars().any(char::is_control) {
            return false;
        }
        let Some(readings) = readings(given) else { return false };
        readings.iter().all(|reading| self.holds_plain(folder, reading))
    }

    /// Whether a path lies inside that means what it says.
    pub fn holds_plain(&self, folder: &Path, path: &str) -> bool {
        let path = normal(&folder.join(path));
        if path.to_str().is_some_and(|path| HARMLESS.contains(&path)) {
            return true;
        }
        self.is_inside(&path) && self.disk.resolve(&path).is_none_or(|real| self.is_inside(&normal(&real)))
    }

    fn is_inside(&self, path: &Path) -> bool {
        self.roots.iter().any(|root| path.starts_with(root))
    }
}

/// A path without `.`, `..` and double slashes; `..` of the root is the root.
pub fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::ParentDir => {
                out.pop();
            }
            Component::Normal(name) => out.push(name),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    out
}

/// The paths that a text may stand for. `None` if one of them cannot be followed: a home folder, a variable, another
/// machine, a form of Windows.
fn readings(given: &str) -> Option<Vec<String>> {
    let mut readings = vec![given.to_owned()];
    let trimmed = given.trim();
    if trimmed != given {
        readings.push(trimmed.to_owned());
    }
    // Twice, as proxies and frameworks undo the escapes of each other.
    for _ in 0..2 {
        let last = readings.last().map(String::as_str).unwrap_or_default();
        let Some(decoded) = unescaped(last)? else { break };
        readings.push(decoded);
    }
    for reading in readings.clone() {
        let plain = lookalikes(&reading);
        if plain != reading {
            readings.push(plain);
        }
    }
    let mut paths = Vec::with_capacity(readings.len());
    for reading in readings {
        let path = without_scheme(&reading)?;
        if !is_followable(path) {
            return None;
        }
        paths.push(path.replace('\\', "/"));
        paths.push(path.to_owned());
    }
    Some(paths)
}

/// A text with its percent escapes undone; `Some(None)` where it has none, `None` where the result is no text.
fn unescaped(text: &str) -> Option<Option<String>> {
    if !text.contains('%') {
        return Some(None);
    }
    let mut out = Vec::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let digits = bytes.get(at + 1..at + 3).and_then(|two| std::str::from_utf8(two).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| byte == b'%') {
            Some(decoded) => {
                out.push(decoded);
                at += 3;
            }
            None => {
                out.push(byte);
                at += 1;
            }
        }
    }
    // Overlong forms such as %c0%ae are no UTF-8.
    let text = String::from_utf8(out).ok()?;
    (!text.chars().any(char::is_control)).then_some(Some(text))
}

/// A text with the characters that some programs take for `/`, `\` and `.` as what they are taken for.
fn lookalikes(text: &str) -> String {
    let plain = |letter: char| match letter {
        '\u{2215}' | '\u{2044}' | '\u{FF0F}' | '\u{29F8}' => "/".to_owned(),
        '\u{FF3C}' | '\u{2216}' | '\u{29F5}' => "\\".to_owned(),
        '\u{2024}' | '\u{FF0E}' | '\u{3002}' | '\u{FF61}' => ".".to_owned(),
        '\u{2025}' => "..".to_owned(),
        '\u{FF5E}' => "~".to_owned(),
        '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{FEFF}' | '\u{AD}' => String::new(),
        other => other.to_string(),
    };
    text.chars().map(plain).collect()
}

/// A path out of a `file:` URL (RFC 8089); other texts as they are. `None` where it is on another machine.
fn without_scheme(text: &str) -> Option<&str> {
    let Some(rest) = text.get(..5).filter(|start| start.eq_ignore_ascii_case("file:")).map(|_| &text[5..])
    else {
        return Some(text);
    };
    let Some(authority) = rest.strip_prefix("//") else { return Some(rest) };
    let slash = authority.find('/')?;
    let (host, path) = authority.split_at(slash);
    (host.is_empty() || host.eq_ignore_ascii_case("localhost")).then_some(path)
}

/// Whether it can be said where a path leads.
fn is_followable(path: &str) -> bool {
    let bytes = path.as_bytes();
    let home = path.starts_with('~');
    let variable = path.contains("${") || path.contains("$(") || path.contains('`') || {
        path.match_indices('$')
            .any(|(at, _)| bytes.get(at + 1).is_some_and(|next| next.is_ascii_alphabetic() || *next == b'_'))
    };
    let windows_variable = path.split('%').nth(2).is_some() && {
        let name = path.split('%').nth(1).unwrap_or_default();
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let drive = bytes.len() >= 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':';
    let share = path.starts_with("\\\\") || path.starts_with("//");
    !(home || variable || windows_variable || drive || share)
}
