//! The machine of event streams: each event is read, its texts are scanned, and it waits until all of them are clear.

mod calls;
mod texts;

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::inspect::reply::event::{Event, Part};
use crate::inspect::reply::track::{Deed, Place, Track};
use crate::inspect::reply::{Released, ReplyOptions, Stop};
use crate::inspect::request::Located;
use crate::inspect::tokens::Restored;
use crate::inspect::tools::Gate;
use crate::inspect::{Action, Engine, Finding, Tokens};
use crate::wire::Dialect;
use crate::wire::dialects::{Marks, Sent};
use crate::wire::edit::Edit;
use crate::wire::event::Usage;
use crate::wire::framer::{Framer, Framing, Unreadable};
use crate::wire::reading::Reading;

/// An event stream.
pub struct Events {
    engine: Arc<Engine>,
    /// Whose tokens become values again.
    pub(super) tokens: Option<Tokens>,
    /// How many did.
    pub(super) restored: u64,
    dialect: &'static dyn Dialect,
    options: ReplyOptions,
    framer: Framer,
    reading: Reading,
    tracks: Vec<Track>,
    queue: VecDeque<Event>,
    held: usize,
    /// Events of the framer's buffer that go out as they are, in one slice.
    run: Run,
    /// What has gone to the client for certain.
    pub(super) sent: Sent,
    /// What was released last, which may yet be taken back.
    released: Vec<Gone>,
    pub(super) usage: Option<Usage>,
    pub(super) findings: Vec<Located>,
    pub(super) stop: Option<Stop>,
    /// The provider reported an error, after which no more text of the answer came.
    pub(super) error: bool,
    /// Errors reported so far that do not end the answer themselves.
    pub(super) errors: u32,
    /// Something blocked stands in the event at hand.
    sealed: bool,
    scratch: Scratch,
    /// The tool calls of the answer.
    pub(super) gate: Option<Box<Gate>>,
}

/// A stretch of the framer's buffer to be released.
#[derive(Default)]
struct Run {
    bytes: Range<usize>,
    text: usize,
    deltas: u32,
}

/// An event that was released.
struct Gone {
    /// Index of its piece in the caller's list.
    piece: usize,
    marks: Marks,
    /// The event, where the dialect remembers it; else nothing.
    raw: Bytes,
}

/// Space reused from event to event.
#[derive(Default)]
struct Scratch {
    decoded: Vec<u8>,
    inner: Vec<u8>,
    found: Vec<Finding>,
    restored: Vec<Restored>,
    places: Vec<Place>,
    parts: Vec<Part>,
    edits: Vec<Edit>,
}

impl Events {
    pub fn new(
        engine: Arc<Engine>,
        dialect: &'static dyn Dialect,
        options: ReplyOptions,
        framing: Framing,
    ) -> Events {
        Events {
            engine,
            tokens: None,
            restored: 0,
            dialect,
            options,
            framer: Framer::new(framing),
            reading: Reading::new(),
            tracks: Vec::new(),
            queue: VecDeque::new(),
            held: 0,
            run: Run::default(),
            sent: Sent { framing, resumes: dialect.resumes(), ..Sent::default() },
            released: Vec::new(),
            usage: None,
            findings: Vec::new(),
            stop: None,
            error: false,
            errors: 0,
            sealed: false,
            scratch: Scratch::default(),
            gate: None,
        }
    }

    /// Bytes held back now.
    pub fn held(&self) -> usize {
        self.held
    }

    pub fn push(&mut self, chunk: Bytes, out: &mut Vec<Released>) {
        self.settle(out);
        self.framer.push(chunk);
        while self.stop.is_none() {
            match self.framer.next_event() {
                Ok(Some(place)) => self.event(place, out),
                Ok(None) => break,
                Err(Unreadable::TooLong) => self.stop = Some(Stop::TooLong),
                Err(Unreadable::Broken) => self.stop = Some(Stop::Broken),
            }
        }
        self.flush(out);
        self.bound();
    }

    /// Takes one event that has come whole, without the framing of SSE.
    pub fn message(&mut self, payload: Bytes, out: &mut Vec<Released>) {
        self.settle(out);
        if self.stop.is_none() {
            self.whole(payload, None, out);
            self.bound();
        }
    }

