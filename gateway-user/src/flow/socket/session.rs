//! What becomes of each message: a client's is judged whole before any of it leaves, a server's waits behind the holdback.
//!
//! Where the dialect knows which message asks for an answer, each answer is an exchange of its own, with its own
//! reservation and record. Where nobody knows, the connection is one exchange: the first message reserves, all later
//! text of both sides draws on it.

mod ask;

use std::{collections::VecDeque, sync::Arc, time::Instant};

use bytes::BytesMut;

use super::{
    ends::Close,
    turn::{Asked, Turn},
};
use crate::{
    audit::{Messages, Verdict},
    flow::{exchange, flow::Flow, refusal::Stop, services::Services, site::Site, stream::why},
    inspect::{
        Action,
        reply::Released,
        request::{JudgeOptions, judge},
        tools::History,
    },
    provider::Route,
    wire::{
        dialects::{Reason, Refusal},
        event::Direction,
        websocket::{Deflate, Kind, Message, Side, WebSocketError, Writer},
    },
};

/// Most answers that may be asked for before the first of them has come.
const MOST_WAITING: usize = 8;

/// What is to be sent to both sides.
pub struct Out<'a> {
    /// To the client.
    pub client: &'a mut BytesMut,
    /// To the server.
    pub server: &'a mut BytesMut,
}

/// One WebSocket: who is on it, the answer that runs and those that wait for their turn.
pub struct Session {
    site: Arc<Site>,
    route: Route,
    connection: Flow,
    to_server: Writer,
    to_client: Writer,
    turn: Turn,
    asked: VecDeque<Asked>,
    /// The model of the session, where messages do not name one.
    model: String,
    messages: Messages,
    released: Vec<Released>,
}

impl Session {
    /// A session before its first message.
    pub fn new(
        site: Arc<Site>,
        route: Route,
        connection: Flow,
        model: String,
        deflate: Option<Deflate>,
    ) -> Session {
        let client_keeps = deflate.is_some_and(|deflate| deflate.client_keeps_context);
        let server_keeps = deflate.is_some_and(|deflate| deflate.server_keeps_context);
        let turn = Turn::new(&site.services, route.dialect, connection.tokens(), None);
        Session {
            to_server: Writer::new(Side::Client, client_keeps, fresh_mask),
            to_client: Writer::new(Side::Server, server_keeps, fresh_mask),
            site,
            route,
            connection,
            turn,
            asked: VecDeque::new(),
            model,
            messages: Messages::default(),
            released: Vec::new(),
        }
    }

    /// What all flows share.
    pub fn services(&self) -> &Arc<Services> {
        &self.site.services
    }

    /// Counts bytes of the connection.
    pub fn bytes(&mut self, up: u64, down: u64) {
        self.connection.bytes(up, down);
    }

    /// Bytes held back now.
    pub fn held(&self) -> usize {
        self.turn.stream.held()
    }

    /// Whether no answer is under way.
    pub fn is_between(&self) -> bool {
        self.turn.asked.is_none() && self.asked.is_empty()
    }

    /// Takes a message of the client.
    pub fn take_from_client(&mut self, message: Message, out: &mut Out<'_>) -> Option<Close> {
        let begun = Instant::now();
        self.messages.up += 1;
        let (services, tokens) = (&self.site.services, self.connection.tokens());
        let options =
            JudgeOptions { tokens: tokens.as_ref(), tools: Some(&services.tools), ..JudgeOptions::default() };
        let judged = judge(&services.engine, self.route.dialect, &message.payload, options);
        if self.route.dialect.is_known() {
            self.model = judged.model.clone().unwrap_or_else(|| std::mem::take(&mut self.model));
        }
        if self.is_ask(&judged) {
            return self.ask(begun, &message, &judged, out);
        }
        let flow = match &mut self.turn.asked {
            Some(Asked { flow, .. }) if !self.route.dialect.is_known() => flow,
            _ => &mut self.connection,
        };
        flow.found(Direction::Request, &judged.findings);
        if judged.action == Action::Block {
            let message_for_user = exchange::why(&self.site.services.engine, "message", &judged.findings);
            let stop = Stop::Refused { reason: Reason::PolicyBlocked, message: message_for_user };
            return self.refuse(None, &stop, &message, out);
        }
        if !self.route.dialect.is_known()
            && let Some(Asked { flow, .. }) = &mut self.turn.asked
            && let Err(refused) = flow.draw(usize::try_from(judged.text).unwrap_or(usize::MAX))
        {
            let stop = Stop::Refused { reason: Reason::BudgetExceeded, message: refused.to_string() };
            return self.refuse(None, &stop, &message, out);
        }
        self.forward(&message, judged.body.as_deref(), out);
        None
    }

