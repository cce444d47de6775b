//! A reply that streams through the holdback: decoded, scanned, charged delta by delta, cut when its budget is spent.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use aws_lc_rs::digest;
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};
use hyper::body::Incoming;

use super::{body::BrokenOff, flow::Flow, remembered::RequestDigest, services::Services, silence::Silence};
use crate::{
    audit::{Digest, Verdict},
    inspect::{
        Engine,
        reply::{Released, ReplyStream, Stop},
    },
    upstream::Lease,
    wire::{
        dialects::Reason,
        encoding::{Decoder, EncodingError},
        event::Direction,
    },
};

/// How long events are held whole while upstream is silent. After it, text before the earliest live candidate goes out
/// as an event of its own: a reader then sees all that is decided, at the price of framing that is not upstream's.
pub const STALL: Duration = Duration::from_millis(250);

/// Released pieces that are gathered before they go out.
const MOST_GATHERED: usize = 32;

/// What an inspected stream is made of.
pub struct Parts {
    /// What every flow shares.
    pub services: Arc<Services>,
    /// Upstream's body.
    pub body: Incoming,
    /// Takes its content-encoding off, where it has one.
    pub decoder: Option<Decoder>,
    /// The holdback.
    pub stream: ReplyStream,
    /// The flow it belongs to.
    pub flow: Flow,
    /// The connection it comes on; given up when the stream is cut.
    pub lease: Option<Lease>,
    /// The request, for remembering a cut.
    pub request: RequestDigest,
    /// Upstream's bytes go out as they come, still encoded; the holdback only looks at a decoded copy (warn mode).
    pub observed: bool,
}

/// A reply body behind the holdback.
pub struct Inspected {
    parts: Parts,
    /// Released and charged, in order, not yet taken by the client's connection.
    ready: VecDeque<Bytes>,
    released: Vec<Released>,
    trailers: Option<HeaderMap>,
    before: digest::Context,
    after: digest::Context,
    most_held: usize,
    /// The first piece has gone to the client's connection.
    begun: bool,
    /// A turn has passed since the last piece came.
    waited: bool,
    /// Enough is gathered: it goes out before more is read.
    draining: bool,
    /// Nothing at all comes.
    silence: Silence,
    /// Nothing comes while something is held back.
    stall: Silence,
    relaxed: bool,
    /// Why the rest of an observed reply is not looked at.
    blind: Option<String>,
    state: State,
}

enum State {
    Open,
    /// Nothing more is read; `ready` and the trailers are still to be sent.
    Done,
    /// Broken off: after `ready` comes this error.
    Broken(String),
}

impl Inspected {
    /// Puts the holdback in front of a reply.
    pub fn new(parts: Parts) -> Self {
        let context = || digest::Context::new(&digest::SHA256);
        let silence = Silence::new(parts.services.config.limits.idle);
        Inspected {
            parts,
            silence,
            begun: false,
            waited: false,
            draining: false,
            stall: Silence::new(STALL),
            relaxed: false,
            blind: None,
            ready: VecDeque::new(),
            released: Vec::new(),
            trailers: None,
            before: context(),
            after: context(),
            most_held: 0,
            state: State::Open,
        }
    }

