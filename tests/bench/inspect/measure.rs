//! Measures one text: whole, in deltas, in short messages.

use std::fmt;
use std::time::Instant;

use gateway::inspect::{Engine, Scan};
use gateway::wire::event::Direction;
use nix::time::{ClockId, clock_gettime};

/// Bytes of a delta, about as models send them.
const DELTA: usize = 16;
/// Deltas whose time is taken one by one.
const TIMED: usize = 50_000;
/// A short message, and a long body, in bytes.
const SHORT: usize = 2_048;
const LONG: usize = 560_000;
/// Goals of one processor: MB/s of a clean body and of a stream, µs of a short message, ns of a delta.
const WHOLE: f64 = 500.0;
const STREAMED: f64 = 200.0;
const SHORT_MICROS: f64 = 15.0;
const DELTA_NANOS: u64 = 20_000;
const STATE: usize = 16 << 10;

/// The figures of one text.
pub struct Row {
    name: String,
    /// MB/s in one piece, and in deltas.
    whole: f64,
    streamed: f64,
    /// Milliseconds of a body, microseconds of a short message.
    body: f64,
    short: f64,
    /// Nanoseconds of a delta.
    delta: [u64; 2],
    /// Bytes held after a delta.
    held: [u64; 2],
    /// The most bytes of state, without the held text.
    state: usize,
    /// Findings of the whole.
    findings: usize,
}

impl Row {
    /// Whether all figures reach the goals; text that is full of findings is not clean, and only its state and
    /// deltas count.
    pub fn reaches_goals(&self) -> bool {
        let bounded = self.delta[1] < DELTA_NANOS && self.state < STATE;
        let clean = self.findings == 0;
        bounded && (!clean || self.whole >= WHOLE && self.streamed >= STREAMED && self.short <= SHORT_MICROS)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "| {} | {:.0} | {:.0} | {:.2} | {:.1} | {} | {} | {} | {} | {} |",
            self.name,
            self.whole,
            self.streamed,
            self.body,
            self.short,
            self.delta[0],
            self.delta[1],
            self.held[0],
            self.held[1],
            self.state
        )
    }
}

/// Measures `text`; the best of `rounds` counts, as other work on the machine only ever makes it slower.
pub fn row(engine: &Engine, name: &str, text: &[u8], rounds: usize) -> Row {
    let least = |work: &mut dyn FnMut()| {
        let timed = |_| {
            let start = worked();
            work();
            worked() - start
        };
        (0..rounds).map(timed).fold(f64::INFINITY, f64::min)
    };
    let mut findings = 0;
    let whole = least(&mut || findings = scan(engine, text, text.len()));
    let streamed = least(&mut || {
        scan(engine, text, DELTA);
    });
    let long = &text[..text.len().min(LONG)];
    let body = least(&mut || {
        scan(engine, long, long.len());
    });
    let messages: Vec<&[u8]> = long.chunks_exact(SHORT).collect();
    let short = least(&mut || {
        for message in &messages {
            scan(engine, message, SHORT);
        }
    });
    let (delta, held, state) = deltas(engine, text);
    Row {
        name: name.to_owned(),
        whole: text.len() as f64 / whole / 1e6,
        streamed: text.len() as f64 / streamed / 1e6,
        body: body * 1e3 * LONG as f64 / long.len() as f64,
        short: short * 1e6 / messages.len() as f64,
        delta,
        held,
        state,
        findings,
    }
}

/// Seconds of processor time this thread has had: other work on the machine does not count.
pub fn worked() -> f64 {
    let now = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("Linux has this clock");
    now.tv_sec() as f64 + now.tv_nsec() as f64 * 1e-9
}

/// Scans a text in pieces; returns the number of findings.
fn scan(engine: &Engine, text: &[u8], piece: usize) -> usize {
    let (mut scan, mut found, mut findings) = (Scan::new(), Vec::new(), 0);
    for piece in text.chunks(piece) {
        scan.push(engine, Direction::Request, piece, &mut found);
        findings += found.len();
        found.clear();
    }
    scan.finish(engine, Direction::Request, &mut found);
    findings + found.len()
}

/// Median and 99th percentile of a delta's time and of what is held after it; the most state.
fn deltas(engine: &Engine, text: &[u8]) -> ([u64; 2], [u64; 2], usize) {
    let (mut scan, mut found) = (Scan::new(), Vec::new());
    let (mut times, mut held, mut state) = (Vec::new(), Vec::new(), 0);
    for piece in text.chunks(DELTA).take(TIMED) {
        let start = Instant::now();
        scan.push(engine, Direction::Request, piece, &mut found);
        times.push(start.elapsed().as_nanos() as u64);
        held.push(scan.fed() - scan.frontier());
        state = state.max(scan.state());
        found.clear();
    }
    (percentiles(times), percentiles(held), state)
}

fn percentiles(mut values: Vec<u64>) -> [u64; 2] {
    values.sort_unstable();
    let at = |share: usize| values.get(values.len() * share / 100).copied().unwrap_or(0);
    [at(50), at(99)]
}
