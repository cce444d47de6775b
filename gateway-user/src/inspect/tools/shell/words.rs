//! Words of a shell: quotes undone, expansions done as far as they can be known.

use crate::inspect::tools::shell::lex::{Lexer, Unreadable};

/// Most words that braces and variables make out of one.
const MOST_WORDS: usize = 64;

/// Longest word, in bytes.
const LONGEST_WORD: usize = 64 << 10;

/// Stands where a value splits a word.
const SPLIT: char = '\u{1F}';

/// A word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Word {
    /// Its text, as far as it is known.
    pub text: String,
    /// A part of it cannot be known: the output of a command, or a variable nobody set.
    pub unknown: bool,
    /// Some of it stands in quotes.
    pub quoted: bool,
    /// It begins with `~` outside of quotes.
    pub home: bool,
    /// It holds `*`, `?` or `[` outside of quotes.
    pub glob: bool,
}

impl Word {
    /// Whether it stands behind `>&` for a descriptor, and not for a file.
    pub fn is_descriptor(&self) -> bool {
        !self.unknown && self.text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
    }

    fn push(&mut self, letter: char) {
        self.text.push(letter);
    }
}

impl Lexer {
    /// Reads one word, which expansions may turn into several.
    pub(super) fn read_word(&mut self) -> Result<Vec<Word>, Unreadable> {
        let mut words = vec![Word::default()];
        let mut braces = false;
        while let Some(letter) = self.peek(0) {
            if words[0].text.len() > LONGEST_WORD || words.len() > MOST_WORDS {
                return Err(Unreadable);
            }
            match letter {
                ' ' | '\t' | '\r' | '\n' | ';' | '&' | '|' | ')' => break,
                '<' | '>' if self.peek(1) == Some('(') => {
                    self.at += 2;
                    self.nested(Some(')'), false)?;
                    words.iter_mut().for_each(|word| word.unknown = true);
                }
                '<' | '>' => break,
                '(' if words.iter().all(|word| word.text.ends_with('=')) && !words[0].text.is_empty() => {
                    // The values of an array.
                    self.at += 1;
                    self.nested(Some(')'), false)?;
                    words.iter_mut().for_each(|word| word.unknown = true);
                }
                '(' => break,
                '\\' => self.escaped(&mut words),
                '\'' => self.single(&mut words)?,
                '"' => self.double(&mut words)?,
                '$' => self.dollar(&mut words, false)?,
                '`' => {
                    let mut unknown = Word::default();
                    self.backtick(&mut unknown)?;
                    words.iter_mut().for_each(|word| word.unknown = true);
                }
                _ => {
                    self.at += 1;
                    braces |= letter == '{';
                    for word in &mut words {
                        word.home |= letter == '~' && word.text.is_empty() && !word.quoted;
                        word.glob |= matches!(letter, '*' | '?' | '[');
                        word.push(letter);
                    }
                }
            }
        }
        if words.iter().any(|word| word.text.contains(SPLIT)) {
            words = words.iter().flat_map(split).collect();
        }
        if braces {
            return expand(words);
        }
        // What expands to nothing is no word.
        words.retain(|word| !word.text.is_empty() || word.quoted || word.unknown);
        Ok(words)
    }

    fn escaped(&mut self, words: &mut [Word]) {
        match self.peek(1) {
            Some('\n') | None => {}
            Some(letter) => words.iter_mut().for_each(|word| {
                word.quoted = true;
                word.push(letter);
            }),
        }
        self.at += 2;
    }

    fn single(&mut self, words: &mut [Word]) -> Result<(), Unreadable> {
        self.at += 1;
        let start = self.at;
        while self.peek(0).ok_or(Unreadable)? != '\'' {
            self.at += 1;
        }
        let text: String = self.text[start..self.at].iter().collect();
        self.at += 1;
        words.iter_mut().for_each(|word| {
            word.quoted = true;
            word.text.push_str(&text);
        });
        Ok(())
    }