    fn forward(&mut self, message: &Message, changed: Option<&[u8]>, out: &mut Out<'_>) {
        match changed {
            None => self.to_server.pass(message, out.server),
            Some(changed) => self.to_server.replace(message, changed, out.server),
        }
    }

    /// Tells the client in upstream's place why its message goes nowhere.
    fn refuse(
        &mut self,
        flow: Option<Flow>,
        stop: &Stop,
        message: &Message,
        out: &mut Out<'_>,
    ) -> Option<Close> {
        self.site.services.counters.blocks.one();
        self.to_server.leave_out(message);
        let (reason, verdict) = match stop {
            Stop::Refused { reason: Reason::PolicyBlocked, .. } => (Reason::PolicyBlocked, Verdict::Blocked),
            Stop::Refused { reason, .. } => (*reason, Verdict::Refused),
            Stop::Unfit { .. } | Stop::Fault(_) => (Reason::GatewayFault, Verdict::Failed),
        };
        let id = flow.as_ref().unwrap_or(&self.connection).id();
        let shown = format!("gateway: {}", stop.message());
        let refusal =
            self.route.dialect.message_refusal(&Refusal { reason, message: &shown, flow: &id, call: None });
        if let Some(mut flow) = flow {
            let length = refusal.as_ref().map_or(0, Vec::len);
            flow.bytes(0, length as u64);
            // As the message says, where there is one.
            flow.note(|record| {
                record.status = if length > 0 { http::StatusCode::BAD_REQUEST.as_u16() } else { 0 }
            });
            flow.end(verdict, Some(&stop.message()));
        }
        let Some(refusal) = refusal else { return Some(Close::for_policy(&shown)) };
        self.to_client.insert(Kind::Text, &refusal, out.client);
        None
    }

    /// Takes a message of the server.
    pub fn take_from_server(&mut self, message: Message, out: &mut Out<'_>) -> Option<Close> {
        let begun = Instant::now();
        self.messages.down += 1;
        let (errors, running) = (self.turn.stream.errors(), self.turn.stream.is_started());
        self.turn.take(message, &mut self.released);
        if running && self.turn.stream.errors() > errors {
            self.give_back_newest();
        }
        let started = self.turn.stream.is_started() || !self.route.dialect.is_known();
        if started && let Err(refused) = self.started() {
            return Some(self.cut(Reason::BudgetExceeded, &refused, out));
        }
        let close = self.release(out);
        if let Some(Asked { flow, .. }) = &mut self.turn.asked {
            flow.added(begun);
        }
        close
    }

    /// The answer has begun: upstream will bill it, also one that nobody asked for, as Realtime sessions give when the
    /// speaker pauses.
    fn started(&mut self) -> Result<(), String> {
        if let Some(Asked { flow, .. }) = &mut self.turn.asked {
            flow.answered(http::StatusCode::OK);
            return Ok(());
        }
        if !self.route.dialect.is_known() && !self.route.charged {
            return Ok(());
        }
        let mut flow = self.connection.ask(&self.site);
        flow.answered(http::StatusCode::OK);
        let model = self.turn.stream.model().unwrap_or(&self.model);
        let reserved = if self.route.charged { flow.reserve(model, 0) } else { Ok(()) };
        self.turn.asked = Some(Asked { flow, request: None, history: History::default() });
        reserved.map_err(|refused| refused.to_string())
    }

    /// Charges what was released and sends it; cuts the answer where a rule or a budget says so.
    fn release(&mut self, out: &mut Out<'_>) -> Option<Close> {
        let mut released = std::mem::take(&mut self.released);
        for (index, piece) in released.drain(..).enumerate() {
            if let Some(refused) = self.draw(piece.text_len) {
                self.turn.stream.take_back(index);
                return Some(self.cut(Reason::BudgetExceeded, &refused, out));
            }
            // Each piece is one message, in order.
            let Some(message) = self.turn.waiting.pop_front() else { break };
            self.turn.sent(&piece.bytes);
            if piece.bytes == message.payload {
                self.to_client.pass(&message, out.client);
            } else {
                self.to_client.replace(&message, &piece.bytes, out.client);
            }
        }
        self.released = released;
        if let Some(stop) = self.turn.stream.stop() {
            let message = why(&self.site.services.engine, stop);
            return Some(self.cut(Reason::PolicyBlocked, &message, out));
        }
        let refused = self.turn.stream.has_error() && !self.turn.stream.is_started();
        let over = self.turn.stream.is_complete() || refused && self.turn.asked.is_some();
        if over && self.turn.waiting.is_empty() {
            self.next_turn();
        }
        None
    }

