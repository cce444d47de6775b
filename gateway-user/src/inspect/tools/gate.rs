//! Calls of a streamed answer: gathered event by event, judged once complete, and held until then where a policy asks.

use crate::inspect::tools::ruling::{Outcome, Used};
use crate::inspect::tools::whole::{self, Complete, decoded, inside, is_argument, refusal};
use crate::inspect::tools::{Because, Guard, MOST_ARGUMENTS, MOST_CALLS, REFUSED_NAME};
use crate::wire::Dialect;
use crate::wire::dialects::Marks;
use crate::wire::edit::Edit;
use crate::wire::event::Kind;
use crate::wire::json::Span;
use crate::wire::reading::{Call, Form, Piece, Reach, Reading, Role, bit};

/// The calls of one answer.
pub struct Gate {
    guard: Guard,
    calls: Vec<Live>,
    /// Calls that are complete, as they are recorded.
    pub used: Vec<Used>,
    /// Why the answer may not go on.
    pub stop: Option<Because>,
    /// What belongs to calls in the event at hand.
    bits: Vec<Bit>,
    /// Calls were refused with the event at hand: events that wait are to be changed.
    refused: bool,
}

/// A place in an event that belongs to a call.
#[derive(Clone, Copy, Debug)]
pub struct Bit {
    call: usize,
    what: What,
    span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Name,
    /// A part of the arguments.
    Part,
    /// All of the arguments, again or for the first time.
    All,
    /// All of the arguments, as an object.
    Object,
    /// The rest of a stream that broke off in the middle of an event, and of a call.
    Rest,
}

/// What is known of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It is not complete, and its events wait.
    Held,
    /// It is not complete; nothing can be said against it.
    Free,
    Allowed,
    Refused(Because),
}

/// A call that is being written.
#[derive(Debug)]
struct Live {
    choice: u16,
    block: u16,
    id: Vec<u8>,
    one: Complete,
    named: bool,
    /// Arguments that came whole, beside those that came in parts.
    whole: Vec<u8>,
    state: State,
    closed: bool,
    /// The reason stands in one of its parts.
    said: bool,
}

impl Gate {
    pub fn new(guard: Guard) -> Gate {
        Gate { guard, calls: Vec::new(), used: Vec::new(), stop: None, bits: Vec::new(), refused: false }
    }

    /// Takes what an event says of calls. `resumes` says that choices go on after their finish.
    pub fn event(
        &mut self,
        dialect: &dyn Dialect,
        payload: &[u8],
        reading: &Reading,
        marks: &Marks,
        resumes: bool,
    ) {
        self.bits.clear();
        if marks.ends_first {
            self.close(marks, resumes);
        }
        for call in reading.calls.iter().filter(|call| call.role == Role::Call) {
            self.call(dialect, payload, reading, call);
        }
        let calls = &reading.calls;
        let parts = reading.pieces.iter().filter(|piece| piece.channel.kind == Kind::ToolArguments);
        let inside = |piece: &Piece, call: &Call| {
            call.span.start <= piece.span.start && piece.span.end <= call.span.end
        };
        for piece in parts.filter(|piece| !calls.iter().any(|call| inside(piece, call))) {
            let Some(index) = self.find(piece.channel.choice, piece.channel.block) else { continue };
            match reading.facts.tool_name.filter(|(name, _)| *name == piece.span) {
                Some((span, _)) => self.name(index, span, span.of(payload)),
                None => self.argument(index, payload, piece),
            }
        }
        if let [Piece { form: Form::Raw, span, .. }] = reading.pieces[..]
            && let Some(call) =
                self.calls.iter().rposition(|live| !live.closed || matches!(live.state, State::Refused(_)))
        {
            self.bits.push(Bit { call, what: What::Rest, span });
        }
        if !marks.ends_first {
            self.close(marks, resumes);
        }
    }

    /// Nothing follows: what is open is judged as it is.
    pub fn finish(&mut self) {
        self.bits.clear();
        self.close_where(|_| true);
    }

    /// What belongs to calls in the event at hand, as far as the event has to wait for them or be changed.
    pub fn bits(&mut self) -> Vec<Bit> {
        let calls = &self.calls;
        self.bits.retain(|bit| matches!(calls[bit.call].state, State::Held | State::Refused(_)));
        std::mem::take(&mut self.bits)
    }

