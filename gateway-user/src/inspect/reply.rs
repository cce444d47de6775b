//! Streamed replies: scanned channel by channel, released event by event behind the exact holdback.

mod event;
mod events;
mod raw;
mod track;

use std::sync::Arc;

use bytes::Bytes;

use crate::inspect::request::Located;
use crate::inspect::tools::{Because, Gate, Guard, Used};
use crate::inspect::{Engine, RuleIndex, Tokens};
use crate::wire::Dialect;
use crate::wire::dialects::{CutStyle, Ending, Reason};
use crate::wire::event::{Direction, Usage};
use crate::wire::framer::Framing;
use events::Events;
use raw::Raw;

/// How a stream is treated.
#[derive(Clone, Copy, Debug)]
pub struct ReplyOptions {
    /// How the events of the body are set apart; `None` where it is no stream of events and judged as one running text of
    /// raw bytes. Messages of a WebSocket are given to [`ReplyStream::message`] one by one.
    pub framing: Option<Framing>,
    /// Take out the chunk that carries nothing but usage: the gateway asked for it, the client did not.
    pub strip_usage: bool,
    /// Whether the client expects usage in the stream, also in one that is cut.
    pub with_usage: bool,
    /// How a cut looks.
    pub cut: CutStyle,
    /// No released piece holds more than one delta: for a caller that charges each before it goes out.
    pub separate: bool,
    /// Most bytes held back; past it the stream stops with [`Stop::Held`].
    pub held_bytes: usize,
    /// Most events held back, likewise.
    pub held_events: usize,
}

impl Default for ReplyOptions {
    fn default() -> ReplyOptions {
        ReplyOptions {
            framing: Some(Framing::Events),
            strip_usage: false,
            with_usage: true,
            cut: CutStyle::Text,
            separate: false,
            held_bytes: 1 << 20,
            held_events: 4096,
        }
    }
}

/// Why nothing more of a stream may be released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// A rule blocks what the model wrote.
    Blocked(RuleIndex),
    /// A rule would redact text the provider signed, which cannot be rewritten.
    Signed(RuleIndex),
    /// More is held back than allowed.
    Held,
    /// An event is too large to be inspected.
    TooLong,
    /// A frame is damaged, and with it all that follows.
    Broken,
    /// A tool call is refused, and nothing can stand in its place.
    Tool(Because),
}

/// Bytes that may go to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Released {
    /// The bytes.
    pub bytes: Bytes,
    /// Decoded bytes of model text in them, on all channels that are billed as output.
    pub text_len: usize,
    /// How many events of them carry such text.
    pub deltas: u32,
}

/// The machine behind which a streamed reply is released.
///
/// Events go out byte for byte as they came, as soon as no enforcing rule can reach into their text any more. Events
/// that must wait do so in order. A redaction changes only the strings the value stands in: its mask takes the place
/// of the value's first part, the other parts become empty. Text the provider signs is never changed: a redaction
/// there stops the stream. Token probabilities of a changed delta become `null`, because they repeat it.
pub struct ReplyStream {
    engine: Arc<Engine>,
    dialect: &'static dyn Dialect,
    options: ReplyOptions,
    /// Whether anything may change or stop the reply.
    enforces: bool,
    tokens: Option<Tokens>,
    body: Body,
}

/// How the body is read.
enum Body {
    Events(Box<Events>),
    Raw(Box<Raw>),
    /// An event that cannot be read came, and no rule enforces anything: what it was so far, and the rest as raw.
    Rest(Box<Events>, Box<Raw>),
}

impl ReplyStream {
    /// A stream before its first byte.
    pub fn new(engine: Arc<Engine>, dialect: &'static dyn Dialect, options: ReplyOptions) -> ReplyStream {
        let enforces = enforces(&engine);
        let body = match options.framing {
            Some(framing) => {
                Body::Events(Box::new(Events::new(Arc::clone(&engine), dialect, options, framing)))
            }
            None => Body::Raw(Box::new(Raw::new(Arc::clone(&engine), options, None))),
        };
        ReplyStream { engine, dialect, options, enforces, tokens: None, body }
    }

