//! Reading one JSON document through a shape: its pieces of text with their places, and its facts.

use crate::wire::escape;
use crate::wire::event::{Channel, Kind};
use crate::wire::json::{JsonError, MAX_DEPTH, Span, Token, Tokens};
use crate::wire::shape::{Fact, Field, Place, Scope, Shape};

/// Keys and numbers shorter than this are too short to hide anything in and are not read as text.
pub const SHORTEST_ODD_TEXT: usize = 8;

/// How text stands in the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The inside of a JSON string.
    Text,
    /// The inside of a JSON string whose text is JSON again.
    Json,
    /// Bytes as they are, without escapes; a number of the document.
    Number,
    /// Bytes as they are: the document is no JSON.
    Raw,
}

/// How long the text of a piece goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It continues the text of its channel.
    Running,
    /// It is a text of its own.
    Whole,
    /// It may be either.
    Unknown,
}

/// One text in a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Which channel it belongs to.
    pub channel: Channel,
    /// Which of the channel's parallel texts it continues; 0 is the main one.
    pub lane: u16,
    /// Where it stands.
    pub span: Span,
    /// Whether it holds escapes.
    pub escaped: bool,
    /// How it stands there.
    pub form: Form,
    /// How it continues.
    pub reach: Reach,
    /// Signed by the provider: never rewritten.
    pub signed: bool,
}

/// What a document says besides its text. Spans are into the document.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Name of the model.
    pub model: Option<Span>,
    /// Id of the answer.
    pub id: Option<Span>,
    /// Creation time, seconds since 1970.
    pub created: Option<u64>,
    /// Whether a stream is asked for.
    pub stream: bool,
    /// The most output tokens asked for.
    pub max_tokens: Option<u64>,
    /// The `stream_options` value: an object with its braces, or `null`.
    pub stream_options: Option<Span>,
    /// Whether usage at the end of the stream is asked for, and where that is said.
    pub include_usage: Option<(Span, bool)>,
    /// Token counts as written; the dialect knows what includes what.
    pub tokens: Tokenised,
    /// Kind of the event.
    pub event_type: Option<Span>,
    /// Kind of the content block.
    pub block_type: Option<Span>,
    /// Number of the block at top level.
    pub block: Option<u16>,
    /// A reason why the whole answer ended stands here.
    pub finish: bool,
    /// Choices in the document, one bit each; all from the 64th on share the last bit.
    pub choices: u64,
    /// Choices that end with this document, likewise.
    pub finished: u64,
    /// Messages of the conversation.
    pub messages: u16,
    /// It has an error object.
    pub error: bool,
    /// Bytes of base64 payloads that were not read as text.
    pub payload: u64,
}

/// Token counts as a provider wrote them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokenised {
    /// Input tokens.
    pub input: Option<u64>,
    /// Input tokens read from the cache.
    pub cached: Option<u64>,
    /// Input tokens written to the cache.
    pub cache_write: Option<u64>,
    /// Output tokens.
    pub output: Option<u64>,
    /// Reasoning tokens.
    pub reasoning: Option<u64>,
}

/// What was read; reused from document to document, so that reading allocates nothing once warm.
#[derive(Debug, Default)]
pub struct Reading {
    /// The texts, in document order.
    pub pieces: Vec<Piece>,
    /// Everything else.
    pub facts: Facts,
    /// Token-probability values, with the choice they belong to: they repeat the text.
    pub logprobs: Vec<(Span, u16)>,
    scopes: Vec<Open>,
    payloads: Vec<usize>,
    blocks: u16,
    key: Vec<u8>,
}

/// A scope that is still open.
#[derive(Debug)]
struct Open {
    scope: Scope,
    depth: u32,
    start: u32,
    pieces: usize,
    logprobs: usize,
    payloads: usize,
    number: u16,
    inner: u16,
    role: Kind,
    text_source: bool,
    finished: bool,
}

impl Reading {
    /// An empty reading.
    pub fn new() -> Reading {
        Reading::default()
    }