    fn bound(&mut self) {
        if self.held > self.options.held_bytes || self.queue.len() > self.options.held_events {
            self.stop = self.stop.or(Some(Stop::Held));
        }
    }

    /// The bytes after the last whole event, which [`Events::push`] was given but did not release.
    pub fn rest(&mut self) -> Bytes {
        self.framer.rest()
    }

    pub fn finish(&mut self, out: &mut Vec<Released>) {
        self.settle(out);
        let rest = self.framer.rest();
        if !rest.is_empty() && self.stop.is_none() {
            self.whole(rest, None, out);
        }
        if self.stop.is_none() {
            self.end_tracks(|_| true);
            self.apply(None);
            self.end_calls();
            self.release(out);
        }
    }

    /// Whether the last event has been released.
    pub fn is_complete(&self) -> bool {
        let seen =
            |(choices, finished), gone: &Gone| (choices | gone.marks.choices, finished | gone.marks.finished);
        let (choices, finished) = self.released.iter().fold((0, 0), seen);
        self.sent.is_over(choices, finished) || self.released.iter().any(|gone| gone.marks.terminal)
    }

    /// Whether the answer has begun.
    pub fn is_started(&self) -> bool {
        self.sent.started || self.released.iter().any(|gone| gone.marks.start)
    }

    /// The pieces from `first` on of those released last will not be sent.
    pub fn take_back(&mut self, first: usize) {
        self.released.retain(|gone| gone.piece < first);
    }

    /// Counts as sent what was released last, once the caller has taken all of it from `out`.
    fn settle(&mut self, out: &[Released]) {
        if out.is_empty() {
            self.count_sent();
        }
    }

    /// Counts as sent everything that was released.
    pub fn count_sent(&mut self) {
        let mut released = std::mem::take(&mut self.released);
        for Gone { marks, raw, .. } in released.drain(..) {
            self.sent.note(&marks);
            if !raw.is_empty() {
                self.remember(&raw);
            }
        }
        self.released = released;
    }

    /// Remembers what an early ending must repeat of an event that went to the client.
    fn remember(&mut self, raw: &Bytes) {
        let data = self.framer.data(raw);
        let payload = data.payload(raw);
        if self.reading.read(payload, self.dialect.event(), false).is_ok() {
            self.dialect.refine(payload, &mut self.reading);
            self.dialect.remember(payload, &self.reading, &mut self.sent);
        }
    }

    /// Notes that an event goes out as piece `piece` of the caller's list.
    fn gone(&mut self, piece: usize, marks: Marks, raw: &Bytes) {
        let raw = if self.dialect.remembers() { raw.clone() } else { Bytes::new() };
        self.released.push(Gone { piece, marks, raw });
    }

    /// Drops what is held.
    pub fn drop_held(&mut self) {
        self.queue.clear();
        self.held = 0;
    }

    fn event(&mut self, place: Range<usize>, out: &mut Vec<Released>) {
        let raw = self.framer.buffer().slice(place.clone());
        self.whole(raw, Some(place), out);
    }

    /// Takes one event. `place` says where in the framer's buffer it stands.
    fn whole(&mut self, raw: Bytes, place: Option<Range<usize>>, out: &mut Vec<Released>) {
        let data = self.framer.data(&raw);
        let marks = self.read(data.payload(&raw));
        let bits = self.calls(data.payload(&raw), &marks);
        if marks.ends_first {
            self.end_channels(&marks);
            self.apply(None);
        }
        if self.sent.resumes {
            self.resume();
        }
        let text = self.scan(data.payload(&raw));
        if self.error && !marks.error && text > 0 && self.is_started() {
            self.error = false;
        }
        self.end_channels(&marks);
        let dropped = marks.only_usage && self.options.strip_usage;
        let fresh = self.queue.is_empty() && self.scratch.edits.is_empty() && !dropped && self.stop.is_none();
        if fresh && bits.is_empty() && self.scratch.places.is_empty() && self.all_clear(&self.scratch.parts) {
            self.scratch.parts.clear();
            return self.pass(raw, place, marks, text, out);
        }
        let mut event = Event {
            raw,
            data,
            parts: std::mem::take(&mut self.scratch.parts),
            edits: std::mem::take(&mut self.scratch.edits),
            logprobs: self.reading.logprobs.clone(),
            bits,
            marks,
            text,
            dropped,
            sealed: std::mem::take(&mut self.sealed),
        };
        self.apply(Some(&mut event));
        self.held += event.raw.len();
        self.queue.push_back(event);
        self.release(out);
    }

