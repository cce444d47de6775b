//! One running text of a reply: its scan, and where in the source each finding stands.

use crate::inspect::{Engine, Finding, Scan};
use crate::wire::event::{Channel, Direction};
use crate::wire::unescape::Unescape;

/// Most running texts followed in one stream; all beyond share the last one.
pub const MAX_TRACKS: usize = 256;

/// Unknown fields that repeat the same text of at least this length are no running text.
const SHORTEST_CONSTANT: usize = 8;

/// A finding in source offsets of its track.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Index of the track.
    pub track: usize,
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
    /// The finding itself; its offsets count in the decoded text.
    pub finding: Finding,
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
            unescape: escaped.then(Unescape::default),
            fed: 0,
            base: 0,
            clear: 0,
            limit: u64::MAX,
            last: Vec::new(),
        }
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
        match &mut self.unescape {
            None => self.scan.push(engine, Direction::Reply, delta, found),
            Some(unescape) => {
                scratch.clear();
                unescape.push(delta, scratch);
                self.scan.push(engine, Direction::Reply, scratch, found);
            }
        }
        self.settle(found, places);
    }

    /// Ends the text: everything is decided. More text would start afresh.
    pub fn finish(&mut self, engine: &Engine, found: &mut Vec<Finding>, places: &mut Vec<Place>) {
        if self.base == self.fed {
            return;
        }
        if let Some(unescape) = &mut self.unescape {
            let mut rest = Vec::new();
            unescape.finish(&mut rest);
            self.scan.push(engine, Direction::Reply, &rest, found);
        }
        self.scan.finish(engine, Direction::Reply, found);
        self.settle(found, places);
        self.restart();
    }

    fn restart(&mut self) {
        self.scan = Scan::new();
        if let Some(unescape) = &mut self.unescape {
            *unescape = Unescape::default();
        }
        self.base = self.fed;
        self.clear = self.fed;
    }

    /// Puts findings where they stand in the source, and moves on what is clear.
    fn settle(&mut self, found: &mut Vec<Finding>, places: &mut Vec<Place>) {
        let (base, track) = (self.base, self.index);
        let Some(unescape) = &mut self.unescape else {
            places.extend(found.drain(..).map(|finding| Place {
                track,
                start: base + finding.start,
                end: base + finding.end,
                finding,
            }));
            self.clear = base + self.scan.frontier();
            return;
        };
        places.extend(found.drain(..).map(|finding| Place {
            track,
            start: base + unescape.source_start(finding.start),
            end: base + unescape.source_end(finding.end),
            finding,
        }));
        let frontier = self.scan.frontier();
        self.clear = base + unescape.source_start(frontier);
        unescape.forget_before(frontier);
    }
}