    /// Forgets the last document.
    pub fn clear(&mut self) {
        self.pieces.clear();
        self.facts = Facts::default();
        self.logprobs.clear();
        self.scopes.clear();
        self.payloads.clear();
        self.blocks = 0;
    }

    /// Reads `document`. On an error the reading holds what came before it and must not be trusted.
    ///
    /// `odd` also reads keys that are free text, and long numbers, as text; streams leave them out.
    pub fn read(&mut self, document: &[u8], shape: &Shape, odd: bool) -> Result<(), JsonError> {
        self.clear();
        let mut tokens = Tokens::new(document);
        let mut path = [(Shape::ROOT, 0u16); MAX_DEPTH as usize + 1];
        let mut next = (Shape::ROOT, 0u16);
        while let Some(token) = tokens.next_token()? {
            let depth = tokens.depth();
            match token {
                Token::ObjectStart(at) | Token::ArrayStart(at) => {
                    path[depth as usize] = next;
                    self.enter(shape.field(next.0), depth, at);
                    next = (shape.item(next.0), next.1);
                    continue;
                }
                Token::Key(span, escaped) => {
                    next = self.key(document, shape, path[depth as usize], span, escaped, odd);
                    continue;
                }
                Token::ObjectEnd(end) | Token::ArrayEnd(end) => self.leave(depth + 1, end),
                Token::String(span, escaped) => {
                    self.string(document, shape.field(next.0), next.1, span, escaped)
                }
                Token::Number(span) => self.number(document, shape.field(next.0), span, odd),
                Token::Bool(span, value) => self.boolean(shape.field(next.0), span, value),
                Token::Null(span) => self.null(shape.field(next.0), span),
            }
            // Behind a value: the next one, if no key names it, is an item of the same array.
            let (place, hash) = path[depth as usize];
            next = (shape.item(place), hash);
        }
        self.drop_payloads(0);
        if let Some(block) = self.facts.block {
            self.pieces.iter_mut().for_each(|piece| piece.channel.block = block);
        }
        Ok(())
    }

    fn key(
        &mut self,
        document: &[u8],
        shape: &Shape,
        parent: (Place, u16),
        span: Span,
        escaped: bool,
        odd: bool,
    ) -> (Place, u16) {
        let mut scratch = std::mem::take(&mut self.key);
        let key = plain(document, span, escaped, &mut scratch);
        let (place, named) = shape.child(parent.0, key);
        let hash = if named { place } else { mix(parent.1, key) };
        if odd && !named && shape.has_free_keys(parent.0) && span.len() >= SHORTEST_ODD_TEXT {
            self.odd_piece(Kind::Opaque, span, escaped, Form::Text);
        }
        self.key = scratch;
        (place, hash)
    }

    fn enter(&mut self, field: Field, depth: u32, start: u32) {
        let Field::Scope(scope) = field else { return };
        if scope == Scope::Error {
            self.facts.error = true;
        }
        let number = self.ordinal(scope);
        self.scopes.push(Open {
            scope,
            depth,
            start,
            pieces: self.pieces.len(),
            logprobs: self.logprobs.len(),
            payloads: self.payloads.len(),
            number,
            inner: 0,
            role: Kind::User,
            text_source: false,
            finished: false,
        });
    }

    /// The number of a scope that does not say its own: how many of its sort came before it.
    fn ordinal(&mut self, scope: Scope) -> u16 {
        let counter = match scope {
            Scope::Choice => return self.facts.choices.count_ones() as u16,
            Scope::Message => &mut self.facts.messages,
            Scope::Block => match self.scopes.iter_mut().rfind(|open| open.scope == Scope::Choice) {
                Some(choice) => &mut choice.inner,
                None => &mut self.blocks,
            },
            _ => return 0,
        };
        let number = *counter;
        *counter = counter.saturating_add(1);
        number
    }