    fn double(&mut self, words: &mut Vec<Word>) -> Result<(), Unreadable> {
        self.at += 1;
        words.iter_mut().for_each(|word| word.quoted = true);
        loop {
            match self.peek(0).ok_or(Unreadable)? {
                '"' => {
                    self.at += 1;
                    return Ok(());
                }
                '\\' => {
                    let next = self.peek(1).ok_or(Unreadable)?;
                    self.at += 2;
                    if next == '\n' {
                        continue;
                    }
                    for word in words.iter_mut() {
                        if !matches!(next, '$' | '`' | '"' | '\\') {
                            word.push('\\');
                        }
                        word.push(next);
                    }
                }
                '$' => self.dollar(words, true)?,
                '`' => {
                    let mut unknown = Word::default();
                    self.backtick(&mut unknown)?;
                    words.iter_mut().for_each(|word| word.unknown = true);
                }
                letter => {
                    self.at += 1;
                    words.iter_mut().for_each(|word| word.push(letter));
                }
            }
            if words[0].text.len() > LONGEST_WORD || words.len() > MOST_WORDS {
                return Err(Unreadable);
            }
        }
    }

    /// `$…` in any of its forms.
    fn dollar(&mut self, words: &mut Vec<Word>, quoted: bool) -> Result<(), Unreadable> {
        match self.peek(1) {
            Some('(') if self.peek(2) == Some('(') => {
                self.arithmetic(3)?;
                // A number: no path, no option, no name.
                words.iter_mut().for_each(|word| word.push('0'));
                Ok(())
            }
            Some('(') => {
                self.at += 2;
                self.nested(Some(')'), false)?;
                words.iter_mut().for_each(|word| word.unknown = true);
                Ok(())
            }
            Some('{') => {
                self.at += 2;
                let inside = self.braced()?;
                self.parameter(words, &inside, quoted)
            }
            Some('\'') if !quoted => self.ansi(words),
            Some('"') if !quoted => {
                self.at += 1;
                self.double(words)
            }
            Some(letter) if letter.is_ascii_alphabetic() || letter == '_' => {
                self.at += 1;
                let start = self.at;
                while self.peek(0).is_some_and(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
                    self.at += 1;
                }
                let name: String = self.text[start..self.at].iter().collect();
                self.parameter(words, &name, quoted)
            }
            Some(letter) if letter.is_ascii_digit() || "@*#?$!-".contains(letter) => {
                self.at += 2;
                // Parameters of the script: none were given. The others are numbers and letters.
                if "?$!#".contains(letter) {
                    words.iter_mut().for_each(|word| word.push('0'));
                }
                Ok(())
            }
            _ => {
                self.at += 1;
                words.iter_mut().for_each(|word| word.push('$'));
                Ok(())
            }
        }
    }

    /// The inside of `${…}`.
    fn braced(&mut self) -> Result<String, Unreadable> {
        let mut inside = String::new();
        let mut open = 1;
        loop {
            let letter = self.peek(0).ok_or(Unreadable)?;
            self.at += 1;
            match letter {
                '{' => open += 1,
                '}' => open -= 1,
                _ => {}
            }
            if open == 0 {
                return Ok(inside);
            }
            inside.push(letter);
        }
    }

    /// A variable's value, with what `${…}` does to it.
    fn parameter(&mut self, words: &mut Vec<Word>, inside: &str, quoted: bool) -> Result<(), Unreadable> {
        let end = inside.find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
        let (name, change) = inside.split_at(end.unwrap_or(inside.len()));
        let runs = change.contains(['`', '$']);
        if runs {
            self.inner(format!("echo \"{}\"", change.replace('"', "")).chars().collect())?;
        }
        let value = match self.variables.get(name) {
            Some(values) if change.is_empty() && !values.is_empty() => Some(values.clone()),
            Some(_) => None,
            None if name == "IFS" && !quoted => Some(vec![" ".to_owned()]),
            None if name == "PWD" && change.is_empty() => Some(vec![".".to_owned()]),
            None if name == "HOME" && change.is_empty() => Some(vec!["~".to_owned()]),
            // `${x:-value}` of a variable that nobody set is its value.
            None if change.starts_with(":-") || change.starts_with('-') => {
                Some(vec![change.trim_start_matches([':', '-']).to_owned()])
            }
            None => None,
        };
        let Some(values) = value.filter(|_| !runs) else {
            words.iter_mut().for_each(|word| word.unknown = true);
            return Ok(());
        };
        let before = std::mem::take(words);
        for value in &values {
            for word in &before {
                let mut word = word.clone();
                let home = value.starts_with('~') && word.text.is_empty() && name == "HOME";
                match quoted {
                    true => word.text.push_str(value),
                    false => word.text.extend(
                        value.chars().map(|letter| if letter.is_whitespace() { SPLIT } else { letter }),
                    ),
                }
                word.home |= home;
                word.glob |= !quoted && value.contains(['*', '?', '[']);
                words.push(word);
            }
        }
        Ok(())
    }

