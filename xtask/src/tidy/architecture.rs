//! Checks of the architecture: which room imports which, and where the kernel library may be named.

use super::source::Source;
use super::{Complaint, ROOMS, Tree};

/// The library that talks to the kernel, and the only place that may name it.
const KERNEL_LIBRARY: &str = "aya";
const KERNEL_ROOM: &str = "gateway-user/src/capture/steer";
const CRATE: &str = "gateway-user/src/";

/// A room imports only rooms that stand before it in [`ROOMS`]. Tests may import any.
pub fn imports(tree: &Tree, complaints: &mut Vec<Complaint>) {
    for source in &tree.sources {
        let Some(room) = room_of(&source.path) else { continue };
        let Some(place) = ROOMS.iter().position(|name| *name == room) else { continue };
        for (line, imported) in imported(source) {
            if ROOMS.iter().position(|name| *name == imported).is_some_and(|other| other > place) {
                let what =
                    format!("`{room}` may not import `{imported}`: it stands later in the order of rooms");
                complaints.push(Complaint::new(&source.path, line, what));
            }
        }
    }
}

/// Every folder and file of the crate is a room in the list, and every room exists.
pub fn rooms(tree: &Tree, complaints: &mut Vec<Complaint>) {
    for source in &tree.sources {
        if let Some(room) = room_of(&source.path)
            && !ROOMS.contains(&room)
        {
            let what = format!("`{room}` is in no order of rooms: add it to ROOMS in xtask/src/tidy.rs");
            complaints.push(Complaint::new(&source.path, 0, what));
        }
    }
}

/// Only `capture::steer` names the kernel library.
pub fn kernel_library(tree: &Tree, complaints: &mut Vec<Complaint>) {
    for source in tree.sources.iter().filter(|source| source.path.starts_with(CRATE)) {
        if source.path.starts_with(KERNEL_ROOM) {
            continue;
        }
        for (line, code) in source.code.iter().enumerate() {
            if words(code).any(|(_, word)| word == KERNEL_LIBRARY) {
                let what = format!("only {KERNEL_ROOM} may name `{KERNEL_LIBRARY}`");
                complaints.push(Complaint::new(&source.path, line + 1, what));
            }
        }
    }
}

/// The room a file belongs to; none for the crate's own `lib.rs` and `main.rs`.
fn room_of(path: &str) -> Option<&str> {
    let inside = path.strip_prefix(CRATE)?;
    let room = inside.split('/').next()?;
    match room.strip_suffix(".rs") {
        Some("lib" | "main") => None,
        Some(file) => Some(file),
        None => Some(room),
    }
}

/// The rooms that the production code of a file names, as `crate::room` or inside `crate::{…}`, with the line.
fn imported(source: &Source) -> Vec<(usize, String)> {
    let mut text = String::new();
    let mut lines = Vec::new();
    for (line, code) in source.production() {
        text.push_str(code);
        text.push('\n');
        lines.resize(text.len(), line);
    }
    let mut found = Vec::new();
    for (start, word) in words(&text).filter(|(_, word)| *word == "crate") {
        let after = &text[start + word.len()..];
        let Some(path) = after.trim_start().strip_prefix("::") else { continue };
        let path = path.trim_start();
        match path.strip_prefix('{') {
            Some(group) => found.extend(heads_of_group(group).map(|head| (lines[start], head))),
            None => found.extend(words(path).next().map(|(_, head)| (lines[start], head.to_owned()))),
        }
    }
    found
}

/// The first word of every member of a `{a::b, c::{d, e}}` group, given what follows its opening brace.
fn heads_of_group(group: &str) -> impl Iterator<Item = String> {
    let mut depth = 0_usize;
    let mut members = vec![String::new()];
    for character in group.chars() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => members.push(String::new()),
            _ => {}
        }
        if let Some(member) = members.last_mut() {
            member.push(character);
        }
    }
    members.into_iter().filter_map(|member| words(&member).next().map(|(_, word)| word.to_owned()))
}

/// The identifiers of a text, each with its place.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let word = |character: char| character.is_alphanumeric() || character == '_';
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + text[at..].find(word)?;
        let length = text[start..].find(|character| !word(character)).unwrap_or(text.len() - start);
        at = start + length;
        Some((start, &text[start..at]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::complaints;

    fn check(path: &str, code: &str, expected: &[&str]) {
        assert_eq!(complaints(imports, &[(path, code)]), expected, "{code}");
    }

    #[test]
    fn rooms_import_only_to_the_left() {
        let wire = "gateway-user/src/wire/sse.rs";
        check(wire, "use crate::store::Store;\nuse crate::wire::event;", &[]);
        let flow = "gateway-user/src/wire/sse.rs:2: `wire` may not import `flow`: it stands later in the order of rooms";
        check(wire, "\nuse crate::flow::Path;", &[flow]);
        check(wire, "\nfn f() { crate::flow::path() }", &[flow]);
        check(wire, "\nuse crate::{store::{Store, flow}, flow};", &[flow]);
        check(wire, "\n// crate::flow\nlet x = \"crate::flow\";", &[]);
        check(wire, "#[cfg(test)]\nmod tests {\n    use crate::flow;\n}", &[]);
        check("gateway-user/src/main.rs", "use crate::cli;", &[]);
    }

    #[test]
    fn every_folder_is_a_room() {
        assert_eq!(
            complaints(rooms, &[("gateway-user/src/wire/sse.rs", ""), ("gateway-user/src/lib.rs", "")]),
            [""; 0]
        );
        assert_eq!(complaints(rooms, &[("gateway-user/src/misc.rs", "")]).len(), 1);
    }

    #[test]
    fn one_room_names_the_kernel_library() {
        let code = "use aya::Ebpf;";
        assert_eq!(complaints(kernel_library, &[("gateway-user/src/capture/steer/maps.rs", code)]), [""; 0]);
        assert_eq!(complaints(kernel_library, &[("gateway-user/src/capture/listen.rs", code)]).len(), 1);
        assert_eq!(
            complaints(kernel_library, &[("gateway-user/src/capture/listen.rs", "// aya\nlet ayame = 1;")]),
            [""; 0]
        );
    }
}
