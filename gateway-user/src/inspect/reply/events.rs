//! The machine of event streams: each event is read, its texts are scanned, and it waits until all of them are clear.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::inspect::reply::event::{Event, Part, payload};
use crate::inspect::reply::track::{MAX_TRACKS, Place, Track};
use crate::inspect::reply::{Released, ReplyOptions, Stop};
use crate::inspect::request::{Located, MOST_FINDINGS, escaped_for, scan_string};
use crate::inspect::{Action, Engine, Finding};
use crate::wire::Dialect;
use crate::wire::dialects::{Marks, Sent};
use crate::wire::edit::Edit;
use crate::wire::escape;
use crate::wire::event::{Channel, Direction, Kind, Usage};
use crate::wire::json::Span;
use crate::wire::reading::{Form, Piece, Reach, Reading, bit};
use crate::wire::sse::{self, Framer};

/// The lane of payloads that are no JSON.
const RAW_LANE: u16 = u16::MAX;

/// An event stream.
pub struct Events {
    engine: Arc<Engine>,
    dialect: &'static dyn Dialect,
    options: ReplyOptions,
    framer: Framer,
    reading: Reading,
    tracks: Vec<Track>,
    queue: VecDeque<Event>,
    held: usize,
    /// Events of the framer's buffer that go out as they are, in one slice.
    run: Run,
    pub(super) sent: Sent,
    pub(super) usage: Option<Usage>,
    pub(super) findings: Vec<Located>,
    pub(super) stop: Option<Stop>,
    pub(super) error: bool,
    /// Something blocked stands in the event at hand.
    sealed: bool,
    scratch: Scratch,
}

/// A stretch of the framer's buffer to be released.
#[derive(Default)]
struct Run {
    bytes: Range<usize>,
    text: usize,
    deltas: u32,
}

/// Space reused from event to event.
#[derive(Default)]
struct Scratch {
    decoded: Vec<u8>,
    inner: Vec<u8>,
    found: Vec<Finding>,
    places: Vec<Place>,
    parts: Vec<Part>,
    edits: Vec<Edit>,
}

impl Events {
    pub fn new(engine: Arc<Engine>, dialect: &'static dyn Dialect, options: ReplyOptions) -> Events {
        Events {
            engine,
            dialect,
            options,
            framer: Framer::default(),
            reading: Reading::new(),
            tracks: Vec::new(),
            queue: VecDeque::new(),
            held: 0,
            run: Run::default(),
            sent: Sent::default(),
            usage: None,
            findings: Vec::new(),
            stop: None,
            error: false,
            sealed: false,
            scratch: Scratch::default(),
        }
    }

    /// Bytes held back now.
    pub fn held(&self) -> usize {
        self.held
    }

    pub fn push(&mut self, chunk: Bytes, out: &mut Vec<Released>) {
        self.framer.push(chunk);
        while self.stop.is_none() {
            match self.framer.next_event() {
                Ok(Some(place)) => self.event(place, out),
                Ok(None) => break,
                Err(sse::TooLong) => self.stop = Some(Stop::TooLong),
            }
        }
        self.flush(out);
        if self.held > self.options.held_bytes || self.queue.len() > self.options.held_events {
            self.stop = self.stop.or(Some(Stop::Held));
        }
    }

    /// The bytes after the last whole event, which [`Events::push`] was given but did not release.
    pub fn rest(&mut self) -> Bytes {
        self.framer.rest()
    }