    fn all_clear(&self, parts: &[Part]) -> bool {
        parts.iter().all(|part| part.end <= self.tracks[part.track].clear())
    }

    /// Acts on what was found in running texts: in the events that wait, and in the one that just came.
    fn apply(&mut self, mut event: Option<&mut Event>) {
        let mut places = std::mem::take(&mut self.scratch.places);
        for Place { track, start, end, deed } in places.drain(..) {
            let (channel, signed) = (self.tracks[track].channel, self.tracks[track].signed);
            let mut text = match &deed {
                Deed::Restore(value) => {
                    self.restored += 1;
                    &**value
                }
                Deed::Find(finding) => {
                    self.note(channel, *finding, signed);
                    if finding.action == Action::Block || signed && finding.action.enforces() {
                        self.tracks[track].block_from(start);
                        continue;
                    }
                    if !finding.action.enforces() {
                        continue;
                    }
                    self.engine.rule(finding.rule).mask.as_str()
                }
            };
            for waiting in self.queue.iter_mut().chain(event.as_deref_mut()) {
                if waiting.replace(track, start, end, text) {
                    text = "";
                }
            }
        }
        self.scratch.places = places;
    }

    /// Releases the events at the head of the queue whose texts are all clear.
    fn release(&mut self, out: &mut Vec<Released>) {
        self.flush(out);
        while let Some(event) = self.queue.front() {
            let waits = self.gate.as_ref().is_some_and(|gate| gate.holds(&event.bits));
            if event.sealed || waits || !self.all_clear(&event.parts) {
                return;
            }
            let Some(mut event) = self.queue.pop_front() else { return };
            self.held -= event.raw.len();
            if event.dropped {
                continue;
            }
            let (deltas, bytes) = (u32::from(event.text > 0), event.bytes());
            self.gone(out.len(), event.marks, &bytes);
            out.push(Released { bytes, text_len: event.text, deltas });
        }
    }

    /// Lets an event go as it came.
    fn pass(
        &mut self,
        raw: Bytes,
        place: Option<Range<usize>>,
        marks: Marks,
        text: usize,
        out: &mut Vec<Released>,
    ) {
        let deltas = u32::from(text > 0);
        let start = place.as_ref().map(|place| place.start);
        let full = self.options.separate && self.run.deltas > 0 && deltas > 0;
        if self.run.bytes.is_empty() || Some(self.run.bytes.end) != start || full {
            self.flush(out);
            self.run.bytes.start = start.unwrap_or(0);
        }
        self.gone(out.len(), marks, &raw);
        let Some(place) = place else {
            return out.push(Released { bytes: raw, text_len: text, deltas });
        };
        self.run.bytes.end = place.end;
        self.run.text += text;
        self.run.deltas += deltas;
    }

    /// Releases the stretch of untouched events.
    fn flush(&mut self, out: &mut Vec<Released>) {
        let Run { bytes, text, deltas } = std::mem::take(&mut self.run);
        if !bytes.is_empty() {
            out.push(Released { bytes: self.framer.buffer().slice(bytes), text_len: text, deltas });
        }
    }

    /// Releases the decided part of the event that waits at the head of the queue.
    pub fn relax(&mut self, out: &mut Vec<Released>) {
        self.settle(out);
        // An item of an array cannot be said in two: the bracket or comma before it belongs to one of them only.
        if self.sent.framing == Framing::Items {
            return;
        }
        let Some(event) = self.queue.front_mut().filter(|event| event.bits.is_empty()) else { return };
        let [part] = &event.parts[..] else { return };
        let clear = self.tracks[part.track].clear();
        let before = event.raw.len();
        if let Some(first) = event.split(clear, &self.framer) {
            self.held -= before - event.raw.len();
            self.gone(out.len(), first.marks, &first.raw);
            out.push(Released { bytes: first.raw, text_len: first.text, deltas: 1 });
        }
    }
}
