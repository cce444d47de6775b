//! Judging one whole document: its strings decoded and scanned, its raw bytes edited.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use crate::inspect::firewall::{Source, Watch};
use crate::inspect::request::payload::Payload;
use crate::inspect::request::string::scan_string;
use crate::inspect::request::{Located, MOST_FINDINGS};
use crate::inspect::tokens::{self, Known, Restored};
use crate::inspect::{Action, Category, Engine, Finding, Tokens};
use crate::wire::edit::{Edit, splice};
use crate::wire::escape;
use crate::wire::event::{Channel, Direction, Kind};
use crate::wire::json::{JsonError, Span};
use crate::wire::reading::{Form, Piece, Reach, Reading};
use crate::wire::shape::Shape;
use crate::wire::unescape::Unescape;

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
    /// How many tokens became values again.
    pub restored: u64,
    /// Decoded bytes of text; in a reply, without the instructions and tools it repeats.
    pub text: u64,
    /// Why it could not be read.
    pub broken: Option<JsonError>,
}

impl Document {
    /// Reads and judges `body`. What is no JSON is judged as one raw text.
    pub fn judge(
        engine: &Engine,
        direction: Direction,
        tokens: Option<&Tokens>,
        shape: &Shape,
        body: &[u8],
    ) -> Document {
        let mut reading = Reading::new();
        let broken = reading.read(body, shape, true).err();
        if broken.is_some() {
            reading.clear();
            if !body.is_empty() {
                reading.pieces.push(raw(body));
            }
        }
        let mut judge = Judge::new(engine, direction, tokens, body);
        let mut document = Document {
            action: Action::Allow,
            edits: Vec::new(),
            findings: Vec::new(),
            reading: Reading::new(),
            restored: 0,
            text: 0,
            broken,
        };
        let mut changed = HashSet::new();
        for piece in &reading.pieces {
            let before = document.edits.len();
            judge.piece(piece, &mut document);
            if document.edits.len() > before {
                changed.insert(piece.channel.choice);
            }
        }
        for &(span, _) in reading.logprobs.iter().filter(|(_, choice)| changed.contains(choice)) {
            document.edits.push(Edit::empty(body, span));
        }
        document.reading = reading;
        document
    }

    fn note(&mut self, piece: &Piece, finding: Finding) {
        self.action = self.action.max(finding.action);
        if self.findings.len() < MOST_FINDINGS {
            self.findings.push(Located { channel: piece.channel, finding });
        }
    }

    /// The body with the edits; `None` if there are none, or if it is blocked anyway.
    pub fn edited(&self, body: &[u8]) -> Option<Vec<u8>> {
        if self.edits.is_empty() || self.action == Action::Block {
            return None;
        }
        Some(splice(body, &mut self.edits.clone()))
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
    tokens: Option<&'a Tokens>,
    /// Values that may come again in a request.
    known: Option<Arc<Known>>,
    body: &'a [u8],
    decoded: Vec<u8>,
    inner: Vec<u8>,
    found: Vec<Finding>,
    restored: Vec<Restored>,
    firewall: Watch,
}

impl<'a> Judge<'a> {
    fn new(
        engine: &'a Engine,
        direction: Direction,
        tokens: Option<&'a Tokens>,
        body: &'a [u8],
    ) -> Judge<'a> {
        Judge {
            engine,
            direction,
            tokens,
            known: tokens.filter(|_| direction == Direction::Request).and_then(Tokens::known),
            body,
            decoded: Vec::new(),
            inner: Vec::new(),
            found: Vec::new(),
            restored: Vec::new(),
            firewall: Watch::new(),
        }
    }

    fn piece(&mut self, piece: &Piece, document: &mut Document) {
        if piece.form == Form::Base64 {
            return self.payload(piece, document);
        }
        let raw = piece.span.of(self.body);
        let mut decoded = std::mem::take(&mut self.decoded);
        decoded.clear();
        let text = if piece.escaped {
            escape::decode(raw, &mut decoded);
            &decoded
        } else {
            raw
        };
        // Some replies repeat what was asked for; that is no output.
        let asked = matches!(piece.channel.kind, Kind::System | Kind::ToolDefinition);
        if !(asked && self.direction == Direction::Reply) {
            document.text += text.len() as u64;
        }
        let direction = if piece.signed { Direction::Reply } else { self.direction };
        let json = piece.form == Form::Json;
        scan_string(self.engine, direction, text, json, &mut self.inner, &mut self.found);
        if piece.channel.kind == Kind::ToolDefinition {
            // Examples in a schema are nobody's, and an edited one breaks the tool.
            self.found.retain(|found| self.engine.rule(found.rule).category != Category::Pii);
        }
        if let Some(tokens) = self.tokens {
            self.tokens(tokens, piece, text);
        }
        let source = Source { engine: self.engine, direction: self.direction, kind: piece.channel.kind };
        self.firewall.whole(source, text, &mut self.found);
        self.decoded = decoded;
        if !self.found.is_empty() || !self.restored.is_empty() {
            self.act(piece, raw, document);
        }
    }

