//! The dialects: what each LLM API's fields mean, how its refusals look and how its streams end.

pub mod answer;
pub mod anthropic;
pub mod bedrock;
pub mod cohere;
pub mod gemini;
pub mod mcp;
pub mod ollama;
pub mod opaque;
pub mod openai_chat;
pub mod openai_responses;
mod thoughts;

use std::fmt::Debug;

use answer::Answer;

use crate::wire::event::Usage;
use crate::wire::framer::Framing;
use crate::wire::json::Span;
use crate::wire::reading::{Facts, Reading, Tokenised};
use crate::wire::shape::Shape;

/// Every dialect, by name; the catalog of providers refers to them.
pub const ALL: &[&dyn Dialect] = &[
    &openai_chat::OpenAiChat,
    &openai_responses::OpenAiResponses,
    &anthropic::Anthropic,
    &gemini::Gemini::Bare,
    &gemini::Gemini::Wrapped,
    &gemini::live::GeminiLive,
    &ollama::Ollama::Chat,
    &ollama::Ollama::Generate,
    &bedrock::converse::Converse,
    &bedrock::invoke::Invoke,
    &cohere::Cohere::V1,
    &cohere::Cohere::V2,
    &mcp::Mcp,
    &opaque::Opaque,
];

/// The dialect with this name.
pub fn by_name(name: &str) -> Option<&'static dyn Dialect> {
    ALL.iter().copied().find(|dialect| dialect.name() == name)
}

/// One wire API.
pub trait Dialect: Send + Sync + Debug {
    /// Its name in the catalog and in records.
    fn name(&self) -> &'static str;

    /// Whether bodies are JSON of a known shape. If so, a body that is not is broken.
    fn is_known(&self) -> bool {
        true
    }

    /// The fields of a request body.
    fn request(&self) -> &'static Shape;

    /// The fields of a whole reply.
    fn reply(&self) -> &'static Shape;

    /// The fields of one event of a streamed reply.
    fn event(&self) -> &'static Shape;

    /// Puts right what the fields of an event alone do not say: which channel a text belongs to, where that depends on
    /// the event's type.
    fn refine(&self, _event: &[u8], _reading: &mut Reading) {}

    /// What an event does to its stream.
    fn marks(&self, event: &[u8], facts: &Facts) -> Marks;

    /// Takes token counts into `usage`; later counts replace earlier ones.
    fn count(&self, tokens: &Tokenised, usage: &mut Usage);

    /// The body of a refusal, for a reply of status 400 and type `application/json`.
    fn refusal(&self, refusal: &Refusal<'_>) -> Vec<u8>;

    /// Learns from the first events of a stream what its early ending has to say again; asked until the answer has an id.
    fn learn(&self, event: &[u8], facts: &Facts, sent: &mut Sent) {
        sent.name(event, facts);
    }

    /// The bytes that end a running stream early, so that every client shows why and none repeats the request. They
    /// follow whole events. Empty where the dialect has no such ending: then only breaking the connection is left.
    fn ending(&self, sent: &Sent, ending: &Ending<'_>) -> Vec<u8>;

    /// Whether the provider itself runs tool calls of this kind ([`Fact::BlockType`](crate::wire::shape::Fact::BlockType)),
    /// so that the client only hears of them.
    fn runs(&self, _kind: &[u8]) -> bool {
        false
    }

    /// Whether each tool call in a streamed event is complete there; else calls run on until their block or answer ends.
    fn calls_are_whole(&self) -> bool {
        false
    }

    /// Whether a message that a client sent over a WebSocket asks for an answer: an exchange of its own.
    fn asks(&self, _message: &[u8], facts: &Facts) -> bool {
        facts.asks
    }

    /// The id of a request's call, as it stands in the body: its refusal is an answer to that call, of status 200.
    fn call(&self, _body: &[u8], _facts: &Facts) -> Option<String> {
        None
    }

    /// A refusal as a message to a WebSocket's client. `None` where the dialect has none: then only closing the
    /// connection is left.
    fn message_refusal(&self, _refusal: &Refusal<'_>) -> Option<Vec<u8>> {
        None
    }

    /// Whether a choice may go on after it finished, as with servers that write a finish into every event. If so, its
    /// texts end with the body, and the answer is over once all its choices have finished and none has gone on.
    fn resumes(&self) -> bool {
        false
    }

    /// Whether an early ending has to repeat what was said. If so, [`Dialect::remember`] is given every event that goes
    /// to the client.
    fn remembers(&self) -> bool {
        false
    }

    /// Takes into `sent` what an early ending will have to repeat of an event.
    fn remember(&self, _event: &[u8], _reading: &Reading, _sent: &mut Sent) {}

    /// What to put where in a request so that it asks for usage at the end of its stream; `None` when it needs no
    /// asking or already does.
    fn ask_usage(&self, _body: &[u8], _facts: &Facts) -> Option<(Span, String)> {
        None
    }
}

/// Why a request or stream is refused, as clients are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A rule forbids it.
    PolicyBlocked,
    /// A budget has nothing left.
    BudgetExceeded,
    /// The gateway or the way upstream failed.
    GatewayFault,
}

impl Reason {
    /// The machine-readable code in error bodies.
    pub fn code(self) -> &'static str {
        match self {
            Reason::PolicyBlocked => "policy_blocked",
            Reason::BudgetExceeded => "budget_exceeded",
            Reason::GatewayFault => "gateway_fault",
        }
    }
}

