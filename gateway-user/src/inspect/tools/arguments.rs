//! The arguments of a call as a flat list: each string, number and key with the place it stands in.

use std::fmt::Write as _;

use crate::wire::escape;
use crate::wire::json::{JsonError, Token, Tokens};

/// Most values of one call; more are unreadable.
const MOST_VALUES: usize = 1 << 16;

/// Most bytes of all pointers of one call; with more, its arguments are unreadable.
const MOST_POINTERS: usize = 16 << 20;

/// One value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// Its JSON pointer (RFC 6901).
    pub pointer: String,
    /// The key it stands under; of items of an array, the key of the array.
    pub key: String,
    /// The array it is an item of, by number.
    pub array: Option<usize>,
    /// Its text.
    pub value: String,
}

/// Why arguments cannot be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

impl From<JsonError> for Unreadable {
    fn from(_: JsonError) -> Unreadable {
        Unreadable
    }
}

/// Lists the values of arguments in JSON, all of them where a key stands twice. Keys that look like paths or addresses
/// are values, too. Nothing at all is an empty list.
pub fn read(json: &[u8]) -> Result<Vec<Argument>, Unreadable> {
    if json.trim_ascii().is_empty() {
        return Ok(Vec::new());
    }
    let mut walk = Walk { json, values: Vec::new(), path: Vec::new(), arrays: 0, pointers: 0 };
    let mut tokens = Tokens::new(json);
    while let Some(token) = tokens.next_token()? {
        walk.token(token);
        if walk.values.len() > MOST_VALUES || walk.pointers > MOST_POINTERS {
            return Err(Unreadable);
        }
    }
    Ok(walk.values)
}

/// A text that is no JSON, as the only argument.
pub fn plain(text: &[u8]) -> Vec<Argument> {
    let value = String::from_utf8_lossy(text).into_owned();
    vec![Argument { pointer: String::new(), key: "input".to_owned(), array: None, value }]
}

/// A container that is open: the key or the place in it.
enum Step {
    Key(String),
    Item(usize, usize),
}

struct Walk<'a> {
    json: &'a [u8],
    values: Vec<Argument>,
    path: Vec<Step>,
    arrays: usize,
    pointers: usize,
}

impl Walk<'_> {
    fn token(&mut self, token: Token) {
        match token {
            Token::ObjectStart(_) => self.path.push(Step::Key(String::new())),
            Token::ArrayStart(_) => {
                self.path.push(Step::Item(self.arrays, 0));
                self.arrays += 1;
            }
            Token::ObjectEnd(_) | Token::ArrayEnd(_) => {
                self.path.pop();
                self.count();
            }
            Token::Key(span, escaped) => {
                let key = self.text(span.of(self.json), escaped);
                if key.contains(['/', '\\', '~', ':']) {
                    self.value(key.clone());
                }
                if let Some(Step::Key(current)) = self.path.last_mut() {
                    *current = key;
                }
            }
            Token::String(span, escaped) => {
                let text = self.text(span.of(self.json), escaped);
                self.value(text);
                self.count();
            }
            Token::Number(span) | Token::Bool(span, _) => {
                self.value(String::from_utf8_lossy(span.of(self.json)).into_owned());
                self.count();
            }
            Token::Null(_) => self.count(),
        }
    }

    fn text(&self, raw: &[u8], escaped: bool) -> String {
        if !escaped {
            return String::from_utf8_lossy(raw).into_owned();
        }
        let mut decoded = Vec::with_capacity(raw.len());
        escape::decode(raw, &mut decoded);
        String::from_utf8_lossy(&decoded).into_owned()
    }

    /// A value of an array is followed by the next.
    fn count(&mut self) {
        if let Some(Step::Item(_, at)) = self.path.last_mut() {
            *at += 1;
        }
    }

    fn value(&mut self, value: String) {
        let mut pointer = String::new();
        let mut key = "";
        for step in &self.path {
            match step {
                Step::Key(name) => {
                    pointer.push('/');
                    pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
                    key = name;
                }
                Step::Item(_, at) => write!(pointer, "/{at}").expect("writing to a string cannot fail"),
            }
        }
        let array = match self.path.last() {
            Some(Step::Item(array, _)) => Some(*array),
            _ => None,
        };
        self.pointers += pointer.len();
        self.values.push(Argument { pointer, key: key.to_owned(), array, value });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_its_place() {
        let json = br#"{"a":"x","b":{"c/d":[1,{"e":"\u002fetc"},"z"]},"a":"y","/k":null}"#;
        let found: Vec<(String, String, Option<usize>, String)> = read(json)
            .expect("JSON")
            .into_iter()
            .map(|one| (one.pointer, one.key, one.array, one.value))
            .collect();
        let row = |pointer: &str, key: &str, array, value: &str| {
            (pointer.to_owned(), key.to_owned(), array, value.to_owned())
        };
        assert_eq!(
            found,
            [
                row("/a", "a", None, "x"),
                row("/b/", "", None, "c/d"),
                row("/b/c~1d/0", "c/d", Some(0), "1"),
                row("/b/c~1d/1/e", "e", None, "/etc"),
                row("/b/c~1d/2", "c/d", Some(0), "z"),
                row("/a", "a", None, "y"),
                row("/a", "a", None, "/k"),
            ]
        );
    }

    #[test]
    fn what_is_no_json_is_unreadable() {
        for text in ["{", "{}{}", "{\"a\":}", "rm -rf /", "[1,]"] {
            assert_eq!(read(text.as_bytes()), Err(Unreadable), "{text}");
        }
        assert_eq!(read(b" "), Ok(vec![]));
    }
}