    /// The next released piece.
    ///
    /// Upstream hands over one piece per turn. What a burst brings is gathered, a turn at a time, before any of it goes
    /// to the client's connection, which then sends it with one system call. The first piece never waits.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        loop {
            if matches!(self.state, State::Open) && !self.draining {
                match self.read(context) {
                    Poll::Ready(()) => {
                        self.waited = false;
                        self.draining = self.ready.len() >= MOST_GATHERED;
                        continue;
                    }
                    Poll::Pending if self.ready.is_empty() => return Poll::Pending,
                    Poll::Pending if self.begun && !self.waited => {
                        self.waited = true;
                        context.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    Poll::Pending => {}
                }
            }
            if let Some(data) = self.ready.pop_front() {
                self.begun = true;
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            self.draining = false;
            match &mut self.state {
                State::Open => {}
                State::Done => {
                    return Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))));
                }
                State::Broken(why) => {
                    let why = std::mem::take(why);
                    self.state = State::Done;
                    return Poll::Ready(Some(Err(BrokenOff(why))));
                }
            }
        }
    }

    /// Takes the next piece of upstream's body, or what its absence means.
    fn read(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match Pin::new(&mut self.parts.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => self.take(data),
                Err(frame) => self.trailers = frame.into_trailers().ok(),
            },
            Poll::Ready(Some(Err(error))) => {
                self.broke_off(&format!("upstream broke off its answer: {error}"))
            }
            Poll::Ready(None) => self.finish(),
            Poll::Pending if !self.ready.is_empty() => return Poll::Pending,
            Poll::Pending if self.silence.poll(context).is_ready() => {
                self.broke_off("upstream went silent in the middle of its answer");
            }
            Poll::Pending if self.is_stalled(context) => self.relax(),
            Poll::Pending => return Poll::Pending,
        }
        Poll::Ready(())
    }

    /// Whether something has been held back for so long that its decided part should go out.
    fn is_stalled(&mut self, context: &mut Context<'_>) -> bool {
        !self.relaxed && self.parts.stream.held() > 0 && self.stall.poll(context).is_ready()
    }

    fn relax(&mut self) {
        self.relaxed = true;
        self.parts.stream.relax(&mut self.released);
        self.release();
    }

    /// Takes a piece of upstream's body.
    fn take(&mut self, data: Bytes) {
        let begun = Instant::now();
        self.silence.heard(begun);
        self.stall.heard(begun);
        self.relaxed = false;
        self.before.update(&data);
        if self.parts.observed {
            self.send(data.clone());
        }
        let decoded = match &mut self.parts.decoder {
            _ if self.blind.is_some() => return self.parts.flow.added(begun),
            None => Ok(data),
            Some(decoder) => decoder.push(&data).map(Bytes::from),
        };
        match decoded {
            Ok(data) => {
                self.parts.stream.push(data, &mut self.released);
                self.most_held = self.most_held.max(self.parts.stream.held());
                self.release();
            }
            Err(error) => self.undecodable(&error),
        }
        self.parts.flow.added(begun);
    }

    /// Upstream's body came to its end.
    fn finish(&mut self) {
        if let Some(decoder) = self.parts.decoder.as_mut().filter(|_| self.blind.is_none()) {
            match decoder.finish() {
                Ok(rest) => self.parts.stream.push(Bytes::from(rest), &mut self.released),
                Err(error) if self.parts.observed => self.undecodable(&error),
                Err(error) => {
                    return self.broke_off(&format!("upstream's answer ended inside its encoding: {error}"));
                }
            }
        }
        self.parts.stream.finish(&mut self.released);
        self.release();
        if matches!(self.state, State::Open) {
            if let Some(lease) = self.parts.lease.take() {
                self.parts.services.pool.give_back(lease);
            }
            match self.blind.take() {
                None => self.end(true, Verdict::Allowed, None),
                Some(why) => self.end(false, Verdict::Warned, Some(&why)),
            }
        }
    }

    /// The answer's encoding broke, or decodes to more than is allowed. What is only observed goes on unread.
    fn undecodable(&mut self, error: &EncodingError) {
        let why = format!("the answer cannot be inspected: {error}");
        match self.parts.observed {
            true => self.blind = Some(why),
            false => self.cut(Reason::PolicyBlocked, &why),
        }
    }

    /// Charges what was released and queues it for the client; cuts the stream where a rule or a budget says so.
    fn release(&mut self) {
        let mut released = std::mem::take(&mut self.released);
        for (index, piece) in released.drain(..).enumerate() {
            if let Err(refused) = self.parts.flow.draw(piece.text_len) {
                self.parts.stream.take_back(index);
                self.cut(Reason::BudgetExceeded, &refused.to_string());
                break;
            }
            if !self.parts.observed {
                self.send(piece.bytes);
            }
        }
        self.released = released;
        if matches!(self.state, State::Open)
            && let Some(stop) = self.parts.stream.stop()
        {
            let message = why(&self.parts.services.engine, stop);
            self.cut(Reason::PolicyBlocked, &message);
        }
    }

    fn send(&mut self, data: Bytes) {
        if data.is_empty() {
            return;
        }
        self.after.update(&data);
        self.parts.flow.first_byte();
        self.parts.flow.bytes(0, data.len() as u64);
        self.ready.push_back(data);
    }

    /// Ends the stream early, in the client's dialect, and stops upstream. Where the dialect has no such ending the
    /// connection breaks, because a bare end would be taken for a whole answer.
    fn cut(&mut self, reason: Reason, message: &str) {
        let mut ending = Vec::new();
        let shown = format!("[gateway: {message}]");
        let ended = self.parts.stream.cut(reason, &shown, &mut ending);
        for piece in ending {
            self.send(piece.bytes);
        }
        let services = &self.parts.services;
        services.counters.cuts.one();
        services.remembered.note(self.parts.request, reason, message, Instant::now());
        self.parts.lease = None;
        self.end(false, Verdict::Cut, Some(message));
        if !ended {
            self.state = State::Broken(message.to_owned());
        }
    }

    /// Upstream or its encoding broke: what is decided goes out, then the client's connection breaks too, because a
    /// clean end would be taken for a whole answer.
    fn broke_off(&mut self, why: &str) {
        self.parts.stream.finish(&mut self.released);
        self.release();
        if matches!(self.state, State::Open) {
            self.end(false, Verdict::Failed, Some(why));
            self.state = State::Broken(why.to_owned());
        }
    }

    /// Writes down what the stream came to; later calls change nothing.
    fn end(&mut self, complete: bool, verdict: Verdict, reason: Option<&str>) {
        self.state = State::Done;
        let stream = &mut self.parts.stream;
        let flow = &mut self.parts.flow;
        let counters = &self.parts.services.counters;
        counters.held_bytes_highest.highest(self.most_held as u64);
        counters.tokens_restored.add(stream.restored());
        flow.found(Direction::Reply, stream.findings());
        flow.called(stream.used());
        flow.usage(stream.usage(), complete && stream.is_complete());
        let (before, after) = (Digest::finish(self.before.clone()), Digest::finish(self.after.clone()));
        let model = stream.model().map(str::to_owned);
        flow.note(|record| {
            record.stream = true;
            record.reply.before = Some(before);
            record.reply.after = Some(after);
            if record.model.is_none() {
                record.model = model;
            }
        });
        flow.end(verdict, reason);
    }
}

/// What the user reads when an answer is cut.
pub fn why(engine: &Engine, stop: Stop) -> String {
    match stop {
        Stop::Blocked(rule) | Stop::Signed(rule) => {
            let rule = engine.rule(rule);
            format!("this answer was cut by rule {} ({})", rule.id, rule.description)
        }
        Stop::Tool(because) => format!("this answer was cut: it calls a tool, and {}", because.why()),
        Stop::Held => "this answer was cut: more of it had to be held back than is allowed".to_owned(),
        Stop::Broken => "this answer was cut: one of its frames is damaged".to_owned(),
        Stop::TooLong => "this answer was cut: one of its events is too long to be inspected".to_owned(),
    }
}

impl Drop for Inspected {
    /// The client went away: what passed until then is charged and recorded. Upstream is cancelled with the body.
    fn drop(&mut self) {
        if matches!(self.state, State::Open) {
            self.end(false, Verdict::Failed, Some("the client went away before the reply was complete"));
        }
    }
}
