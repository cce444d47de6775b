//! Values of a document: which are text, which are facts, which are neither.

use crate::wire::event::{Channel, Kind};
use crate::wire::json::Span;
use crate::wire::reading::{Form, Piece, Reach, Reading, SHORTEST_ODD_TEXT, plain};
use crate::wire::shape::{Fact, Field, Scope};

impl Reading {
    pub(super) fn string(&mut self, document: &[u8], field: Field, hash: u16, span: Span, escaped: bool) {
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
                // Some servers report errors as a mere string.
                self.facts.error |= field == Field::Scope(Scope::Error);
                lane = hash;
                (Kind::Opaque, Form::Text, Reach::Unknown, false)
            }
            Field::Url(kind) if is_data_url(span.of(document)) => {
                self.facts.payload += span.len() as u64;
                if !self.whole {
                    return;
                }
                (kind, Form::Base64, Reach::Whole, false)
            }
            Field::ToolName(kind) => {
                self.tool_name(span, escaped);
                (kind, Form::Text, Reach::Whole, false)
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

    pub(super) fn odd_piece(&mut self, kind: Kind, span: Span, escaped: bool, form: Form) {
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
            Fact::ItemId => self.facts.item_id = Some(span),
            Fact::EventType => self.facts.event_type = Some(span),
            Fact::BlockType => {
                self.facts.block_type = Some(span);
                let (call, output) = (word.ends_with(b"_call"), word.ends_with(b"_output"));
                self.with_call(|named| (named.kind, named.typed, named.output) = (Some(span), call, output));
            }
            Fact::CallId => self.with_call(|named| named.id = Some(span)),
            Fact::ResultOf => self.with_call(|named| named.result_of = Some(span)),
            Fact::Finish => self.finish(),
            Fact::Role => match self.scopes.iter_mut().rfind(|open| open.scope == Scope::Message) {
                Some(message) => {
                    message.role = role(word);
                    message.named.output |= message.role == Kind::ToolResult;
                }
                None => self.facts.role = true,
            },
            Fact::SourceType => {
                if let Some(source) = self.scopes.iter_mut().rfind(|open| open.scope == Scope::Source) {
                    source.text_source = word == b"text";
                }
            }
            _ => {}
        }
        self.key = scratch;
    }

    /// The choice, or where there is none the answer, has ended.
    fn finish(&mut self) {
        match self.scopes.iter_mut().rfind(|open| open.scope == Scope::Choice) {
            Some(choice) => choice.finished = true,
            None => self.facts.finish = true,
        }
    }

    pub(super) fn number(&mut self, document: &[u8], field: Field, span: Span, odd: bool) {
        let kind = match field {
            Field::Fact(Fact::Id) => {
                self.facts.id = Some(span);
                return;
            }
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
        let digits = std::str::from_utf8(digits).unwrap_or_default();
        // Some servers write counts with a decimal point.
        let value = digits.strip_suffix(".0").unwrap_or(digits).parse::<u64>().ok();
        let tokens = &mut self.facts.tokens;
        match fact {
            Fact::InputTokens => tokens.input = value,
            Fact::CachedTokens => tokens.cached = value,
            Fact::CacheWriteTokens => tokens.cache_write = value,
            Fact::OutputTokens => tokens.output = value,
            Fact::ReasoningTokens => tokens.reasoning = value,
            Fact::MaxTokens => self.facts.max_tokens = value,
            Fact::ExtraInputTokens => tokens.extra_input = value,
            Fact::Created => self.facts.created = value,
            Fact::Sequence => self.facts.sequence = value,
            Fact::Part => self.facts.part = Some(value.map_or(u16::MAX, small)),
            Fact::Choice | Fact::Block => {
                let number = value.map_or(u16::MAX, small);
                let wanted = if fact == Fact::Choice { Scope::Choice } else { Scope::Block };
                match self.scopes.iter_mut().rfind(|open| open.scope == wanted) {
                    Some(open) => open.number = number,
                    None => self.facts.block = Some(number),
                }
            }
            _ => {}
        }
    }

    pub(super) fn boolean(&mut self, field: Field, span: Span, value: bool) {
        match field {
            Field::Fact(Fact::Stream) => self.facts.stream = value,
            Field::Fact(Fact::Asks) => self.facts.asks = value,
            Field::Fact(Fact::Finish) if value => self.finish(),
            Field::Fact(Fact::IncludeUsage) => self.facts.include_usage = Some((span, value)),
            Field::Fact(Fact::Thought) => {
                if let Some(part) = self.scopes.iter_mut().rfind(|open| open.scope == Scope::Part) {
                    part.thought = value;
                }
            }
            _ => {}
        }
    }

    pub(super) fn null(&mut self, field: Field, span: Span) {
        if field == Field::Scope(Scope::StreamOptions) {
            self.facts.stream_options = Some(span);
        }
    }
}

/// A number as it names channels; all that are larger share the last one.
fn small(value: u64) -> u16 {
    value.min(u64::from(u16::MAX)) as u16
}

/// The kind of text a role writes.
fn role(name: &[u8]) -> Kind {
    match name {
        b"system" | b"developer" | b"SYSTEM" => Kind::System,
        b"assistant" | b"model" | b"CHATBOT" => Kind::Assistant,
        b"tool" | b"function" | b"TOOL" => Kind::ToolResult,
        _ => Kind::User,
    }
}

/// Whether a URL holds its content itself, as base64 (RFC 2397).
fn is_data_url(url: &[u8]) -> bool {
    let head = &url[..url.len().min(256)];
    url.starts_with(b"data:") && memchr::memmem::find(head, b";base64,").is_some()
}