    fn leave(&mut self, depth: u32, end: u32) {
        let Some(open) = self.scopes.pop_if(|open| open.depth == depth) else { return };
        let span = Span { start: open.start, end };
        let pieces = &mut self.pieces[open.pieces..];
        match open.scope {
            Scope::Choice => {
                pieces.iter_mut().for_each(|piece| piece.channel.choice = open.number);
                self.logprobs[open.logprobs..].iter_mut().for_each(|(_, choice)| *choice = open.number);
                self.facts.choices |= bit(open.number);
                if open.finished {
                    self.facts.finished |= bit(open.number);
                }
            }
            Scope::Block => pieces.iter_mut().for_each(|piece| piece.channel.block = open.number),
            Scope::Message => {
                let user = pieces.iter_mut().filter(|piece| piece.channel.kind == Kind::User);
                user.for_each(|piece| piece.channel.kind = open.role);
                self.pieces[open.pieces..].iter_mut().for_each(|piece| piece.channel.block = open.number);
            }
            Scope::Source if !open.text_source => self.drop_payloads(open.payloads),
            Scope::Source => self.payloads.truncate(open.payloads),
            Scope::Logprobs => {
                self.pieces.truncate(open.pieces);
                self.logprobs.push((span, 0));
            }
            Scope::StreamOptions => self.facts.stream_options = Some(span),
            Scope::Usage | Scope::Error => {}
        }
    }

    fn string(&mut self, document: &[u8], field: Field, hash: u16, span: Span, escaped: bool) {
        let mut lane = 0;
        let (kind, form, reach, signed) = match field {
            Field::Text(kind) => (kind, Form::Text, Reach::Running, false),
            Field::Lane(kind, number) => {
                lane = number;
                (kind, Form::Text, Reach::Running, false)
            }
            Field::Signed(kind) => (kind, Form::Text, Reach::Running, true),
            Field::Json(kind) => (kind, Form::Json, Reach::Running, false),
            Field::Whole(kind) => (kind, Form::Text, Reach::Whole, false),
            Field::Unknown | Field::Scope(_) => {
                lane = hash;
                (Kind::Opaque, Form::Text, Reach::Unknown, false)
            }
            Field::Url(_) if is_data_url(span.of(document)) => {
                self.facts.payload += span.len() as u64;
                return;
            }
            Field::Url(kind) => (kind, Form::Text, Reach::Whole, false),
            Field::Payload(kind) => {
                self.payloads.push(self.pieces.len());
                (kind, Form::Text, Reach::Whole, false)
            }
            Field::Exempt => return,
            Field::Fact(fact) => return self.word(document, fact, span, escaped),
        };
        self.pieces.push(Piece { channel: Channel::of(kind), lane, span, escaped, form, reach, signed });
    }

    fn odd_piece(&mut self, kind: Kind, span: Span, escaped: bool, form: Form) {
        let channel = Channel::of(kind);
        self.pieces.push(Piece { channel, lane: 0, span, escaped, form, reach: Reach::Whole, signed: false });
    }

    /// A string that is a fact.
    fn word(&mut self, document: &[u8], fact: Fact, span: Span, escaped: bool) {
        let mut scratch = std::mem::take(&mut self.key);
        let word = plain(document, span, escaped, &mut scratch);
        match fact {
            Fact::Model => self.facts.model = Some(span),
            Fact::Id => self.facts.id = Some(span),
            Fact::EventType => self.facts.event_type = Some(span),
            Fact::BlockType => self.facts.block_type = Some(span),
            Fact::Finish => match self.scopes.iter_mut().rfind(|open| open.scope == Scope::Choice) {
                Some(choice) => choice.finished = true,
                None => self.facts.finish = true,
            },
            Fact::Role => {
                if let Some(message) = self.scopes.iter_mut().rfind(|open| open.scope == Scope::Message) {
                    message.role = role(word);
                }
            }
            Fact::SourceType => {
                if let Some(source) = self.scopes.iter_mut().rfind(|open| open.scope == Scope::Source) {
                    source.text_source = word == b"text";
                }
            }
            _ => {}
        }
        self.key = scratch;
    }

