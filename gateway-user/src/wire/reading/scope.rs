//! Scopes of a document: what their end says about the text inside.

use crate::wire::event::Kind;
use crate::wire::json::Span;
use crate::wire::reading::call::Named;
use crate::wire::reading::{Form, Piece, Reading, bit};
use crate::wire::shape::{Field, Scope};

/// A scope that is still open.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) scope: Scope,
    depth: u32,
    start: u32,
    pieces: usize,
    logprobs: usize,
    payloads: usize,
    pub(super) number: u16,
    inner: u16,
    pub(super) role: Kind,
    pub(super) text_source: bool,
    pub(super) finished: bool,
    pub(super) thought: bool,
    calls: usize,
    pub(super) named: Named,
}

impl Reading {
    pub(super) fn enter(&mut self, field: Field, depth: u32, start: u32) {
        let Field::Scope(scope) = field else { return };
        match scope {
            Scope::Error => self.facts.error = true,
            Scope::Opening => self.facts.opening = true,
            Scope::Delta => self.facts.delta = true,
            _ => {}
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
            thought: false,
            calls: self.calls.len(),
            named: Named::default(),
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

    pub(super) fn leave(&mut self, depth: u32, end: u32) {
        let Some(open) = self.scopes.pop_if(|open| open.depth == depth) else { return };
        let span = Span { start: open.start, end };
        if open.named.is_call() {
            self.calls.push(open.named.call(open.scope, span));
        }
        let pieces = &mut self.pieces[open.pieces..];
        let calls = &mut self.calls[open.calls..];
        match open.scope {
            Scope::Choice => {
                pieces.iter_mut().for_each(|piece| piece.channel.choice = open.number);
                calls.iter_mut().for_each(|call| call.choice = open.number);
                self.logprobs[open.logprobs..].iter_mut().for_each(|(_, choice)| *choice = open.number);
                self.facts.choices |= bit(open.number);
                if open.finished {
                    self.facts.finished |= bit(open.number);
                }
            }
            Scope::Block => {
                pieces.iter_mut().for_each(|piece| piece.channel.block = open.number);
                calls.iter_mut().for_each(|call| call.block = open.number);
            }
            Scope::Message => {
                let user = pieces.iter_mut().filter(|piece| piece.channel.kind == Kind::User);
                user.for_each(|piece| piece.channel.kind = open.role);
                self.pieces[open.pieces..].iter_mut().for_each(|piece| piece.channel.block = open.number);
                calls.iter_mut().for_each(|call| call.block = open.number);
            }
            Scope::Source if !open.text_source => self.drop_payloads(open.payloads),
            Scope::Source => self.payloads.truncate(open.payloads),
            Scope::Logprobs => {
                self.pieces.truncate(open.pieces);
                self.logprobs.push((span, 0));
            }
            Scope::StreamOptions => self.facts.stream_options = Some(span),
            Scope::Item => self.facts.item = Some(span),
            Scope::Part if open.thought => pieces.iter_mut().for_each(Piece::think),
            Scope::Arguments => self.with_call(|named| named.arguments = Some(span)),
            Scope::Part | Scope::Usage | Scope::Error | Scope::Opening | Scope::Delta => {}
            Scope::Call | Scope::Result => {}
        }
    }

    /// The payload pieces recorded since `from` are base64, not text; in streams they are left out.
    pub(super) fn drop_payloads(&mut self, from: usize) {
        for index in self.payloads.drain(from..).rev() {
            self.facts.payload += self.pieces[index].span.len() as u64;
            if self.whole {
                self.pieces[index].form = Form::Base64;
            } else {
                self.pieces.remove(index);
            }
        }
    }
}