    /// The same stream, with its tool calls judged and recorded; to be asked for before its first byte.
    pub fn guarded(mut self, guard: Guard) -> ReplyStream {
        self.enforces |= guard.policy.may_hold();
        if let Body::Events(events) = &mut self.body {
            events.gate = Some(Box::new(Gate::new(guard)));
        }
        self
    }

    /// Gives the client the values of `tokens` in place of the tokens the model writes, once its text is judged. Call it
    /// before the first byte.
    pub fn restoring(mut self, tokens: Option<Tokens>) -> ReplyStream {
        match &mut self.body {
            Body::Events(events) => events.tokens.clone_from(&tokens),
            Body::Raw(raw) | Body::Rest(_, raw) => {
                **raw = Raw::new(Arc::clone(&self.engine), self.options, tokens.as_ref());
            }
        }
        ReplyStream { tokens, ..self }
    }

    /// Takes the next bytes from upstream and appends what may go to the client. Look at [`ReplyStream::stop`] afterwards;
    /// once it is set, nothing more is taken or released.
    pub fn push(&mut self, chunk: Bytes, out: &mut Vec<Released>) {
        match &mut self.body {
            Body::Events(events) => {
                events.push(chunk, out);
                if matches!(events.stop, Some(Stop::TooLong | Stop::Broken)) && !self.enforces {
                    self.give_up_events(out);
                }
            }
            Body::Raw(raw) | Body::Rest(_, raw) => raw.push(chunk, out),
        }
    }

    /// Takes one message of a WebSocket as one event, and appends what may go to the client: each piece then holds exactly
    /// one message, in order, or after [`ReplyStream::relax`] a part of one. As [`ReplyStream::push`] otherwise; needs
    /// [`Framing::Messages`].
    pub fn message(&mut self, payload: Bytes, out: &mut Vec<Released>) {
        match &mut self.body {
            Body::Events(events) => events.message(payload, out),
            Body::Raw(raw) | Body::Rest(_, raw) => raw.push(payload, out),
        }
    }

    /// Upstream's body ended: what is still held is decided and released.
    pub fn finish(&mut self, out: &mut Vec<Released>) {
        match &mut self.body {
            Body::Events(events) => events.finish(out),
            Body::Raw(raw) | Body::Rest(_, raw) => raw.finish(out),
        }
    }

    /// Ends the stream early: what is held is dropped, and the dialect's ending with `message` is appended. Returns
    /// whether the stream now ends as its client expects; if not, the connection must be broken off instead.
    pub fn cut(&mut self, reason: Reason, message: &str, out: &mut Vec<Released>) -> bool {
        let Body::Events(events) = &mut self.body else {
            self.drop_held();
            return false;
        };
        events.drop_held();
        events.count_sent();
        if events.sent.is_over(0, 0) {
            return true;
        }
        let usage = events.usage.unwrap_or_default();
        let ReplyOptions { cut: style, with_usage, .. } = self.options;
        let ending = Ending { style, reason, message, usage, with_usage };
        let bytes = self.dialect.ending(&events.sent, &ending);
        if bytes.is_empty() {
            return false;
        }
        events.sent.terminal = true;
        out.push(Released { bytes: bytes.into(), text_len: 0, deltas: 0 });
        true
    }

    /// Tells that of the pieces in the list given to the last [`ReplyStream::push`] those from index `first` on will not
    /// be sent, so that [`ReplyStream::cut`] ends what the client really has. The list must be emptied between pushes.
    pub fn take_back(&mut self, first: usize) {
        if let Body::Events(events) = &mut self.body {
            events.take_back(first);
        }
    }