    pub fn finish(&mut self, out: &mut Vec<Released>) {
        let rest = self.framer.rest();
        if !rest.is_empty() && self.stop.is_none() {
            self.whole(rest, None, out);
        }
        if self.stop.is_none() {
            self.end_tracks(|_| true);
            self.apply(None);
            self.release(out);
        }
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
        let data = sse::data(&raw);
        let marks = self.read(payload(&raw, &data));
        let text = self.scan(payload(&raw, &data));
        self.end_channels(&marks);
        let dropped = marks.only_usage && self.options.strip_usage;
        let fresh = self.queue.is_empty() && self.scratch.edits.is_empty() && !dropped && self.stop.is_none();
        if fresh && self.scratch.places.is_empty() && self.all_clear(&self.scratch.parts) {
            self.scratch.parts.clear();
            self.sent.note(&marks);
            return self.pass(raw, place, text, out);
        }
        let mut event = Event {
            raw,
            data,
            parts: std::mem::take(&mut self.scratch.parts),
            edits: std::mem::take(&mut self.scratch.edits),
            logprobs: self.reading.logprobs.clone(),
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

    /// Reads an event's payload into `reading`.
    fn read(&mut self, payload: &[u8]) -> Marks {
        let trimmed = payload.trim_ascii();
        if trimmed.is_empty() || trimmed == b"[DONE]" {
            self.reading.clear();
            let done = !trimmed.is_empty();
            return Marks { stop: done, terminal: done, ..Marks::default() };
        }
        if self.reading.read(payload, self.dialect.event(), false).is_err() {
            self.reading.clear();
            self.reading.pieces.push(Piece {
                channel: Channel::of(Kind::Opaque),
                lane: RAW_LANE,
                span: Span::new(0, payload.len()),
                escaped: false,
                form: Form::Raw,
                reach: Reach::Unknown,
                signed: false,
            });
            return Marks::default();
        }
        let marks = self.dialect.marks(payload, &self.reading.facts);
        if marks.usage {
            self.dialect.count(&self.reading.facts.tokens, self.usage.get_or_insert_default());
        }
        if !self.sent.is_named() {
            self.sent.name(payload, &self.reading.facts);
        }
        self.error |= marks.error;
        marks
    }

    /// Scans the pieces of the event in `reading`; what is found is left in the scratch space. Returns the bytes of
    /// billed text.
    fn scan(&mut self, payload: &[u8]) -> usize {
        let mut billed = 0;
        let mut pieces = std::mem::take(&mut self.reading.pieces);
        for piece in pieces.drain(..) {
            let mut decoded = std::mem::take(&mut self.scratch.decoded);
            decoded.clear();
            let text = if piece.escaped {
                escape::decode(piece.span.of(payload), &mut decoded);
                &decoded
            } else {
                piece.span.of(payload)
            };
            let running = piece.reach != Reach::Whole && self.run_on(&piece, text);
            if piece.reach != Reach::Running {
                self.scan_alone(payload, &piece, text);
            }
            let known = piece.reach == Reach::Running;
            if known || running && !self.dialect.is_known() {
                billed += text.len();
            }
            self.scratch.decoded = decoded;
        }
        self.reading.pieces = pieces;
        billed
    }

    /// Scans a piece as part of its running text; false if it is none after all.
    fn run_on(&mut self, piece: &Piece, text: &[u8]) -> bool {
        if text.is_empty() {
            return false;
        }
        let index = self.track(piece);
        let (engine, track, scratch) = (&self.engine, &mut self.tracks[index], &mut self.scratch);
        if piece.reach == Reach::Unknown && track.repeats(text) {
            track.finish(engine, &mut scratch.found, &mut scratch.places);
            return false;
        }
        let start = track.fed();
        track.push(engine, text, &mut scratch.inner, &mut scratch.found, &mut scratch.places);
        let Piece { span, escaped, form, .. } = *piece;
        let part =
            Part { track: index, span, escaped, form, choice: piece.channel.choice, start, end: track.fed() };
        scratch.parts.push(part);
        true
    }

    /// Scans a piece as a text of its own.
    fn scan_alone(&mut self, payload: &[u8], piece: &Piece, text: &[u8]) {
        let scratch = &mut self.scratch;
        let json = piece.form == Form::Json;
        scan_string(&self.engine, Direction::Reply, text, json, &mut scratch.inner, &mut scratch.found);
        if scratch.found.is_empty() {
            return;
        }
        let mut found = std::mem::take(&mut scratch.found);
        for finding in found.drain(..) {
            if finding.action.enforces() {
                let mut span = Span::new(finding.start as usize, finding.end as usize);
                if piece.escaped {
                    let (start, end) =
                        escape::locate(piece.span.of(payload), span.start as usize, span.end as usize);
                    span = Span::new(start, end);
                }
                let span = Span { start: piece.span.start + span.start, end: piece.span.start + span.end };
                let text = escaped_for(piece.form, &self.engine.rule(finding.rule).mask);
                self.scratch.edits.push(Edit { span, text });
            }
            self.sealed |= finding.action == Action::Block;
            self.note(piece.channel, finding, piece.signed);
        }
        self.scratch.found = found;
    }

    /// The index of a piece's track.
    fn track(&mut self, piece: &Piece) -> usize {
        if let Some(index) = self.tracks.iter().position(|track| track.is(piece.channel, piece.lane)) {
            return index;
        }
        let index = self.tracks.len();
        if index == MAX_TRACKS {
            return MAX_TRACKS - 1;
        }
        let escaped = piece.form != Form::Text || piece.reach == Reach::Unknown;
        self.tracks.push(Track::new(index, piece.channel, piece.lane, piece.signed, escaped));
        index
    }

    /// Ends the running texts that end with an event.
    fn end_channels(&mut self, marks: &Marks) {
        if marks.stop {
            self.end_tracks(|_| true);
        } else if marks.closes.is_some() || marks.finished != 0 {
            self.end_tracks(|channel| {
                marks.closes == Some(channel.block) || marks.finished & bit(channel.choice) != 0
            });
        }
    }

    fn end_tracks(&mut self, ends: impl Fn(Channel) -> bool) {
        let scratch = &mut self.scratch;
        for track in self.tracks.iter_mut().filter(|track| ends(track.channel)) {
            track.finish(&self.engine, &mut scratch.found, &mut scratch.places);
        }
    }

    fn all_clear(&self, parts: &[Part]) -> bool {
        parts.iter().all(|part| part.end <= self.tracks[part.track].clear())
    }

    /// Acts on what was found in running texts: in the events that wait, and in the one that just came.
    fn apply(&mut self, mut event: Option<&mut Event>) {
        let mut places = std::mem::take(&mut self.scratch.places);
        for Place { track, start, end, finding } in places.drain(..) {
            let (channel, signed) = (self.tracks[track].channel, self.tracks[track].signed);
            self.note(channel, finding, signed);
            if finding.action == Action::Block || signed && finding.action.enforces() {
                self.tracks[track].block_from(start);
            } else if finding.action.enforces() {
                let mut mask = self.engine.rule(finding.rule).mask.as_str();
                for waiting in self.queue.iter_mut().chain(event.as_deref_mut()) {
                    if waiting.replace(track, start, end, mask) {
                        mask = "";
                    }
                }
            }
        }
        self.scratch.places = places;
    }

    /// Keeps a finding, and stops the stream if it asks for that.
    fn note(&mut self, channel: Channel, finding: Finding, signed: bool) {
        if self.findings.len() < MOST_FINDINGS {
            self.findings.push(Located { channel, finding });
        }
        let stop = match finding.action {
            Action::Block => Stop::Blocked(finding.rule),
            Action::Redact if signed => Stop::Signed(finding.rule),
            _ => return,
        };
        self.stop = self.stop.or(Some(stop));
    }

    /// Releases the events at the head of the queue whose texts are all clear.
    fn release(&mut self, out: &mut Vec<Released>) {
        self.flush(out);
        while let Some(event) = self.queue.front() {
            if event.sealed || !self.all_clear(&event.parts) {
                return;
            }
            let Some(mut event) = self.queue.pop_front() else { return };
            self.held -= event.raw.len();
            if event.dropped {
                continue;
            }
            self.sent.note(&event.marks);
            let deltas = u32::from(event.text > 0);
            out.push(Released { bytes: event.bytes(), text_len: event.text, deltas });
        }
    }

    /// Lets an event go as it came.
    fn pass(&mut self, raw: Bytes, place: Option<Range<usize>>, text: usize, out: &mut Vec<Released>) {
        let deltas = u32::from(text > 0);
        let Some(place) = place else {
            self.flush(out);
            return out.push(Released { bytes: raw, text_len: text, deltas });
        };
        if self.run.bytes.end != place.start || self.run.bytes.is_empty() {
            self.flush(out);
            self.run.bytes.start = place.start;
        }
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
        let Some(event) = self.queue.front_mut() else { return };
        let [part] = &event.parts[..] else { return };
        let clear = self.tracks[part.track].clear();
        let before = event.raw.len();
        if let Some(first) = event.split(clear) {
            self.held -= before - event.raw.len();
            self.sent.note(&first.marks);
            out.push(Released { bytes: first.raw, text_len: first.text, deltas: 1 });
        }
    }
}
