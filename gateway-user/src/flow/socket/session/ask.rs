//! A client's message that asks for an answer: an exchange of its own, admitted as a request is.

use std::time::Instant;

use super::{MOST_WAITING, Out, Session};
use crate::{
    audit::{Digest, Verdict},
    flow::{
        exchange::{self, take_in},
        flow::Flow,
        refusal::Stop,
        remembered::RequestDigest,
        socket::{ends::Close, turn::Asked},
    },
    inspect::request::Judged,
    wire::{dialects::Reason, websocket::Message},
};

impl Session {
    pub(super) fn is_ask(&self, judged: &Judged) -> bool {
        match self.route.dialect.is_known() {
            true => judged.asks,
            false => self.route.charged && self.turn.asked.is_none(),
        }
    }

    /// Begins an exchange with a message that asks for an answer.
    pub(super) fn ask(
        &mut self,
        begun: Instant,
        message: &Message,
        judged: &Judged,
        out: &mut Out<'_>,
    ) -> Option<Close> {
        let mut flow = self.connection.ask(&self.site);
        let request = match self.admit(&mut flow, message, judged) {
            Ok(request) => request,
            Err(stop) => return self.refuse(Some(flow), &stop, message, out),
        };
        let after = judged.body.as_ref().map_or(Digest::of(&message.payload), |body| Digest::of(body));
        flow.note(|record| record.request.after = Some(after));
        flow.added(begun);
        self.forward(message, judged.body.as_deref(), out);
        self.asked.push_back(Asked { flow, request: Some(request), history: judged.history.clone() });
        if self.is_turn_over() {
            let close = self.server_done(out);
            if close.is_some() {
                return close;
            }
            if self.is_turn_over() {
                self.next_turn();
            }
        }
        None
    }

    /// Whether no answer runs; one that ended in an error has had its last message.
    fn is_turn_over(&self) -> bool {
        self.turn.asked.is_none() || self.turn.stream.has_failed()
    }

    /// An error in the middle of an answer: Realtime so refuses to begin another one. What was asked for last will not
    /// come, and gets its reservation back.
    pub(super) fn give_back_newest(&mut self) {
        if let Some(Asked { mut flow, .. }) = self.asked.pop_back() {
            flow.end(Verdict::Allowed, Some("the provider answered with an error"));
        }
    }

    /// Judges, remembers and reserves, as for a request of its own.
    fn admit(&mut self, flow: &mut Flow, message: &Message, judged: &Judged) -> Result<RequestDigest, Stop> {
        take_in(&self.site, flow, &message.payload, judged)?;
        let remembered = &self.site.services.remembered;
        let principal = (self.site.origin.principal.app.as_str(), flow.key());
        let request = remembered.digest(principal, &self.route.operation, &message.payload);
        if let Some((reason, message)) = remembered.reason(request, Instant::now()) {
            return Err(Stop::Refused { reason, message });
        }
        if self.asked.len() >= MOST_WAITING {
            let message = format!("more than {MOST_WAITING} answers were asked for at once");
            return Err(Stop::Refused { reason: Reason::GatewayFault, message });
        }
        if self.route.charged {
            exchange::reserve(flow, &self.model, message.payload.len(), judged)?;
        }
        Ok(request)
    }
}