    /// Whether an event has to wait; for ever, once a refused call in it ends the answer.
    pub fn holds(&self, bits: &[Bit]) -> bool {
        let waits = |bit: &Bit| match self.calls[bit.call].state {
            State::Held => true,
            State::Refused(_) => self.stop.is_some(),
            State::Free | State::Allowed => false,
        };
        bits.iter().any(waits)
    }

    /// Whether calls were refused since this was asked last: then all events that wait are to be changed.
    pub fn has_refused(&mut self) -> bool {
        std::mem::take(&mut self.refused)
    }

    /// Takes what is to be changed in an event out of its bits; to be asked for event after event, in order.
    pub fn edits(&mut self, bits: &mut Vec<Bit>, edits: &mut Vec<Edit>) {
        if self.stop.is_some() {
            return;
        }
        bits.retain(|Bit { call, what, span }| {
            let live = &mut self.calls[*call];
            let State::Refused(because) = live.state else { return true };
            let text = match what {
                What::Name => REFUSED_NAME.to_owned(),
                What::Part if live.said => String::new(),
                What::Part => {
                    live.said = true;
                    inside(&refusal(because, &live.one.name, live.one.json))
                }
                What::All => inside(&refusal(because, &live.one.name, live.one.json)),
                What::Rest => String::new(),
                What::Object => refusal(because, &live.one.name, true),
            };
            // Before what masks the same text, so that it takes its place.
            edits.insert(0, Edit { span: *span, text });
            false
        });
    }

    fn find(&self, choice: u16, block: u16) -> Option<usize> {
        self.calls.iter().rposition(|live| (live.choice, live.block) == (choice, block))
    }

    /// Takes a call, or what an event says of one.
    fn call(&mut self, dialect: &dyn Dialect, payload: &[u8], reading: &Reading, call: &Call) {
        let id = call.id.map(|id| id.of(payload)).unwrap_or_default();
        let known = self.find(call.choice, call.block).filter(|&index| {
            let live = &self.calls[index];
            !dialect.calls_are_whole() && (id.is_empty() || live.id.is_empty() || live.id == id)
        });
        let index = match known {
            Some(index) => index,
            None => {
                let before = (call.choice, call.block);
                self.close_where(|live| (live.choice, live.block) == before);
                let by_provider = call.kind.is_some_and(|kind| dialect.runs(kind.of(payload)));
                let Some(index) = self.open(call, id, by_provider) else { return };
                index
            }
        };
        match call.name {
            Some((span, _)) => {
                let name = whole::name(payload, call);
                self.name(index, span, name.as_bytes());
            }
            None if !self.calls[index].named && call.kind.is_some() => {
                self.calls[index].one.name = whole::name(payload, call);
            }
            None => {}
        }
        if let Some(span) = call.arguments {
            let empty = matches!(span.of(payload), b"{}" | b"[]");
            if !empty {
                self.whole(index, span.of(payload).to_vec());
                self.bits.push(Bit { call: index, what: What::Object, span });
            }
        } else {
            for piece in whole::pieces(reading, call).filter(|piece| is_argument(piece)) {
                self.argument(index, payload, piece);
            }
        }
        if dialect.calls_are_whole() && !self.calls[index].closed {
            self.calls[index].closed = true;
            self.judge(index);
        }
    }

    fn open(&mut self, call: &Call, id: &[u8], by_provider: bool) -> Option<usize> {
        if self.calls.len() >= MOST_CALLS {
            let matters = self.guard.policy.waits_for(None);
            self.stop = self.stop.or(matters.then_some(Because::Unreadable));
            return None;
        }
        let held = self.guard.policy.waits_for(None);
        self.calls.push(Live {
            choice: call.choice,
            block: call.block,
            id: id.to_vec(),
            one: Complete { name: String::new(), arguments: Vec::new(), json: false, by_provider },
            named: false,
            whole: Vec::new(),
            state: if held { State::Held } else { State::Free },
            closed: false,
            said: false,
        });
        Some(self.calls.len() - 1)
    }