    fn draw(&mut self, text: usize) -> Option<String> {
        let Asked { flow, .. } = self.turn.asked.as_mut()?;
        flow.draw(text).err().map(|refused| refused.to_string())
    }

    /// The answer that ran is over; the next one that was asked for begins.
    fn next_turn(&mut self) {
        let services = &self.site.services;
        let tokens = self.connection.tokens();
        let next = Turn::new(services, self.route.dialect, tokens, self.asked.pop_front());
        let last = std::mem::replace(&mut self.turn, next);
        let failed = last.stream.has_error().then_some("the provider answered with an error");
        last.end(services, &mut self.connection, Verdict::Allowed, failed);
    }

    /// Ends the answer in its client's words, and the connection with it: upstream stops working on it.
    fn cut(&mut self, reason: Reason, message: &str, out: &mut Out<'_>) -> Close {
        let services = Arc::clone(&self.site.services);
        services.counters.cuts.one();
        let Some(request) = self.turn.asked.as_ref().map(|asked| asked.request) else {
            let shown = format!("gateway: {message}");
            let id = self.connection.id();
            let refusal = self.route.dialect.message_refusal(&Refusal {
                reason,
                message: &shown,
                flow: &id,
                call: None,
            });
            let Some(refusal) = refusal else { return Close::for_policy(message) };
            self.to_client.insert(Kind::Text, &refusal, out.client);
            return Close::after_cut(message);
        };
        if let Some(request) = request {
            services.remembered.note(request, reason, message, Instant::now());
        }
        let (messages, ended) = self.turn.cut(reason, message);
        for payload in messages {
            self.to_client.insert(Kind::Text, &payload, out.client);
        }
        let next = Turn::new(&services, self.route.dialect, self.connection.tokens(), None);
        let turn = std::mem::replace(&mut self.turn, next);
        turn.end(&services, &mut self.connection, Verdict::Cut, Some(message));
        if ended { Close::after_cut(message) } else { Close::for_policy(message) }
    }

    /// Nothing has come from the server for a while: what of a held message is decided goes out as one of its own. Where
    /// nobody knows what a message means, the client may have to answer it before another comes: it goes out whole.
    pub fn stalled(&mut self, out: &mut Out<'_>) -> Option<Close> {
        if !self.route.dialect.is_known() {
            return self.server_done(out);
        }
        self.turn.stream.relax(&mut self.released);
        let part = self.released.pop()?;
        if let Some(refused) = self.draw(part.text_len) {
            self.turn.stream.take_back(0);
            return Some(self.cut(Reason::BudgetExceeded, &refused, out));
        }
        let message = self.turn.waiting.front()?;
        self.to_client.replace(message, &part.bytes, out.client);
        self.turn.sent(&part.bytes);
        None
    }

    /// No message of the server follows: what is held is decided and goes out.
    pub fn server_done(&mut self, out: &mut Out<'_>) -> Option<Close> {
        self.turn.stream.finish(&mut self.released);
        self.release(out)
    }

    /// The server's messages cannot be read any more; the answer that runs ends with the reason.
    pub fn server_unreadable(&mut self, error: WebSocketError, out: &mut Out<'_>) -> Close {
        if self.turn.asked.is_none() {
            return Close::for_server(error);
        }
        let close = self.cut(Reason::PolicyBlocked, &format!("the answer cannot be inspected: {error}"), out);
        Close { server: error.close_code(), ..close }
    }

    /// Closes both sides.
    pub fn close(&mut self, close: &Close, out: &mut Out<'_>) {
        self.to_client.close(close.client, &close.reason, out.client);
        self.to_server.close(close.server, "", out.server);
    }

    /// The connection is over: whatever still ran is settled, and everything recorded.
    pub fn end(mut self, verdict: Verdict, reason: &str) {
        const GONE: &str = "the connection ended before the reply was complete";
        let services = &self.site.services;
        // Where nobody knows when an answer is over, it is over now.
        let (ended, why) = match self.route.dialect.is_known() {
            true => (Verdict::Failed, Some(GONE)),
            false => (Verdict::Allowed, None),
        };
        self.turn.end(services, &mut self.connection, ended, why);
        for Asked { mut flow, .. } in self.asked {
            flow.end(Verdict::Failed, Some(GONE));
        }
        let messages = self.messages;
        self.connection.note(|record| record.messages = Some(messages));
        self.connection.end(verdict, (!reason.is_empty()).then_some(reason));
    }
}

/// A mask from the system's generator (RFC 6455 §10.3).
fn fresh_mask() -> [u8; 4] {
    let mut mask = [0; 4];
    aws_lc_rs::rand::fill(&mut mask)
        .expect("the system's random generator works once the process has started");
    mask
}
