//! One event on its way through: its parts, what is to be changed in it, and its bytes once that is done.

use bytes::Bytes;

use crate::inspect::request::escaped_for;
use crate::inspect::tools::Bit;
use crate::wire::data::Data;
use crate::wire::dialects::Marks;
use crate::wire::edit::Edit;
use crate::wire::escape;
use crate::wire::framer::Framer;
use crate::wire::json::Span;
use crate::wire::reading::Form;

/// A stretch of a running text in an event.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Index of its track.
    pub track: usize,
    /// Where it stands in the payload.
    pub span: Span,
    /// Whether it holds escapes of the payload.
    pub escaped: bool,
    /// How it stands there.
    pub form: Form,
    /// Which answer it belongs to.
    pub choice: u16,
    /// Source offsets in the track.
    pub start: u64,
    /// One past the last.
    pub end: u64,
}

/// An event that is not released yet.
#[derive(Debug)]
pub struct Event {
    /// Its bytes, as they came.
    pub raw: Bytes,
    /// Its payload.
    pub data: Data,
    /// Its running texts.
    pub parts: Vec<Part>,
    /// What is to be changed in the payload; may overlap.
    pub edits: Vec<Edit>,
    /// Token probabilities in the payload, and the answer they belong to.
    pub logprobs: Vec<(Span, u16)>,
    /// What belongs to tool calls that wait or are refused.
    pub bits: Vec<Bit>,
    /// What it does to the stream.
    pub marks: Marks,
    /// Decoded bytes of billed text.
    pub text: usize,
    /// It is to be left out.
    pub dropped: bool,
    /// It and all after it stay here: something in it is blocked.
    pub sealed: bool,
}

impl Event {
    /// Replaces the source bytes `start..end` of `track`, as far as they stand here, by `mask`. Returns whether any do.
    pub fn replace(&mut self, track: usize, start: u64, end: u64, mask: &str) -> bool {
        let payload = self.data.payload(&self.raw);
        let before = self.edits.len();
        for part in
            self.parts.iter().filter(|part| part.track == track && part.start < end && start < part.end)
        {
            let from = start.saturating_sub(part.start) as usize;
            let to = (end.min(part.end) - part.start) as usize;
            let text = if self.edits.len() == before { escaped_for(part.form, mask) } else { String::new() };
            self.edits.push(Edit { span: part.bytes(payload, from, to), text });
            let repeated = self.logprobs.iter().filter(|(_, choice)| *choice == part.choice);
            self.edits.extend(repeated.map(|&(span, _)| Edit::empty(payload, span)));
        }
        self.edits.len() > before
    }

    /// Its bytes with the edits done.
    pub fn bytes(&mut self) -> Bytes {
        if self.edits.is_empty() {
            return self.raw.clone();
        }
        self.data.edited(&self.raw, &mut self.edits)
    }

    /// Splits off an event with the text before source offset `clear`, which is all that is decided; the rest stays.
    /// `None` where an event cannot stand twice: with several texts, edits, or a meaning beside its text. `framer` says what
    /// an event carries.
    pub fn split(&mut self, clear: u64, framer: &Framer) -> Option<Event> {
        let &[part] = &self.parts[..] else { return None };
        // Usage is a running total wherever it stands beside text, so that it may be said twice.
        let Marks { opens, finished, stop, terminal, error, .. } = self.marks;
        let plain = opens.is_none() && finished == 0 && !(stop || terminal || error);
        let simple = self.edits.is_empty() && plain && self.data.is_divisible() && part.form != Form::Raw;
        if !simple || clear <= part.start || clear >= part.end {
            return None;
        }
        let payload = self.data.payload(&self.raw);
        let length = (part.end - part.start) as usize;
        let head = part.bytes(payload, 0, (clear - part.start) as usize);
        let tail = Span { start: head.end, end: part.bytes(payload, 0, length).end };
        let mut first = Event {
            raw: self.raw.clone(),
            data: self.data.clone(),
            parts: Vec::new(),
            edits: vec![Edit { span: tail, text: String::new() }],
            logprobs: Vec::new(),
            bits: Vec::new(),
            marks: self.marks,
            text: head.len().min(self.text),
            dropped: false,
            sealed: false,
        };
        self.edits.push(Edit { span: head, text: String::new() });
        for &(span, _) in &self.logprobs {
            first.edits.push(Edit::empty(payload, span));
            self.edits.push(Edit::empty(payload, span));
        }
        self.text -= first.text;
        let bytes = first.bytes();
        let rest = self.bytes();
        (first.raw, first.edits) = (bytes, Vec::new());
        self.data = framer.data(&rest);
        self.keep(rest, head, clear);
        Some(first)
    }

    /// Takes the shortened `raw` in place of the whole event, without the text `head`.
    fn keep(&mut self, raw: Bytes, head: Span, clear: u64) {
        if let [part] = &mut self.parts[..] {
            part.start = clear;
            part.span = Span { start: head.start, end: part.span.end - head.len() as u32 };
        }
        self.raw = raw;
        self.edits.clear();
        self.logprobs.clear();
    }
}

impl Part {
    /// Where the source bytes `from..to` of this part stand in the payload.
    fn bytes(&self, payload: &[u8], from: usize, to: usize) -> Span {
        let at = self.span.start as usize;
        let (from, to) =
            if self.escaped { escape::locate(self.span.of(payload), from, to) } else { (from, to) };
        Span::new(at + from, at + to)
    }
}
