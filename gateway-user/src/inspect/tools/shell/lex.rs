//! Shell scripts as a flat list of simple commands (POSIX.1-2024 XCU chapter 2, and what bash adds to it).
//!
//! It is no shell: it finds every command that may run, in the order in which they stand, with the words each gets as far
//! as they can be known from the text. Substitutions, subshells, functions and here-documents give commands of their own.

mod variables;

use std::collections::HashMap;

use crate::inspect::tools::shell::words::Word;
use variables::assignment;

/// Most commands of one script.
pub const MOST_COMMANDS: usize = 4096;

/// Deepest nesting of substitutions and subshells.
pub const DEEPEST: u8 = 16;

/// Longest script that is read, in bytes; longer ones cannot be judged.
pub const LONGEST_SCRIPT: usize = 256 << 10;

/// Why a script cannot be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

/// A simple command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// Its words, the command's name first; assignments before it are left out.
    pub words: Vec<Word>,
    /// Assignments before it: names and values.
    pub assigns: Vec<(String, Word)>,
    /// Files that it reads.
    pub reads: Vec<Word>,
    /// Files that it writes.
    pub writes: Vec<Word>,
    /// Text it is given as input.
    pub input: Option<Word>,
    /// It reads what the command before it writes.
    pub piped: bool,
    /// It runs beside what follows.
    pub background: bool,
    /// The function whose body it stands in.
    pub function: Option<String>,
    /// How deep it is nested.
    pub depth: u8,
}

/// The commands of a script.
///
/// # Errors
/// When it is too long, nested too deeply, or its quotes and brackets do not end.
pub fn commands(script: &str, variables: &HashMap<String, Vec<String>>) -> Result<Vec<Command>, Unreadable> {
    if script.len() > LONGEST_SCRIPT {
        return Err(Unreadable);
    }
    let mut lexer = Lexer {
        text: script.chars().collect(),
        at: 0,
        out: Vec::new(),
        command: Command::default(),
        started: false,
        documents: Vec::new(),
        variables: variables.clone(),
        function: None,
        depth: 0,
    };
    lexer.script(None)?;
    Ok(lexer.out)
}

/// A here-document whose text follows on the next line.
struct Document {
    end: String,
    /// Index of its command, or the one being read.
    command: Option<usize>,
    tabs: bool,
}

pub(super) struct Lexer {
    pub(super) text: Vec<char>,
    pub(super) at: usize,
    out: Vec<Command>,
    command: Command,
    started: bool,
    documents: Vec<Document>,
    pub(super) variables: HashMap<String, Vec<String>>,
    function: Option<String>,
    depth: u8,
}

impl Lexer {
    /// Reads commands up to `end`, or to the end of the text.
    pub(super) fn script(&mut self, end: Option<char>) -> Result<(), Unreadable> {
        loop {
            let Some(letter) = self.peek(0) else {
                self.finish()?;
                return if end.is_none() { Ok(()) } else { Err(Unreadable) };
            };
            if Some(letter) == end && (letter != '}' || !self.started) {
                self.at += 1;
                return self.finish();
            }
            self.step(letter)?;
        }
    }

    fn step(&mut self, letter: char) -> Result<(), Unreadable> {
        match letter {
            ' ' | '\t' | '\r' => self.at += 1,
            '\\' if self.peek(1) == Some('\n') => self.at += 2,
            '\n' => {
                self.at += 1;
                self.finish()?;
                self.read_documents()?;
            }
            '#' => {
                while self.peek(0).is_some_and(|letter| letter != '\n') {
                    self.at += 1;
                }
            }
            ';' => {
                self.at += 1;
                self.finish()?;
            }
            '&' if self.peek(1) == Some('>') => {
                self.at += 1;
                self.redirect()?;
            }
            '&' => self.ampersand()?,
            '|' => self.pipe()?,
            '(' => self.open_bracket()?,
            ')' => {
                // The end of a pattern of `case`.
                self.at += 1;
                self.command = Command::default();
                self.started = false;
            }
            '<' | '>' if self.peek(1) == Some('(') => self.word()?,
            '<' | '>' => self.redirect()?,
            _ => self.word()?,
        }
        Ok(())
    }

