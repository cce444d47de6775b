//! Judging one whole document: its strings decoded and scanned, its raw bytes edited.

use crate::inspect::request::{Located, MOST_FINDINGS};
use crate::inspect::{Action, Engine, Finding, Scan};
use crate::wire::escape;
use crate::wire::event::{Channel, Direction, Kind};
use crate::wire::json::{JsonError, Span};
use crate::wire::reading::{Form, Piece, Reach, Reading};
use crate::wire::shape::Shape;

/// Bytes of the document to be replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Which bytes.
    pub span: Span,
    /// What takes their place, escaped as that place needs.
    pub text: String,
}

/// A judged document.
pub struct Document {
    /// The greatest action of all findings.
    pub action: Action,
    /// What is to be changed.
    pub edits: Vec<Edit>,
    /// What was found.
    pub findings: Vec<Located>,
    /// What was read; empty when `broken`.
    pub reading: Reading,
    /// Decoded bytes of text.
    pub text: u64,
    /// Why it could not be read.
    pub broken: Option<JsonError>,
}

impl Document {
    /// Reads and judges `body`. What is no JSON is judged as one raw text.
    pub fn judge(engine: &Engine, direction: Direction, shape: &Shape, body: &[u8]) -> Document {
        let mut reading = Reading::new();
        let broken = reading.read(body, shape, true).err();
        if broken.is_some() {
            reading.clear();
            if !body.is_empty() {
                reading.pieces.push(raw(body));
            }
        }
        let mut judge =
            Judge { engine, direction, body, decoded: Vec::new(), inner: Vec::new(), found: Vec::new() };
        let mut document = Document {
            action: Action::Allow,
            edits: Vec::new(),
            findings: Vec::new(),
            reading: Reading::new(),
            text: 0,
            broken,
        };
        for piece in &reading.pieces {
            let before = document.edits.len();
            judge.piece(piece, &mut document);
            if document.edits.len() > before {
                document.blank_logprobs(&reading, piece.channel.choice);
            }
        }
        document.reading = reading;
        document
    }

    /// The body with the edits; `None` if there are none, or if it is blocked anyway.
    pub fn edited(&self, body: &[u8]) -> Option<Vec<u8>> {
        if self.edits.is_empty() || self.action == Action::Block {
            return None;
        }
        let mut edits: Vec<&Edit> = self.edits.iter().collect();
        edits.sort_by_key(|edit| edit.span.start);
        let mut out = Vec::with_capacity(body.len() + 256);
        let mut done = 0;
        for edit in edits {
            let (start, end) = (edit.span.start as usize, edit.span.end as usize);
            if start >= done {
                out.extend_from_slice(&body[done..start]);
                out.extend_from_slice(edit.text.as_bytes());
            }
            done = done.max(end);
        }
        out.extend_from_slice(&body[done..]);
        Some(out)
    }

    fn blank_logprobs(&mut self, reading: &Reading, choice: u16) {
        for &(span, of) in reading.logprobs.iter().filter(|(_, of)| *of == choice) {
            if of == choice && !self.edits.iter().any(|edit| edit.span == span) {
                self.edits.push(Edit { span, text: "null".to_owned() });
            }
        }
    }
}

/// The whole body as one text.
fn raw(body: &[u8]) -> Piece {
    Piece {
        channel: Channel::of(Kind::Opaque),
        lane: 0,
        span: Span::new(0, body.len()),
        escaped: false,
        form: Form::Raw,
        reach: Reach::Whole,
        signed: false,
    }
}

/// What is needed to judge piece after piece.
struct Judge<'a> {
    engine: &'a Engine,
    direction: Direction,
    body: &'a [u8],
    decoded: Vec<u8>,
    inner: Vec<u8>,
    found: Vec<Finding>,
}

