//! Reading one JSON document through a shape: its pieces of text with their places, and its facts.

mod call;
mod scope;
mod value;

use crate::wire::escape;
use crate::wire::event::{Channel, Kind};
use crate::wire::json::{JsonError, MAX_DEPTH, Span, Token, Tokens};
use crate::wire::shape::{Place, Shape};
pub use call::{Call, Role};
use scope::Open;

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
    /// The inside of a JSON string that is base64, or a `data:` URL of base64.
    Base64,
}

/// How long the text of a piece goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It continues the text of its channel.
    Running,
    /// It is a text of its own.
    Whole,
    /// It is a text of its own that repeats what ran before, whole: what stands in it has been counted.
    Again,
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

impl Piece {
    /// What was read as an answer or a message is reasoning.
    fn think(&mut self) {
        if matches!(self.channel.kind, Kind::Assistant | Kind::User) {
            self.channel.kind = Kind::Thinking;
        }
    }
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
    /// Number of the part within the block.
    pub part: Option<u16>,
    /// Number of the event in its stream.
    pub sequence: Option<u64>,
    /// The item of the answer that the event tells of, braces included.
    pub item: Option<Span>,
    /// Name of a tool at top level, where an event tells it beside the arguments.
    pub tool_name: Option<(Span, bool)>,
    /// Id of that item.
    pub item_id: Option<Span>,
    /// A reason why the whole answer ended stands here.
    pub finish: bool,
    /// Choices in the document, one bit each; all from the 64th on share the last bit.
    pub choices: u64,
    /// Choices that end with this document, likewise.
    pub finished: u64,
    /// A role stands outside of any message.
    pub role: bool,
    /// The head of a block stands here.
    pub opening: bool,
    /// A part of a running answer stands here.
    pub delta: bool,
    /// A client's message that asks for an answer.
    pub asks: bool,
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
    /// Input tokens counted beside the others.
    pub extra_input: Option<u64>,
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
    /// Tool calls and tool results, inner ones first.
    pub calls: Vec<Call>,
    /// Token-probability values, with the choice they belong to: they repeat the text.
    pub logprobs: Vec<(Span, u16)>,
    scopes: Vec<Open>,
    payloads: Vec<usize>,
    /// Whether this is a document of its own, not an event of a stream.
    whole: bool,
    blocks: u16,
    key: Vec<u8>,
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
        self.calls.clear();
        self.logprobs.clear();
        self.scopes.clear();
        self.payloads.clear();
        self.blocks = 0;
    }

    /// Takes running texts out: they are binary data.
    pub fn drop_running(&mut self) {
        let bytes: usize = self.running().map(|piece| piece.span.len()).sum();
        self.facts.payload += bytes as u64;
        self.pieces.retain(|piece| piece.reach != Reach::Running);
    }

    fn running(&self) -> impl Iterator<Item = &Piece> {
        self.pieces.iter().filter(|piece| piece.reach == Reach::Running)
    }

    /// Reads `document`. On an error the reading holds what came before it and must not be trusted.
    ///
    /// `odd` also reads keys that are free text, and long numbers, as text, and payloads as [`Form::Base64`]; streams
    /// leave them out.
    pub fn read(&mut self, document: &[u8], shape: &Shape, odd: bool) -> Result<(), JsonError> {
        self.clear();
        self.whole = odd;
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
            self.calls.iter_mut().for_each(|call| call.block = block);
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
}

/// The bit of a choice in a set of choices.
pub fn bit(choice: u16) -> u64 {
    1 << choice.min(63)
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
