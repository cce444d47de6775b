//! The texts of an event: read, scanned as part of what runs on, or alone.

use crate::inspect::firewall::{Source, Watch};
use crate::inspect::reply::Stop;
use crate::inspect::reply::event::Part;
use crate::inspect::reply::events::{Events, Scratch};
use crate::inspect::reply::track::{MAX_TRACKS, Track};
use crate::inspect::request::{Located, MOST_FINDINGS, escaped_for, scan_string};
use crate::inspect::tokens::Restored;
use crate::inspect::{Action, Finding};
use crate::wire::dialects::Marks;
use crate::wire::edit::Edit;
use crate::wire::escape;
use crate::wire::event::{Channel, Direction, Kind};
use crate::wire::json::Span;
use crate::wire::reading::{Form, Piece, Reach, bit};

/// The lane of payloads that are no JSON.
const RAW_LANE: u16 = u16::MAX;

impl Events {
    /// Reads an event's payload into `reading`.
    pub(super) fn read(&mut self, payload: &[u8]) -> Marks {
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
        self.dialect.refine(payload, &mut self.reading);
        let marks = self.dialect.marks(payload, &self.reading.facts);
        if marks.usage {
            self.dialect.count(&self.reading.facts.tokens, self.usage.get_or_insert_default());
        }
        if !self.sent.is_named() {
            self.dialect.learn(payload, &self.reading.facts, &mut self.sent);
        }
        self.error |= marks.error;
        self.errors = self.errors.saturating_add(u32::from(marks.error && !marks.stop));
        marks
    }

    /// Scans the pieces of the event in `reading`; what is found is left in the scratch space. Returns the bytes of
    /// billed text.
    pub(super) fn scan(&mut self, payload: &[u8]) -> usize {
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
            let running = matches!(piece.reach, Reach::Running | Reach::Unknown) && self.run_on(&piece, text);
            if piece.reach != Reach::Running {
                self.scan_alone(payload, &piece, text);
                self.restore_alone(payload, &piece, text);
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
        if piece.reach == Reach::Whole {
            let source =
                Source { engine: &self.engine, direction: Direction::Reply, kind: piece.channel.kind };
            Watch::new().whole(source, text, &mut scratch.found);
        }
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
                let repeated =
                    self.reading.logprobs.iter().filter(|(_, choice)| *choice == piece.channel.choice);
                self.scratch.edits.extend(repeated.map(|&(span, _)| Edit::empty(payload, span)));
            }
            self.sealed |= finding.action == Action::Block;
            if piece.reach != Reach::Again || !self.is_noted(&finding) {
                self.note(piece.channel, finding, piece.signed);
            }
        }
        self.scratch.found = found;
    }

    /// Puts values in the place of the tokens in a text of its own.
    fn restore_alone(&mut self, payload: &[u8], piece: &Piece, text: &[u8]) {
        let Some(tokens) = self.tokens.as_ref().filter(|_| !piece.signed) else { return };
        let Scratch { inner, restored, edits, .. } = &mut self.scratch;
        tokens.find(text, piece.form == Form::Json, piece.form == Form::Raw, inner, restored);
        for Restored { start, end, value } in restored.drain(..) {
            let (mut start, mut end) = (start as usize, end as usize);
            if piece.escaped {
                (start, end) = escape::locate(piece.span.of(payload), start, end);
            }
            let at = piece.span.start as usize;
            let text = escaped_for(piece.form, &value);
            edits.push(Edit { span: Span::new(at + start, at + end), text });
            let repeated = self.reading.logprobs.iter().filter(|(_, choice)| *choice == piece.channel.choice);
            edits.extend(repeated.map(|&(span, _)| Edit::empty(payload, span)));
            self.restored += u64::from(piece.reach == Reach::Whole);
        }
    }

    /// Whether the same value was found before.
    fn is_noted(&self, finding: &Finding) -> bool {
        let same = |known: &Finding| {
            (known.rule, known.action, known.digest) == (finding.rule, finding.action, finding.digest)
        };
        self.findings.iter().any(|located| same(&located.finding))
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
        let track = Track::new(index, piece.channel, piece.lane, piece.signed, escaped);
        self.tracks.push(track.restoring(self.tokens.as_ref(), piece.form == Form::Raw));
        index
    }

    /// Takes back what earlier events said of the end of choices that go on in the event in `reading`. They count as
    /// open even where the event never goes out, so that a cut still says why.
    pub(super) fn resume(&mut self) {
        let pieces = self.reading.pieces.iter();
        let said = pieces.filter(|piece| matches!(piece.reach, Reach::Running | Reach::Whole));
        let said = said.filter(|piece| !piece.span.is_empty());
        let going_on = said.fold(0, |choices, piece| choices | bit(piece.channel.choice));
        let earlier = self.queue.iter_mut().map(|event| &mut event.marks);
        for marks in earlier.chain(self.released.iter_mut().map(|gone| &mut gone.marks)) {
            marks.finished &= !going_on;
        }
        self.sent.finished &= !going_on;
        self.sent.choices |= going_on;
    }

    /// Ends the running texts that end with an event.
    pub(super) fn end_channels(&mut self, marks: &Marks) {
        if marks.stop {
            self.end_tracks(|_| true);
            return;
        }
        let finished = if self.sent.resumes { 0 } else { marks.finished };
        if marks.closes.is_some() || finished != 0 {
            self.end_tracks(|channel| {
                marks.closes == Some(channel.block) || finished & bit(channel.choice) != 0
            });
        }
    }

    pub(super) fn end_tracks(&mut self, ends: impl Fn(Channel) -> bool) {
        let scratch = &mut self.scratch;
        for track in self.tracks.iter_mut().filter(|track| ends(track.channel)) {
            track.finish(&self.engine, &mut scratch.found, &mut scratch.places);
        }
    }

    /// Keeps a finding, and stops the stream if it asks for that.
    pub(super) fn note(&mut self, channel: Channel, finding: Finding, signed: bool) {
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
}