    fn number(&mut self, document: &[u8], field: Field, span: Span, odd: bool) {
        let kind = match field {
            Field::Fact(fact) => return self.count(fact, span.of(document)),
            Field::Text(kind) | Field::Json(kind) | Field::Whole(kind) => kind,
            Field::Unknown => Kind::Opaque,
            _ => return,
        };
        if odd && span.len() >= SHORTEST_ODD_TEXT {
            self.odd_piece(kind, span, false, Form::Number);
        }
    }

    /// A number that is a fact; what is no whole number in range counts as absent.
    fn count(&mut self, fact: Fact, digits: &[u8]) {
        let value = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u64>().ok());
        let tokens = &mut self.facts.tokens;
        match fact {
            Fact::InputTokens => tokens.input = value,
            Fact::CachedTokens => tokens.cached = value,
            Fact::CacheWriteTokens => tokens.cache_write = value,
            Fact::OutputTokens => tokens.output = value,
            Fact::ReasoningTokens => tokens.reasoning = value,
            Fact::MaxTokens => self.facts.max_tokens = value,
            Fact::Created => self.facts.created = value,
            Fact::Choice | Fact::Block => {
                let number = value.map_or(u16::MAX, |value| value.min(u64::from(u16::MAX)) as u16);
                let wanted = if fact == Fact::Choice { Scope::Choice } else { Scope::Block };
                match self.scopes.iter_mut().rfind(|open| open.scope == wanted) {
                    Some(open) => open.number = number,
                    None => self.facts.block = Some(number),
                }
            }
            _ => {}
        }
    }

    fn boolean(&mut self, field: Field, span: Span, value: bool) {
        match field {
            Field::Fact(Fact::Stream) => self.facts.stream = value,
            Field::Fact(Fact::IncludeUsage) => self.facts.include_usage = Some((span, value)),
            _ => {}
        }
    }

    fn null(&mut self, field: Field, span: Span) {
        if field == Field::Scope(Scope::StreamOptions) {
            self.facts.stream_options = Some(span);
        }
    }

    /// Removes the payload pieces recorded since `from`: they are base64, not text.
    fn drop_payloads(&mut self, from: usize) {
        for index in self.payloads.drain(from..).rev() {
            let piece = self.pieces.remove(index);
            self.facts.payload += piece.span.len() as u64;
        }
    }
}

/// The bit of a choice in a set of choices.
pub fn bit(choice: u16) -> u64 {
    1 << choice.min(63)
}

/// The kind of text a role writes.
fn role(name: &[u8]) -> Kind {
    match name {
        b"system" | b"developer" => Kind::System,
        b"assistant" | b"model" => Kind::Assistant,
        b"tool" | b"function" => Kind::ToolResult,
        _ => Kind::User,
    }
}

/// The text of a string, decoded into `scratch` only when it holds escapes.
fn plain<'a>(document: &'a [u8], span: Span, escaped: bool, scratch: &'a mut Vec<u8>) -> &'a [u8] {
    if !escaped {
        return span.of(document);
    }
    scratch.clear();
    escape::decode(span.of(document), scratch);
    scratch
}

/// Whether a URL holds its content itself, as base64 (RFC 2397).
fn is_data_url(url: &[u8]) -> bool {
    let head = &url[..url.len().min(256)];
    url.starts_with(b"data:") && memchr::memmem::find(head, b";base64,").is_some()
}

/// One step of a hash over the keys that lead to an unknown field.
fn mix(hash: u16, key: &[u8]) -> u16 {
    let seed = 0x811C_9DC5 ^ u32::from(hash);
    let full = key.iter().fold(seed, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    // The upper half is left to unknown fields; places of named fields are small numbers.
    (full >> 16 ^ full) as u16 | 0x8000
}

#[cfg(test)]
#[path = "reading_tests.rs"]
mod tests;
