//! The machine of bodies that are no event streams: one running text of raw bytes, released up to what is decided.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Buf, Bytes};

use crate::inspect::reply::track::{Deed, Place, Track};
use crate::inspect::reply::{Released, ReplyOptions, Stop};
use crate::inspect::request::{Located, MOST_FINDINGS};
use crate::inspect::{Action, Engine, Finding, Tokens};
use crate::wire::event::{Channel, Kind};

/// A raw body.
pub struct Raw {
    engine: Arc<Engine>,
    options: ReplyOptions,
    track: Track,
    /// What is not released yet, in order.
    waiting: VecDeque<Bytes>,
    /// Offset of the first waiting byte, and how many wait.
    at: u64,
    held: usize,
    /// Replacements not released yet, ascending: which bytes, and what takes their place.
    masks: VecDeque<(u64, u64, Bytes)>,
    /// How many tokens became values again.
    pub(super) restored: u64,
    pub(super) findings: Vec<Located>,
    pub(super) stop: Option<Stop>,
    inner: Vec<u8>,
    found: Vec<Finding>,
    places: Vec<Place>,
}

impl Raw {
    pub fn new(engine: Arc<Engine>, options: ReplyOptions, tokens: Option<&Tokens>) -> Raw {
        Raw {
            engine,
            options,
            track: Track::new(0, Channel::of(Kind::Opaque), 0, false, true).restoring(tokens, true),
            waiting: VecDeque::new(),
            at: 0,
            held: 0,
            masks: VecDeque::new(),
            restored: 0,
            findings: Vec::new(),
            stop: None,
            inner: Vec::new(),
            found: Vec::new(),
            places: Vec::new(),
        }
    }

    /// Bytes held back now.
    pub fn held(&self) -> usize {
        self.held
    }

    pub fn push(&mut self, chunk: Bytes, out: &mut Vec<Released>) {
        if chunk.is_empty() || self.stop.is_some() {
            return;
        }
        self.track.push(&self.engine, &chunk, &mut self.inner, &mut self.found, &mut self.places);
        self.held += chunk.len();
        self.waiting.push_back(chunk);
        self.apply();
        self.release(out);
        if self.held > self.options.held_bytes {
            self.stop = self.stop.or(Some(Stop::Held));
        }
    }

    pub fn finish(&mut self, out: &mut Vec<Released>) {
        if self.stop.is_none() {
            self.track.finish(&self.engine, &mut self.found, &mut self.places);
            self.apply();
            self.release(out);
        }
    }

    /// Drops what is held.
    pub fn drop_held(&mut self) {
        self.waiting.clear();
        self.held = 0;
    }

    fn apply(&mut self) {
        for Place { start, end, deed, .. } in self.places.drain(..) {
            let finding = match deed {
                Deed::Find(finding) => finding,
                Deed::Restore(value) => {
                    self.restored += 1;
                    let at = self.masks.partition_point(|mask| mask.0 <= start);
                    self.masks.insert(at, (start, end, Bytes::copy_from_slice(value.as_bytes())));
                    continue;
                }
            };
            if self.findings.len() < MOST_FINDINGS {
                self.findings.push(Located { channel: self.track.channel, finding });
            }
            match finding.action {
                Action::Block => {
                    self.track.block_from(start);
                    self.stop = self.stop.or(Some(Stop::Blocked(finding.rule)));
                }
                Action::Redact | Action::Tokenize => {
                    let mask = &self.engine.rule(finding.rule).mask;
                    let at = self.masks.partition_point(|mask| mask.0 <= start);
                    self.masks.insert(at, (start, end, Bytes::copy_from_slice(mask.as_bytes())));
                }
                Action::Allow | Action::Warn => {}
            }
        }
    }

    /// Releases everything that is decided, masked where it must be.
    fn release(&mut self, out: &mut Vec<Released>) {
        let clear = self.track.clear();
        while self.at < clear {
            match self.masks.front() {
                Some(&(start, end, ref mask)) if start <= self.at => {
                    let mask = mask.clone();
                    self.masks.pop_front();
                    if end <= self.at {
                        // Another replacement has taken these bytes.
                        continue;
                    }
                    self.skip(end);
                    out.push(Released { bytes: mask, text_len: 0, deltas: 0 });
                }
                mask => {
                    let to = mask.map_or(clear, |mask| mask.0.min(clear));
                    self.pass(to, out);
                }
            }
        }
    }

    /// Releases the bytes before `to` as they came.
    fn pass(&mut self, to: u64, out: &mut Vec<Released>) {
        while self.at < to {
            let Some(mut first) = self.waiting.pop_front() else { return };
            let length = first.len().min((to - self.at) as usize);
            let bytes = first.split_to(length);
            if !first.is_empty() {
                self.waiting.push_front(first);
            }
            self.moved(length);
            out.push(Released { bytes, text_len: length, deltas: 1 });
        }
    }

    /// Drops the bytes before `to`.
    fn skip(&mut self, to: u64) {
        while self.at < to {
            let Some(first) = self.waiting.front_mut() else { return };
            let length = first.len().min((to - self.at) as usize);
            first.advance(length);
            if first.is_empty() {
                self.waiting.pop_front();
            }
            self.moved(length);
        }
    }

    fn moved(&mut self, length: usize) {
        self.at += length as u64;
        self.held -= length;
    }
}
