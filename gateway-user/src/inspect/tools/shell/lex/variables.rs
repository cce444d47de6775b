//! What a script's own words say about its variables.

use super::{Command, Lexer};
use crate::inspect::tools::shell::words::Word;

impl Lexer {
    /// `for NAME in WORDS` and `read NAME` give variables values.
    pub(super) fn bind(&mut self, command: &Command) {
        let text = |at: usize| command.words.get(at).map_or("", |word| word.text.as_str());
        match text(0) {
            "for" | "select" => {
                let values = command.words.iter().skip(3);
                let known = values.clone().all(|word| !word.unknown);
                let values =
                    if known { values.map(|word| word.text.clone()).take(16).collect() } else { vec![] };
                self.variables.insert(text(1).to_owned(), values);
            }
            "export" | "declare" | "local" | "readonly" | "typeset" => {
                for (name, value) in command.words.iter().skip(1).filter_map(assignment) {
                    let values = if value.unknown { vec![] } else { vec![value.text] };
                    self.variables.insert(name, values);
                }
            }
            "read" | "mapfile" | "readarray" => {
                for word in command.words.iter().skip(1) {
                    self.variables.insert(word.text.clone(), vec![]);
                }
            }
            _ => {}
        }
    }
}

/// A word that gives a variable a value.
pub(super) fn assignment(word: &Word) -> Option<(String, Word)> {
    let (name, value) = word.text.split_once('=')?;
    let name = name.strip_suffix('+').unwrap_or(name);
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let is_name = !name.is_empty() && !name.as_bytes()[0].is_ascii_digit() && name.bytes().all(sound);
    is_name.then(|| (name.to_owned(), Word { text: value.to_owned(), ..word.clone() }))
}
