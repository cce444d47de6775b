//! Streamed replies: scanned channel by channel, released event by event behind the exact holdback.

use std::sync::Arc;

use bytes::Bytes;

use crate::inspect::request::Located;
use crate::inspect::{Engine, RuleIndex};
use crate::wire::Dialect;
use crate::wire::dialects::{CutStyle, Reason};
use crate::wire::event::Usage;

/// How a stream is treated.
#[derive(Clone, Copy, Debug)]
pub struct ReplyOptions {
    /// The body is a stream of server-sent events; otherwise it is judged as one running text of raw bytes.
    pub event_stream: bool,
    /// Take out the chunk that carries nothing but usage: the gateway asked for it, the client did not.
    pub strip_usage: bool,
    /// Whether the client expects usage in the stream, also in one that is cut.
    pub with_usage: bool,
    /// How a cut looks.
    pub cut: CutStyle,
    /// Most bytes held back; past it the stream stops with [`Stop::Held`].
    pub held_bytes: usize,
    /// Most events held back, likewise.
    pub held_events: usize,
}

impl Default for ReplyOptions {
    fn default() -> ReplyOptions {
        ReplyOptions {
            event_stream: true,
            strip_usage: false,
            with_usage: true,
            cut: CutStyle::Text,
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
pub struct ReplyStream {
    engine: Arc<Engine>,
    dialect: &'static dyn Dialect,
    options: ReplyOptions,
    usage: Option<Usage>,
    findings: Vec<Located>,
    stop: Option<Stop>,
}

impl ReplyStream {
    /// A stream before its first byte.
    pub fn new(engine: Arc<Engine>, dialect: &'static dyn Dialect, options: ReplyOptions) -> ReplyStream {
        ReplyStream { engine, dialect, options, usage: None, findings: Vec::new(), stop: None }
    }

    /// Takes the next bytes from upstream and appends what may go to the client. Check [`ReplyStream::stop`] afterwards.
    pub fn push(&mut self, chunk: Bytes, out: &mut Vec<Released>) {
        let _ = (&self.engine, &self.options);
        if self.stop.is_none() && !chunk.is_empty() {
            out.push(Released { bytes: chunk, text_len: 0, deltas: 0 });
        }
    }

    /// Upstream's body ended: what is still held is decided and released.
    pub fn finish(&mut self, out: &mut Vec<Released>) {
        let _ = out;
    }

    /// Ends the stream early: what is held is dropped, and the dialect's ending with `message` is appended. Returns
    /// whether the stream now ends as its client expects; if not, the connection must be broken off instead.
    pub fn cut(&mut self, reason: Reason, message: &str, out: &mut Vec<Released>) -> bool {
        let _ = (reason, message, out, self.dialect);
        false
    }

    /// The provider stalls while something is held: releases the part of it that is decided, if there is any.
    pub fn relax(&mut self, out: &mut Vec<Released>) {
        let _ = out;
    }

    /// Set once nothing more may be released; then only [`ReplyStream::cut`] is left.
    pub fn stop(&self) -> Option<Stop> {
        self.stop
    }

    /// What the provider has reported as used so far.
    pub fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// Name of the model, once it was said.
    pub fn model(&self) -> Option<&str> {
        None
    }

    /// What was found so far; [`MOST_FINDINGS`](crate::inspect::request::MOST_FINDINGS) at most.
    pub fn findings(&self) -> &[Located] {
        &self.findings
    }

    /// Bytes held back now.
    pub fn held(&self) -> usize {
        0
    }

    /// Whether the stream's last event has been released.
    pub fn is_complete(&self) -> bool {
        false
    }

    /// Whether the provider reported an error in the stream.
    pub fn has_error(&self) -> bool {
        false
    }
}
