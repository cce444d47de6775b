//! One running text of a reply: its scan, and where in the source each finding and each token stands.

use std::sync::Arc;

use crate::inspect::firewall::{Source, Watch};
use crate::inspect::tokens::{Apart, Restored, Restorer};
use crate::inspect::{Engine, Finding, Scan, Tokens};
use crate::wire::event::{Channel, Direction};
use crate::wire::unescape::Unescape;

/// Most running texts followed in one stream; all beyond share the last one.
pub const MAX_TRACKS: usize = 256;

/// Unknown fields that repeat the same text of at least this length are no running text.
const SHORTEST_CONSTANT: usize = 8;

/// Something to be done, in source offsets of its track.
pub struct Place {
    /// Index of the track.
    pub track: usize,
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
    /// What is to be done there.
    pub deed: Deed,
}

/// What is to be done at a place.
pub enum Deed {
    /// Act on a finding; its own offsets count in the decoded text.
    Find(Finding),
    /// Put a value in the place of its token.
    Restore(Arc<str>),
}

/// A running text. *Source* offsets count the bytes of the deltas, once decoded from JSON; where the text is itself
/// escaped, the scan sees it decoded once more.
#[derive(Debug)]
pub struct Track {
    index: usize,
    /// The channel it belongs to.
    pub channel: Channel,
    lane: u16,
    /// Its text is signed: it may not be rewritten.
    pub signed: bool,
    scan: Scan,
    watch: Watch,
    restorer: Option<Restorer>,
    restored: Vec<Restored>,
    apart: Apart,
    unescape: Option<Unescape>,
    /// Source bytes taken in.
    fed: u64,
    /// Source offset at which the present scan began.
    base: u64,
    /// No enforcing rule will reach below this source offset any more.
    clear: u64,
    /// Source offset from which nothing may leave, because of a block.
    limit: u64,
    last: Vec<u8>,
}

impl Track {
    /// A track before its first byte. `escaped` says that its text may hold escapes of its own.
    pub fn new(index: usize, channel: Channel, lane: u16, signed: bool, escaped: bool) -> Track {
        Track {
            index,
            channel,
            lane,
            signed,
            scan: Scan::new(),
            watch: Watch::new(),
            restorer: None,
            restored: Vec::new(),
            apart: Apart::default(),
            unescape: escaped.then(Unescape::default),
            fed: 0,
            base: 0,
            clear: 0,
            limit: u64::MAX,
            last: Vec::new(),
        }
    }

    /// Gives values back in place of their tokens, but for a text that is signed. `plain` as in [`Restorer::new`].
    pub fn restoring(mut self, tokens: Option<&Tokens>, plain: bool) -> Track {
        self.restorer = tokens.filter(|_| !self.signed).map(|tokens| Restorer::new(tokens.clone(), plain));
        self
    }

    /// Whether this is the track of a channel and lane.
    pub fn is(&self, channel: Channel, lane: u16) -> bool {
        self.lane == lane && self.channel == channel
    }

    /// Source bytes taken in so far.
    pub fn fed(&self) -> u64 {
        self.fed
    }

    /// Text before this source offset may leave.
    pub fn clear(&self) -> u64 {
        self.clear.min(self.limit)
    }

    /// Lets nothing leave from this source offset on.
    pub fn block_from(&mut self, start: u64) {
        self.limit = self.limit.min(start);
    }

    /// Whether `text` only repeats the last one, as constant fields do from event to event.
    pub fn repeats(&mut self, text: &[u8]) -> bool {
        let same = text.len() >= SHORTEST_CONSTANT && self.last == text;
        if !same {
            self.last.clear();
            self.last.extend_from_slice(&text[..text.len().min(4096)]);
        }
        same
    }

    /// Takes in the next delta. `found` and `scratch` are scratch space; findings are appended to `places`.
    pub fn push(
        &mut self,
        engine: &Engine,
        delta: &[u8],
        scratch: &mut Vec<u8>,
        found: &mut Vec<Finding>,
        places: &mut Vec<Place>,
    ) {
        self.fed += delta.len() as u64;
        let text = match &mut self.unescape {
            None => delta,
            Some(unescape) => {
                scratch.clear();
                unescape.push(delta, scratch);
                scratch
            }
        };
        self.scan.push(engine, Direction::Reply, text, found);
        let source = Source { engine, direction: Direction::Reply, kind: self.channel.kind };
        self.watch.push(source, text, found);
        if let Some(restorer) = &mut self.restorer {
            restorer.push(text, &mut self.restored);
        }
        self.settle(found, places);
    }

    /// Ends the text: everything is decided. More text would start afresh.
    pub fn finish(&mut self, engine: &Engine, found: &mut Vec<Finding>, places: &mut Vec<Place>) {
        if self.base == self.fed {
            return;
        }
        let source = Source { engine, direction: Direction::Reply, kind: self.channel.kind };
        if let Some(unescape) = &mut self.unescape {
            let mut rest = Vec::new();
            unescape.finish(&mut rest);
            self.scan.push(engine, Direction::Reply, &rest, found);
            self.watch.push(source, &rest, found);
        }
        self.watch.finish(source, found);
        self.scan.finish(engine, Direction::Reply, found);
        if let Some(restorer) = &mut self.restorer {
            restorer.finish();
        }
        self.settle(found, places);
        self.restart();
    }

    fn restart(&mut self) {
        self.scan = Scan::new();
        if let Some(restorer) = &mut self.restorer {
            restorer.restart();
        }
        if let Some(unescape) = &mut self.unescape {
            *unescape = Unescape::default();
        }
        self.base = self.fed;
        self.clear = self.fed;
    }

    /// Puts findings and tokens where they stand in the source, and moves on what is clear.
    fn settle(&mut self, found: &mut Vec<Finding>, places: &mut Vec<Place>) {
        let open = self.restorer.as_ref().map_or(u64::MAX, Restorer::frontier);
        let frontier = self.scan.frontier().min(open);
        if self.restorer.is_some() {
            self.apart.sift(found, &self.restored, open, self.scan.frontier());
        }
        let found = found.drain(..).map(|finding| (finding.start, finding.end, Deed::Find(finding)));
        let restored =
            self.restored.drain(..).map(|token| (token.start, token.end, Deed::Restore(token.value)));
        let (base, track) = (self.base, self.index);
        let Some(unescape) = &mut self.unescape else {
            let place = |(start, end, deed)| Place { track, start: base + start, end: base + end, deed };
            places.extend(found.chain(restored).map(place));
            self.clear = base + frontier;
            return;
        };
        places.extend(found.chain(restored).map(|(start, end, deed)| Place {
            track,
            start: base + unescape.source_start(start),
            end: base + unescape.source_end(end),
            deed,
        }));
        self.clear = base + unescape.source_start(frontier);
        unescape.forget_before(frontier);
    }
}