    fn ampersand(&mut self) -> Result<(), Unreadable> {
        let both = self.peek(1) == Some('&');
        self.at += if both { 2 } else { 1 };
        if !both {
            self.command.background = true;
            if !self.started
                && let Some(last) = self.out.last_mut()
            {
                last.background = true;
            }
        }
        self.finish()
    }

    fn pipe(&mut self) -> Result<(), Unreadable> {
        let next = self.peek(1);
        self.at += if matches!(next, Some('|' | '&')) { 2 } else { 1 };
        self.finish()?;
        self.command.piped = next != Some('|');
        Ok(())
    }

    /// `(`: a subshell, or after a name the parameters of a function.
    fn open_bracket(&mut self) -> Result<(), Unreadable> {
        if self.peek(1) == Some(')') && self.command.words.len() == 1 {
            self.at += 2;
            return self.function();
        }
        if self.peek(1) == Some('(') && !self.started {
            return self.arithmetic(2);
        }
        self.at += 1;
        let piped = self.command.piped;
        self.nested(Some(')'), piped)
    }

    /// The body of a function that was just named.
    fn function(&mut self) -> Result<(), Unreadable> {
        let name = self.command.words.pop().map(|word| word.text).unwrap_or_default();
        self.command = Command::default();
        self.started = false;
        while self.peek(0).is_some_and(char::is_whitespace) {
            self.at += 1;
        }
        let end = match self.peek(0) {
            Some('{') => '}',
            Some('(') => ')',
            _ => return Ok(()),
        };
        self.at += 1;
        let before = self.function.replace(name);
        let read = self.nested(Some(end), false);
        self.function = before;
        read
    }

    /// Reads commands that stand inside of others, up to `end`.
    pub(super) fn nested(&mut self, end: Option<char>, piped: bool) -> Result<(), Unreadable> {
        if self.depth >= DEEPEST {
            return Err(Unreadable);
        }
        self.depth += 1;
        let outer = std::mem::replace(&mut self.command, Command { piped, ..Command::default() });
        let started = std::mem::take(&mut self.started);
        let read = self.script(end);
        self.command = outer;
        self.started = started;
        self.depth -= 1;
        read
    }

    /// The commands of a text inside of this one, such as that between backticks.
    pub(super) fn inner(&mut self, text: Vec<char>) -> Result<(), Unreadable> {
        let outer = std::mem::replace(&mut self.text, text);
        let at = std::mem::take(&mut self.at);
        let documents = std::mem::take(&mut self.documents);
        let read = self.nested(None, false);
        self.text = outer;
        self.at = at;
        self.documents = documents;
        read
    }

    /// `((…))` and `$((…))`, whose `skip` first characters open it: a calculation, in which substitutions may run.
    pub(super) fn arithmetic(&mut self, skip: usize) -> Result<(), Unreadable> {
        self.at += skip;
        let start = self.at;
        let mut open = 2;
        while open > 0 {
            match self.peek(0).ok_or(Unreadable)? {
                '(' => open += 1,
                ')' => open -= 1,
                '`' => {
                    let mut word = Word::default();
                    self.backtick(&mut word)?;
                    continue;
                }
                '$' if self.peek(1) == Some('(') && self.peek(2) != Some('(') => {
                    self.at += 2;
                    self.nested(Some(')'), false)?;
                    continue;
                }
                _ => {}
            }
            self.at += 1;
        }
        // What is no calculation, bash takes for commands in a subshell.
        let inside: String = self.text[start..self.at].iter().collect();
        let inside = inside.trim_end_matches(')');
        if inside.contains(char::is_whitespace) {
            self.inner(inside.replace(['(', ')'], ";").chars().collect())?;
        }
        Ok(())
    }

    fn word(&mut self) -> Result<(), Unreadable> {
        let words = self.read_word()?;
        if self.reserved(&words) {
            return Ok(());
        }
        self.started = true;
        for word in words {
            match assignment(&word).filter(|_| self.command.words.is_empty()) {
                Some((name, value)) => {
                    let values = if value.unknown { vec![] } else { vec![value.text.clone()] };
                    self.variables.insert(name.clone(), values);
                    self.command.assigns.push((name, value));
                }
                None => self.command.words.push(word),
            }
        }
        Ok(())
    }