    /// The provider stalls while something is held: releases the part of it that is decided, if there is any, as an
    /// event of its own. The rest follows when it is decided.
    pub fn relax(&mut self, out: &mut Vec<Released>) {
        if let Body::Events(events) = &mut self.body {
            events.relax(out);
        }
    }

    /// Set once nothing more may be released; then only [`ReplyStream::cut`] is left.
    pub fn stop(&self) -> Option<Stop> {
        match &self.body {
            Body::Events(events) => events.stop,
            Body::Raw(raw) | Body::Rest(_, raw) => raw.stop,
        }
    }

    /// What the provider has reported as used so far.
    pub fn usage(&self) -> Option<Usage> {
        self.events().and_then(|events| events.usage)
    }

    /// Name of the model, once it was said.
    pub fn model(&self) -> Option<&str> {
        self.events().map(|events| events.sent.model.as_str()).filter(|name| !name.is_empty())
    }

    /// What was found so far; [`MOST_FINDINGS`](crate::inspect::request::MOST_FINDINGS) at most.
    pub fn findings(&self) -> &[Located] {
        match &self.body {
            Body::Events(events) => &events.findings,
            Body::Raw(raw) | Body::Rest(_, raw) => &raw.findings,
        }
    }

    /// The tool calls so far, as they are recorded; [`MOST_CALLS`](crate::inspect::tools::MOST_CALLS) at most.
    pub fn used(&self) -> &[Used] {
        self.events().map_or(&[], Events::used)
    }

    /// How many tokens became values again.
    pub fn restored(&self) -> u64 {
        match &self.body {
            Body::Events(events) => events.restored,
            Body::Raw(raw) => raw.restored,
            Body::Rest(events, raw) => events.restored + raw.restored,
        }
    }

    /// Bytes held back now. An event whose end has not come is not counted.
    pub fn held(&self) -> usize {
        match &self.body {
            Body::Events(events) => events.held(),
            Body::Raw(raw) | Body::Rest(_, raw) => raw.held(),
        }
    }

    /// Whether the stream's last event has been released.
    pub fn is_complete(&self) -> bool {
        self.events().is_some_and(Events::is_complete)
    }

    /// Whether the answer has begun, as its dialect sees it.
    pub fn is_started(&self) -> bool {
        self.events().is_some_and(Events::is_started)
    }

    /// Whether the provider reported an error in the stream, and the answer did not go on after it.
    pub fn has_error(&self) -> bool {
        self.events().is_some_and(|events| events.error)
    }

    /// Whether the answer ended in an error. One that has begun and of which something is held may yet go on, as those of
    /// Realtime do.
    pub fn has_failed(&self) -> bool {
        self.has_error() && !(self.is_started() && self.held() > 0)
    }

    /// How many errors the provider reported in events that do not end the answer.
    pub fn errors(&self) -> u32 {
        self.events().map_or(0, |events| events.errors)
    }

    fn events(&self) -> Option<&Events> {
        match &self.body {
            Body::Events(events) | Body::Rest(events, _) => Some(events),
            Body::Raw(_) => None,
        }
    }

    fn drop_held(&mut self) {
        if let Body::Raw(raw) | Body::Rest(_, raw) = &mut self.body {
            raw.drop_held();
        }
    }

    /// Reads the rest of an event stream as raw bytes.
    fn give_up_events(&mut self, out: &mut Vec<Released>) {
        let raw = || Box::new(Raw::new(Arc::clone(&self.engine), self.options, self.tokens.as_ref()));
        let (mut raw, placeholder) = (raw(), Body::Raw(raw()));
        let Body::Events(mut events) = std::mem::replace(&mut self.body, placeholder) else { return };
        raw.findings.append(&mut events.findings);
        raw.push(events.rest(), out);
        self.body = Body::Rest(events, raw);
    }
}

/// Whether any rule may change or stop a reply.
fn enforces(engine: &Engine) -> bool {
    !engine.held_by(Direction::Reply).is_empty()
}

#[cfg(test)]
#[path = "reply_tests.rs"]
mod tests;