    /// `$'…'`, with the escapes of C.
    fn ansi(&mut self, words: &mut [Word]) -> Result<(), Unreadable> {
        self.at += 2;
        let mut text = String::new();
        loop {
            let letter = self.peek(0).ok_or(Unreadable)?;
            self.at += 1;
            match letter {
                '\'' => break,
                '\\' => text.push(self.ansi_escape()?),
                letter => text.push(letter),
            }
        }
        words.iter_mut().for_each(|word| {
            word.quoted = true;
            word.text.push_str(&text);
        });
        Ok(())
    }

    fn ansi_escape(&mut self) -> Result<char, Unreadable> {
        let letter = self.peek(0).ok_or(Unreadable)?;
        self.at += 1;
        let (base, most) = match letter {
            'n' => return Ok('\n'),
            't' => return Ok('\t'),
            'r' => return Ok('\r'),
            'e' | 'E' => return Ok('\u{1B}'),
            'x' => (16, 2),
            'u' => (16, 4),
            'U' => (16, 8),
            '0'..='7' => {
                self.at -= 1;
                (8, 3)
            }
            other => return Ok(other),
        };
        let mut number = 0u32;
        for _ in 0..most {
            let Some(digit) = self.peek(0).and_then(|digit| digit.to_digit(base)) else { break };
            number = number.wrapping_mul(base).wrapping_add(digit);
            self.at += 1;
        }
        char::from_u32(number).ok_or(Unreadable)
    }

    /// `` `…` ``: a command of its own, whose output is not known.
    pub(super) fn backtick(&mut self, word: &mut Word) -> Result<(), Unreadable> {
        self.at += 1;
        let mut inside = Vec::new();
        loop {
            let letter = self.peek(0).ok_or(Unreadable)?;
            self.at += 1;
            match letter {
                '`' => break,
                '\\' if matches!(self.peek(0), Some('`' | '\\' | '$')) => {
                    inside.extend(self.peek(0));
                    self.at += 1;
                }
                letter => inside.push(letter),
            }
        }
        word.unknown = true;
        self.inner(inside)
    }
}

/// The words of one in which a value holds spaces.
fn split(word: &Word) -> Vec<Word> {
    let parts = word.text.split(SPLIT).filter(|part| !part.is_empty());
    parts.map(|part| Word { text: part.to_owned(), ..word.clone() }).collect()
}

/// Expands `{a,b}`; `{1..9}` stays as it is.
fn expand(words: Vec<Word>) -> Result<Vec<Word>, Unreadable> {
    let mut done = Vec::new();
    let mut open = words;
    while let Some(word) = open.pop() {
        match braces(&word.text) {
            Some((start, end, parts)) => {
                for part in parts {
                    let text = format!("{}{part}{}", &word.text[..start], &word.text[end..]);
                    let home = word.home || text.starts_with('~');
                    open.push(Word { text, home, ..word.clone() });
                }
            }
            None => done.push(word),
        }
        if open.len() + done.len() > MOST_WORDS {
            return Err(Unreadable);
        }
    }
    done.reverse();
    Ok(done)
}

/// The first `{…}` with a comma at its own level: where it stands, and its parts.
fn braces(text: &str) -> Option<(usize, usize, Vec<&str>)> {
    text.match_indices('{').find_map(|(start, _)| {
        let (mut open, mut parts, mut from) = (0, Vec::new(), start + 1);
        for (at, letter) in text[start..].char_indices() {
            let at = start + at;
            match letter {
                '{' => open += 1,
                ',' if open == 1 => {
                    parts.push(&text[from..at]);
                    from = at + 1;
                }
                '}' => {
                    open -= 1;
                    if open == 0 {
                        parts.push(&text[from..at]);
                        return (parts.len() > 1).then_some((start, at + 1, parts));
                    }
                }
                _ => {}
            }
        }
        None
    })
}