    /// Words that only stand around commands; after `for` comes a name with its values.
    fn reserved(&mut self, words: &[Word]) -> bool {
        let [Word { text, quoted: false, .. }] = words else { return false };
        if !self.command.words.is_empty() || !self.command.assigns.is_empty() {
            return false;
        }
        match text.as_str() {
            "if" | "then" | "elif" | "else" | "fi" | "do" | "done" | "while" | "until" | "!" | "{" | "}"
            | "esac" | "time" | "coproc" => {
                self.started = false;
                true
            }
            _ => false,
        }
    }

    fn redirect(&mut self) -> Result<(), Unreadable> {
        let writes = self.peek(0) == Some('>');
        let mut operator = String::new();
        while let Some(letter @ ('<' | '>' | '|' | '&' | '-')) = self.peek(0)
            && operator.len() < 3
        {
            operator.push(letter);
            self.at += 1;
        }
        // A number before it is a descriptor.
        if let Some(last) = self.command.words.last()
            && !last.quoted
            && last.text.len() < 3
            && last.text.bytes().all(|byte| byte.is_ascii_digit())
            && self.text.get(self.at.wrapping_sub(operator.len() + 1)).is_some_and(char::is_ascii_digit)
        {
            self.command.words.pop();
        }
        while matches!(self.peek(0), Some(' ' | '\t')) {
            self.at += 1;
        }
        let words = self.read_word()?;
        self.started = true;
        match operator.as_str() {
            "<<" | "<<-" => {
                let end = words.first().map(|word| word.text.clone()).unwrap_or_default();
                self.documents.push(Document { end, command: None, tabs: operator == "<<-" });
            }
            "<<<" => self.command.input = words.into_iter().next(),
            _ if operator.contains('&') && words.iter().all(Word::is_descriptor) => {}
            "<" => self.command.reads.extend(words),
            "<>" => {
                self.command.reads.extend(words.iter().cloned());
                self.command.writes.extend(words);
            }
            _ if writes => self.command.writes.extend(words),
            _ => self.command.reads.extend(words),
        }
        Ok(())
    }

    /// Reads the here-documents that the line just ended has announced.
    fn read_documents(&mut self) -> Result<(), Unreadable> {
        for Document { end, command, tabs } in std::mem::take(&mut self.documents) {
            let mut body = String::new();
            loop {
                let mut line = String::new();
                while let Some(letter) = self.peek(0).filter(|letter| *letter != '\n') {
                    line.push(letter);
                    self.at += 1;
                }
                let is_last = self.peek(0).is_none();
                self.at += usize::from(!is_last);
                let bare = if tabs { line.trim_start_matches('\t') } else { &line };
                if bare == end || is_last {
                    break;
                }
                body.push_str(bare);
                body.push('\n');
            }
            if let Some(command) = command.and_then(|index| self.out.get_mut(index)) {
                command.input = Some(Word { text: body, quoted: true, ..Word::default() });
            }
        }
        Ok(())
    }

    /// Ends the command that is being read.
    pub(super) fn finish(&mut self) -> Result<(), Unreadable> {
        let command = std::mem::take(&mut self.command);
        self.started = false;
        let empty = command.words.is_empty()
            && command.assigns.is_empty()
            && command.writes.is_empty()
            && command.reads.is_empty();
        if empty {
            // A pipe goes on behind a line's end.
            self.command.piped = command.piped;
            return Ok(());
        }
        self.bind(&command);
        let index = self.out.len();
        for document in self.documents.iter_mut().filter(|document| document.command.is_none()) {
            document.command = Some(index);
        }
        if index >= MOST_COMMANDS {
            return Err(Unreadable);
        }
        self.out.push(Command { function: self.function.clone(), depth: self.depth, ..command });
        Ok(())
    }

    pub(super) fn peek(&self, ahead: usize) -> Option<char> {
        self.text.get(self.at + ahead).copied()
    }
}