    fn name(&mut self, index: usize, span: Span, name: &[u8]) {
        let live = &mut self.calls[index];
        let name = String::from_utf8_lossy(name);
        if name.is_empty() {
            return;
        }
        self.bits.push(Bit { call: index, what: What::Name, span });
        if !live.named || live.one.name != name {
            if live.named {
                // Clients join the parts of a name.
                live.one.name.push_str(&name);
            } else {
                live.one.name = name.into_owned();
            }
            live.named = true;
            if live.closed {
                self.judge(index);
            } else {
                self.judge_name(index);
            }
        }
    }

    /// What can be said as soon as the name is known.
    fn judge_name(&mut self, index: usize) {
        let policy = &self.guard.policy;
        let live = &mut self.calls[index];
        if live.state == State::Held && !policy.waits_for(Some(&live.one.name)) {
            live.state = State::Free;
        }
        if policy.is_enforced()
            && let Some(because) = policy.named(&live.one.name)
        {
            self.refuse(index, because);
        }
    }

    fn argument(&mut self, index: usize, payload: &[u8], piece: &Piece) {
        let live = &mut self.calls[index];
        live.one.json |= piece.form == Form::Json;
        let part = piece.reach == Reach::Running;
        if part {
            if live.closed && !piece.span.is_empty() && self.guard.policy.waits_for(Some(&live.one.name)) {
                self.stop = self.stop.or(Some(Because::Unreadable));
            }
            if live.one.arguments.len() <= MOST_ARGUMENTS {
                decoded(payload, piece, &mut live.one.arguments);
            }
            self.bits.push(Bit { call: index, what: What::Part, span: piece.span });
        } else if !piece.span.is_empty() {
            let mut text = Vec::new();
            decoded(payload, piece, &mut text);
            self.whole(index, text);
            self.bits.push(Bit { call: index, what: What::All, span: piece.span });
        }
    }

    /// The arguments of a call stand here whole.
    fn whole(&mut self, index: usize, text: Vec<u8>) {
        let live = &mut self.calls[index];
        if text == live.one.arguments || text == live.whole {
            return;
        }
        live.whole = text;
        if live.closed {
            self.judge(index);
        }
    }

    fn close(&mut self, marks: &Marks, resumes: bool) {
        let finished = if resumes { 0 } else { marks.finished };
        if marks.stop || marks.closes.is_some() || finished != 0 {
            self.close_where(|live| {
                marks.stop || marks.closes == Some(live.block) || finished & bit(live.choice) != 0
            });
        }
    }

    fn close_where(&mut self, ends: impl Fn(&Live) -> bool) {
        for index in 0..self.calls.len() {
            if !self.calls[index].closed && ends(&self.calls[index]) {
                self.calls[index].closed = true;
                self.judge(index);
            }
        }
    }

    /// Judges a call that is complete: its parts, and what was said to be the whole of them.
    fn judge(&mut self, index: usize) {
        let live = &mut self.calls[index];
        let too_long = live.one.arguments.len() > MOST_ARGUMENTS;
        let waits = self.guard.policy.waits_for(Some(&live.one.name));
        let mut because = if too_long && waits { Some(Because::Unreadable) } else { None };
        because = because.or_else(|| match live.one.arguments.is_empty() && !live.whole.is_empty() {
            true => None,
            false => self.guard.judge(&live.one),
        });
        if because.is_none() && !live.whole.is_empty() {
            let parts = std::mem::replace(&mut live.one.arguments, live.whole.clone());
            let json = live.one.json;
            live.one.json |= parts.is_empty();
            because = self.guard.judge(&live.one);
            if !parts.is_empty() {
                (live.one.arguments, live.one.json) = (parts, json);
            }
        }
        let used = self.guard.used(&live.one, because);
        let refused = used.outcome == Outcome::Refused;
        if self.used.len() < MOST_CALLS {
            self.used.push(used);
        }
        let went_out = matches!(live.state, State::Allowed | State::Free);
        match because.filter(|_| refused) {
            None if !matches!(live.state, State::Refused(_)) => live.state = State::Allowed,
            None => {}
            Some(because) if went_out => self.stop = self.stop.or(Some(because)),
            Some(because) => self.refuse(index, because),
        }
    }

    fn refuse(&mut self, index: usize, because: Because) {
        let live = &mut self.calls[index];
        let unnamed = live.one.by_provider || live.closed && !live.named;
        if self.guard.must_cut(because, unnamed) {
            self.stop = self.stop.or(Some(because));
        }
        live.state = State::Refused(because);
        self.refused = true;
    }
}
