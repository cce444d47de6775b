//! One answer on a WebSocket, or what passes between two: its messages behind the holdback, its bill, its record.

use std::{collections::VecDeque, sync::Arc};

use aws_lc_rs::digest;
use bytes::Bytes;

use crate::{
    audit::{Digest, Verdict},
    config::Cut,
    flow::{flow::Flow, remembered::RequestDigest, services::Services},
    inspect::{
        Tokens,
        reply::{Released, ReplyOptions, ReplyStream},
        tools::{Guard, History},
    },
    wire::{
        Dialect,
        data::Data,
        dialects::{CutStyle, Reason},
        event::Direction,
        framer::{Framer, Framing},
        websocket::Message,
    },
};

/// What was asked for: a flow of its own, and the request, for remembering a cut.
pub struct Asked {
    /// Its flow.
    pub flow: Flow,
    /// Its request; answers nobody asked for have none.
    pub request: Option<RequestDigest>,
    /// What tools were called before.
    pub history: History,
}

/// A stretch of the server's messages with a holdback of its own.
pub struct Turn {
    /// What it answers; between answers nothing.
    pub asked: Option<Asked>,
    /// The holdback.
    pub stream: ReplyStream,
    /// Messages that are held back, as they came.
    pub waiting: VecDeque<Message>,
    before: digest::Context,
    after: digest::Context,
    most_held: usize,
}

impl Turn {
    /// A turn before its first message.
    pub fn new(
        services: &Services,
        dialect: &'static dyn Dialect,
        tokens: Option<Tokens>,
        asked: Option<Asked>,
    ) -> Turn {
        let options = ReplyOptions {
            cut: match services.config.cut {
                Cut::Text => CutStyle::Text,
                Cut::Error => CutStyle::Error,
            },
            framing: Some(Framing::Messages),
            held_bytes: services.config.limits.reply_held_bytes,
            ..ReplyOptions::default()
        };
        let history = asked.as_ref().map(|asked| asked.history.clone()).unwrap_or_default();
        let guard = Guard { policy: Arc::clone(&services.tools), history };
        let context = || digest::Context::new(&digest::SHA256);
        let stream = ReplyStream::new(Arc::clone(&services.engine), dialect, options);
        Turn {
            asked,
            stream: stream.restoring(tokens).guarded(guard),
            waiting: VecDeque::new(),
            before: context(),
            after: context(),
            most_held: 0,
        }
    }

    /// Takes a message of the server; what may go out is appended to `released`.
    pub fn take(&mut self, message: Message, released: &mut Vec<Released>) {
        self.before.update(&message.payload);
        self.stream.message(message.payload.clone(), released);
        self.waiting.push_back(message);
        self.most_held = self.most_held.max(self.stream.held());
    }

    /// Counts what goes to the client.
    pub fn sent(&mut self, payload: &[u8]) {
        self.after.update(payload);
        if let Some(Asked { flow, .. }) = &mut self.asked {
            flow.first_byte();
            flow.bytes(0, payload.len() as u64);
        }
    }

    /// Ends the answer early: the messages that say so, and whether its client then knows that it is over.
    pub fn cut(&mut self, reason: Reason, message: &str) -> (Vec<Bytes>, bool) {
        let mut pieces = Vec::new();
        let ended = self.stream.cut(reason, &format!("[gateway: {message}]"), &mut pieces);
        self.waiting.clear();
        let messages: Vec<Bytes> = pieces.iter().flat_map(|piece| payloads(&piece.bytes)).collect();
        messages.iter().for_each(|payload| self.sent(payload));
        (messages, ended)
    }

    /// Writes down what it came to. What was found between answers belongs to the `connection`.
    pub fn end(self, services: &Services, connection: &mut Flow, verdict: Verdict, reason: Option<&str>) {
        services.counters.held_bytes_highest.highest(self.most_held as u64);
        services.counters.tokens_restored.add(self.stream.restored());
        let Some(Asked { mut flow, .. }) = self.asked else {
            connection.called(self.stream.used());
            return connection.found(Direction::Reply, self.stream.findings());
        };
        flow.found(Direction::Reply, self.stream.findings());
        flow.called(self.stream.used());
        flow.usage(self.stream.usage(), verdict == Verdict::Allowed && self.stream.is_complete());
        let (before, after) = (Digest::finish(self.before), Digest::finish(self.after));
        let model = self.stream.model().map(str::to_owned);
        flow.note(|record| {
            record.stream = true;
            (record.reply.before, record.reply.after) = (Some(before), Some(after));
            record.model = record.model.take().or(model);
        });
        flow.end(verdict, reason);
    }
}

/// The payloads of the events of an ending, each to be a message.
fn payloads(events: &Bytes) -> Vec<Bytes> {
    let mut framer = Framer::new(Framing::Events);
    framer.push(events.clone());
    let mut all = Vec::new();
    while let Ok(Some(place)) = framer.next_event() {
        let event = framer.buffer().slice(place);
        match framer.data(&event) {
            Data::None => {}
            data => all.push(Bytes::copy_from_slice(data.payload(&event))),
        }
    }
    all
}