impl Judge<'_> {
    fn piece(&mut self, piece: &Piece, document: &mut Document) {
        let raw = piece.span.of(self.body);
        let mut decoded = std::mem::take(&mut self.decoded);
        decoded.clear();
        let text = if piece.escaped {
            escape::decode(raw, &mut decoded);
            &decoded
        } else {
            raw
        };
        document.text += text.len() as u64;
        self.scan(piece, text);
        for finding in self.found.drain(..) {
            let action =
                if piece.signed && finding.action.enforces() { Action::Block } else { finding.action };
            let finding = Finding { action, ..finding };
            document.action = document.action.max(action);
            if document.findings.len() < MOST_FINDINGS {
                document.findings.push(Located { channel: piece.channel, finding });
            }
            if action.enforces() {
                document.edits.push(edit(self.engine, piece, raw, &finding));
            }
        }
        self.decoded = decoded;
    }

    /// Finds what stands in `text`, also where its escapes are undone once more. Enforcing findings are left
    /// disjoint and in order.
    fn scan(&mut self, piece: &Piece, text: &[u8]) {
        let direction = if piece.signed { Direction::Reply } else { self.direction };
        if piece.form != Form::Json {
            scan_whole(self.engine, direction, text, &mut self.found);
        }
        if memchr::memchr(b'\\', text).is_some() {
            self.inner.clear();
            escape::decode(text, &mut self.inner);
            let from = self.found.len();
            scan_whole(self.engine, direction, &self.inner, &mut self.found);
            for finding in &mut self.found[from..] {
                let (start, end) = escape::locate(text, finding.start as usize, finding.end as usize);
                (finding.start, finding.end) = (start as u64, end as u64);
            }
            unite(&mut self.found);
        } else if piece.form == Form::Json {
            scan_whole(self.engine, direction, text, &mut self.found);
        }
    }
}

fn scan_whole(engine: &Engine, direction: Direction, text: &[u8], found: &mut Vec<Finding>) {
    let mut scan = Scan::new();
    scan.push(engine, direction, text, found);
    scan.finish(engine, direction, found);
}

/// Joins findings that overlap, so that each byte has one mask and nothing is reported twice: enforcing ones whatever
/// their rule, others with those of the same rule.
fn unite(found: &mut Vec<Finding>) {
    found.sort_by_key(|finding| (finding.start, std::cmp::Reverse(finding.end)));
    let mut united: Vec<Finding> = Vec::with_capacity(found.len());
    for finding in found.drain(..) {
        let joins = |known: &&mut Finding| {
            finding.start < known.end
                && (finding.action.enforces() && known.action.enforces() || finding.rule == known.rule)
        };
        match united.iter_mut().rev().find(joins) {
            Some(known) => {
                if finding.action > known.action {
                    (known.rule, known.action, known.digest) = (finding.rule, finding.action, finding.digest);
                }
                known.end = known.end.max(finding.end);
            }
            None => united.push(finding),
        }
    }
    *found = united;
}

/// The replacement of what was found, in the raw document.
fn edit(engine: &Engine, piece: &Piece, raw: &[u8], finding: &Finding) -> Edit {
    let mask = &engine.rule(finding.rule).mask;
    let (start, end) = (finding.start as usize, finding.end as usize);
    let (start, end) = if piece.escaped { escape::locate(raw, start, end) } else { (start, end) };
    let at = piece.span.start as usize;
    let (span, text) = match piece.form {
        // A number with a part replaced is a string.
        Form::Number => (piece.span, escape::quoted(mask)),
        Form::Raw => (Span::new(at + start, at + end), mask.clone()),
        Form::Text => (Span::new(at + start, at + end), inside(mask)),
        Form::Json => (Span::new(at + start, at + end), inside(&inside(mask))),
    };
    Edit { span, text }
}

/// `text` as the inside of a JSON string.
fn inside(text: &str) -> String {
    let quoted = escape::quoted(text);
    quoted[1..quoted.len() - 1].to_owned()
}