    /// Finds tokens in a piece of a reply, and in one of a request values that come again. What lies in a token is no
    /// finding.
    fn tokens(&mut self, tokens: &Tokens, piece: &Piece, text: &[u8]) {
        let json = piece.form == Form::Json;
        let restores = self.direction == Direction::Reply && !piece.signed;
        if let Some(known) = self.known.as_ref().filter(|_| !piece.signed) {
            tokens.recognise(self.engine, known, text, json, &mut self.inner, &mut self.found);
        }
        if restores || !self.found.is_empty() {
            tokens.find(text, json, piece.form == Form::Raw, &mut self.inner, &mut self.restored);
            tokens::sift(&mut self.found, &self.restored);
        }
        if !restores {
            self.restored.clear();
        }
    }

    /// Takes what was found in a piece into the document.
    fn act(&mut self, piece: &Piece, raw: &[u8], document: &mut Document) {
        let mut places = Unescape::default();
        if piece.escaped {
            self.decoded.clear();
            places.push(raw, &mut self.decoded);
        }
        let text = if piece.escaped { &self.decoded } else { raw };
        for finding in std::mem::take(&mut self.found) {
            let (finding, token) = self.decide(piece, text, finding);
            document.note(piece, finding);
            if finding.action.enforces() {
                let place = (places.source_start(finding.start), places.source_end(finding.end));
                let mask = token.as_deref().unwrap_or(&self.engine.rule(finding.rule).mask);
                document.edits.push(edit(piece, place, mask));
            }
        }
        for Restored { start, end, value } in self.restored.drain(..) {
            let place = (places.source_start(start), places.source_end(end));
            document.edits.push(edit(piece, place, &value));
            document.restored += 1;
        }
    }

    /// What is done about a finding in `text`, and the token that stands for its value.
    fn decide(&self, piece: &Piece, text: &[u8], mut finding: Finding) -> (Finding, Option<String>) {
        if piece.signed && finding.action.enforces() {
            finding.action = Action::Block;
        }
        let token = self
            .tokens
            .filter(|_| finding.action == Action::Tokenize)
            .and_then(|tokens| tokens.token(self.engine, finding.rule, &value(piece, text, finding)));
        if finding.action == Action::Tokenize && token.is_none() {
            finding.action = Action::Redact;
        }
        (finding, token)
    }

    /// Judges what a payload of base64 holds, where that is text. An edit encodes the whole text anew.
    fn payload(&mut self, piece: &Piece, document: &mut Document) {
        let mut string = Cow::Borrowed(piece.span.of(self.body));
        if piece.escaped {
            let mut plain = Vec::with_capacity(string.len());
            escape::decode(&string, &mut plain);
            string = Cow::Owned(plain);
        }
        let Some(payload) = Payload::read(&string) else { return };
        let text = payload.text();
        scan_string(self.engine, self.direction, text, false, &mut self.inner, &mut self.found);
        let source = Source { engine: self.engine, direction: self.direction, kind: piece.channel.kind };
        self.firewall.whole(source, text, &mut self.found);
        let mut edits = Vec::new();
        for finding in std::mem::take(&mut self.found) {
            let (finding, token) = self.decide(piece, text, finding);
            document.note(piece, finding);
            if finding.action.enforces() {
                let mask = token.unwrap_or_else(|| self.engine.rule(finding.rule).mask.clone());
                edits
                    .push(Edit { span: Span::new(finding.start as usize, finding.end as usize), text: mask });
            }
        }
        if !edits.is_empty() {
            let text = payload.with_text(&splice(text, &mut edits));
            document.edits.push(Edit { span: piece.span, text: escaped_for(Form::Text, &text) });
        }
    }
}

/// The value of a finding as its token stands for it: without the escapes of JSON, however deep it stands in a document.
fn value<'t>(piece: &Piece, text: &'t [u8], finding: Finding) -> Cow<'t, [u8]> {
    let part = &text[finding.start as usize..finding.end as usize];
    match piece.form {
        // All of a number is replaced.
        Form::Number => Cow::Borrowed(text),
        Form::Json if memchr::memchr(b'\\', part).is_some() => {
            let mut plain = Vec::with_capacity(part.len());
            escape::decode(part, &mut plain);
            Cow::Owned(plain)
        }
        Form::Json | Form::Text | Form::Raw | Form::Base64 => Cow::Borrowed(part),
    }
}

/// The replacement of the bytes `place` of a piece, in the raw document.
fn edit(piece: &Piece, place: (u64, u64), mask: &str) -> Edit {
    let at = piece.span.start as usize;
    let place = Span::new(at + place.0 as usize, at + place.1 as usize);
    match piece.form {
        // A number with a part replaced is a string.
        Form::Number => Edit { span: piece.span, text: escape::quoted(mask) },
        form => Edit { span: place, text: escaped_for(form, mask) },
    }
}

/// A mask as it has to stand in text of this form.
pub fn escaped_for(form: Form, mask: &str) -> String {
    let inside = |text: &str| {
        let quoted = escape::quoted(text);
        quoted[1..quoted.len() - 1].to_owned()
    };
    match form {
        Form::Raw | Form::Number => mask.to_owned(),
        Form::Text | Form::Base64 => inside(mask),
        Form::Json => inside(&inside(mask)),
    }
}