/// A refusal before anything was answered.
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'a> {
    /// Why.
    pub reason: Reason,
    /// What the user reads.
    pub message: &'a str,
    /// The flow's id, where the provider's error shape has a place for a request id.
    pub flow: &'a str,
    /// What [`Dialect::call`] found in the request.
    pub call: Option<&'a str>,
}

/// How a stream is ended early.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CutStyle {
    /// A last text delta with the reason, then the dialect's normal ending: shown by every client, repeated by none.
    #[default]
    Text,
    /// An error event: programs see an exception; some clients repeat the request.
    Error,
}

/// An early end of a stream.
#[derive(Clone, Copy, Debug)]
pub struct Ending<'a> {
    /// How it looks.
    pub style: CutStyle,
    /// Why.
    pub reason: Reason,
    /// What the user reads.
    pub message: &'a str,
    /// What the answer has used so far.
    pub usage: Usage,
    /// Whether the client expects usage in the stream.
    pub with_usage: bool,
}

/// What one event does to its stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// The answer starts.
    pub start: bool,
    /// A content block starts; whether it is plain text.
    pub opens: Option<(u16, bool)>,
    /// A content block runs, which need not have been opened; whether it is plain text.
    pub runs: Option<(u16, bool)>,
    /// A content block ends, and its channels with it.
    pub closes: Option<u16>,
    /// What it ends is complete before its own texts, which repeat it or are others.
    pub ends_first: bool,
    /// Choices it speaks of, one bit each.
    pub choices: u64,
    /// Choices that end, and their channels with them.
    pub finished: u64,
    /// The whole answer ends: every channel does.
    pub stop: bool,
    /// Nothing follows.
    pub terminal: bool,
    /// The provider reports an error.
    pub error: bool,
    /// It carries usage.
    pub usage: bool,
    /// It carries usage and nothing else: the extra chunk of a client that asked for usage.
    pub only_usage: bool,
}

/// Most open content blocks that are remembered for closing.
pub const MAX_OPEN_BLOCKS: usize = 64;

/// Longest id or model name that is remembered, in bytes.
const LONGEST_NAME: usize = 512;

/// What of a stream has gone to the client: what an early ending has to close.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    /// The answer has started.
    pub started: bool,
    /// Id of the answer.
    pub id: String,
    /// Name of the model.
    pub model: String,
    /// Creation time, seconds since 1970.
    pub created: u64,
    /// Which of a dialect's forms the answer has, where it has several.
    pub form: &'static str,
    /// Choices seen, one bit each.
    pub choices: u64,
    /// Choices ended, one bit each.
    pub finished: u64,
    /// Open content blocks; whether each is plain text.
    pub open: Vec<(u16, bool)>,
    /// The number the next content block gets.
    pub next_block: u16,
    /// The stop reason has gone.
    pub stopped: bool,
    /// The last event has gone.
    pub terminal: bool,
    /// How the stream's events are set apart.
    pub framing: Framing,
    /// Finished choices may go on ([`Dialect::resumes`]).
    pub resumes: bool,
    /// What an early ending has to repeat.
    pub answer: Answer,
}

impl Sent {
    /// Whether the answer's id is known.
    pub fn is_named(&self) -> bool {
        !self.id.is_empty()
    }

    /// Learns the names of the answer from its first event.
    pub fn name(&mut self, event: &[u8], facts: &Facts) {
        let text = |span: Option<Span>| {
            let name = span.filter(|span| span.len() <= LONGEST_NAME).map(|span| span.of(event));
            name.map(|name| String::from_utf8_lossy(name).into_owned()).unwrap_or_default()
        };
        if self.id.is_empty() {
            self.id = text(facts.id);
        }
        if self.model.is_empty() {
            self.model = text(facts.model);
        }
        if self.created == 0 {
            self.created = facts.created.unwrap_or(0);
        }
    }

    /// Whether nothing follows, once the choices `choices` and the finishes `finished` have gone out too.
    pub fn is_over(&self, choices: u64, finished: u64) -> bool {
        let (choices, finished) = (self.choices | choices, self.finished | finished);
        self.terminal || self.resumes && choices != 0 && choices & !finished == 0
    }

    /// Takes in an event that goes to the client.
    pub fn note(&mut self, marks: &Marks) {
        self.started |= marks.start;
        self.choices |= marks.choices;
        self.finished |= marks.finished;
        self.stopped |= marks.stop;
        self.terminal |= marks.terminal;
        if let Some((number, text)) = marks.opens.or(marks.runs) {
            let known = self.open.iter().any(|&(open, _)| open == number);
            if !known && self.open.len() < MAX_OPEN_BLOCKS {
                self.open.push((number, text));
            }
            self.next_block = self.next_block.max(number.saturating_add(1));
        }
        if let Some(number) = marks.closes {
            self.open.retain(|&(open, _)| open != number);
        }
    }
}

/// Checks the texts of a document, each with its kind, in document order.
#[cfg(test)]
fn check_fields(shape: &Shape, document: &str, expected: &[(crate::wire::event::Kind, &str)]) {
    let mut reading = Reading::new();
    reading.read(document.as_bytes(), shape, false).expect("JSON");
    let text = |span: Span| std::str::from_utf8(span.of(document.as_bytes())).expect("UTF-8");
    let found: Vec<_> = reading.pieces.iter().map(|piece| (piece.channel.kind, text(piece.span))).collect();
    assert_eq!(found, expected, "{document}");
}
