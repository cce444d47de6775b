//! Moves the bytes of a WebSocket: reads both sides, hands messages to the session, writes what it lets go.

use std::{
    io,
    time::{Duration, Instant},
};

use tokio::time::{Sleep, sleep_until};

use super::{
    ends::Close,
    leg::{Io, Leg, fill, push},
    session::{Out, Session},
};
use crate::{
    audit::Verdict,
    config::Mode,
    flow::stream::STALL,
    wire::{
        framer::MAX_EVENT,
        websocket::{Control, Deflate, Incoming, Opcode, ReaderOptions, Side, WebSocketError},
    },
};

/// Bytes that may wait to be written to a side before the other is read no further.
const MOST_AHEAD: usize = 256 * 1024;

/// How long the closing handshake may take, and how long one side may go on after the other has ended.
const CLOSE_WAIT: Duration = Duration::from_secs(10);

/// Carries a WebSocket to its end and records it.
pub async fn run(session: Session, deflate: Option<Deflate>, client: Io, server: Io) {
    let limits = &session.services().config.limits;
    let take_from_client = ReaderOptions {
        from: Side::Client,
        most: limits.request_bytes as u64,
        deflate: deflate.map(|deflate| deflate.client_keeps_context),
    };
    let take_from_server = ReaderOptions {
        from: Side::Server,
        most: limits.reply_held_bytes.max(MAX_EVENT) as u64,
        deflate: deflate.map(|deflate| deflate.server_keeps_context),
    };
    let idle = limits.idle;
    let now = Instant::now();
    let pump = Pump {
        client: Leg::new(client, take_from_client),
        server: Leg::new(server, take_from_server),
        session,
        idle,
        heard: now,
        server_heard: now,
        relaxed: false,
        ending: None,
        closed: false,
        stopping: false,
        verdict: Verdict::Allowed,
        reason: String::new(),
    };
    pump.run().await;
}

struct Pump {
    client: Leg,
    server: Leg,
    session: Session,
    idle: Duration,
    heard: Instant,
    server_heard: Instant,
    /// What was held has been relaxed since the server last said something.
    relaxed: bool,
    /// Since when one side has ended or is closing.
    ending: Option<Instant>,
    /// The gateway itself has closed both sides: nothing more is read.
    closed: bool,
    /// The gateway stops.
    stopping: bool,
    verdict: Verdict,
    reason: String,
}

/// What happened.
enum Event {
    Read(Side, io::Result<usize>),
    Written(Side, io::Result<usize>),
    Due,
    Stopping,
}

impl Pump {
    async fn run(mut self) {
        let services = self.session.services().clone();
        let mut stopping = std::pin::pin!(services.running.stopping());
        let mut timer = std::pin::pin!(sleep_until(self.due().into()));
        while !self.is_over() {
            rearm(timer.as_mut(), self.due());
            let stops = self.stopping;
            let Pump { client, server, .. } = &mut self;
            let (client_busy, server_busy) = (client.is_busy(), server.is_busy());
            let roomy = client.out.len() < MOST_AHEAD;
            let client_reads = client.reads && roomy && server.out.len() < MOST_AHEAD;
            let server_reads = server.reads && roomy;
            let event = tokio::select! {
                read = fill(&mut client.read, client.reader.buffer()), if client_reads => Event::Read(Side::Client, read),
                read = fill(&mut server.read, server.reader.buffer()), if server_reads => Event::Read(Side::Server, read),
                sent = push(&mut client.write, &mut client.out, client.shuts), if client_busy => Event::Written(Side::Client, sent),
                sent = push(&mut server.write, &mut server.out, server.shuts), if server_busy => Event::Written(Side::Server, sent),
                () = &mut timer => Event::Due,
                () = &mut stopping, if !stops => Event::Stopping,
            };
            match event {
                Event::Read(side, Ok(count)) if count > 0 => self.read(side, count),
                Event::Read(side, _) => self.ended(side),
                Event::Written(side, written) => self.written(side, written),
                Event::Due => self.waited(),
                Event::Stopping => self.stopping = true,
            }
            if self.stopping && self.session.is_between() && self.ending.is_none() {
                self.close(Close::away("the gateway stops"));
            }
        }
        self.session.end(self.verdict, &self.reason);
    }

    /// Whether both sides have ended and have what was meant for them, or have had their time.
    fn is_over(&self) -> bool {
        let quiet = !self.client.is_busy() && !self.server.is_busy();
        let done = !self.client.reads && !self.server.reads && quiet;
        done || self.ending.is_some_and(|since| since.elapsed() >= CLOSE_WAIT)
    }

    /// When something is to be done although nothing happens. What would not be done any more must not be waited for:
    /// its time, once past, would fire again and again.
    fn due(&self) -> Instant {
        let stalls = self.session.held() > 0 && !self.relaxed && !self.closed;
        let stall = self.server_heard + STALL;
        let end = self.ending.map_or(self.heard + self.idle, |since| since + CLOSE_WAIT);
        if stalls { end.min(stall) } else { end }
    }

    fn waited(&mut self) {
        let now = Instant::now();
        if now >= self.heard + self.idle && self.ending.is_none() {
            self.close(Close::away("nothing came for too long"));
        } else if self.session.held() > 0 && !self.relaxed && !self.closed && now >= self.server_heard + STALL
        {
            self.relaxed = true;
            let mut out = Out { client: &mut self.client.out, server: &mut self.server.out };
            if let Some(close) = self.session.stalled(&mut out) {
                self.close(close);
            }
        }
    }

    /// Bytes have come from `side`.
    fn read(&mut self, side: Side, count: usize) {
        self.heard = Instant::now();
        if side == Side::Client {
            self.session.bytes(count as u64, 0);
        } else {
            (self.server_heard, self.relaxed) = (self.heard, false);
        }
        let (from, to) = match side {
            Side::Client => (&mut self.client, &mut self.server),
            Side::Server => (&mut self.server, &mut self.client),
        };
        if self.closed {
            from.reader.buffer().clear();
        } else if from.relays {
            to.out.extend_from_slice(&from.reader.rest());
        } else {
            self.take(side);
        }
    }

    /// Takes what has come whole from `side`.
    fn take(&mut self, side: Side) {
        loop {
            let from = if side == Side::Client { &mut self.client } else { &mut self.server };
            let incoming = from.reader.next_incoming();
            let mut out = Out { client: &mut self.client.out, server: &mut self.server.out };
            let close = match (incoming, side) {
                (Ok(None), _) => return,
                (Ok(Some(Incoming::Message(message))), Side::Client) => {
                    self.session.take_from_client(message, &mut out)
                }
                (Ok(Some(Incoming::Message(message))), Side::Server) => {
                    self.session.take_from_server(message, &mut out)
                }
                (Ok(Some(Incoming::Control(control))), _) => self.control(side, &control),
                (Err(error), _) => return self.unreadable(side, error),
            };
            if let Some(close) = close {
                return self.close(close);
            }
        }
    }

    /// Control frames pass at once. Before a server's close goes what it still had to say.
    fn control(&mut self, side: Side, control: &Control) -> Option<Close> {
        let mut out = Out { client: &mut self.client.out, server: &mut self.server.out };
        if control.opcode == Opcode::Close {
            if side == Side::Server
                && let Some(close) = self.session.server_done(&mut out)
            {
                return Some(close);
            }
            self.ending.get_or_insert_with(Instant::now);
        }
        let to = if side == Side::Client { out.server } else { out.client };
        to.extend_from_slice(&control.raw);
        None
    }

    /// What `side` sends cannot be read: strict ends the connection, warn passes it on and says so.
    fn unreadable(&mut self, side: Side, error: WebSocketError) {
        if self.session.services().config.mode == Mode::Warn {
            (self.verdict, self.reason) = (Verdict::Warned, format!("not inspected any more: {error}"));
            let (from, to) = match side {
                Side::Client => (&mut self.client, &mut self.server),
                Side::Server => (&mut self.server, &mut self.client),
            };
            from.relays = true;
            return to.out.extend_from_slice(&from.reader.rest());
        }
        let close = match side {
            Side::Client => Close::for_client(error),
            Side::Server => {
                let mut out = Out { client: &mut self.client.out, server: &mut self.server.out };
                self.session.server_unreadable(error, &mut out)
            }
        };
        self.close(close);
    }

    /// Closes both sides and reads no more of them.
    fn close(&mut self, close: Close) {
        let mut out = Out { client: &mut self.client.out, server: &mut self.server.out };
        self.session.close(&close, &mut out);
        (self.verdict, self.reason) = (close.verdict, close.reason);
        self.closed = true;
        (self.client.shuts, self.server.shuts) = (true, true);
        self.ending.get_or_insert_with(Instant::now);
    }

    /// `side` sends nothing more.
    fn ended(&mut self, side: Side) {
        self.ending.get_or_insert_with(Instant::now);
        match side {
            Side::Client => {
                self.client.reads = false;
                self.server.shuts = true;
            }
            Side::Server => {
                self.server.reads = false;
                let mut out = Out { client: &mut self.client.out, server: &mut self.server.out };
                let close = if self.closed { None } else { self.session.server_done(&mut out) };
                match close {
                    Some(close) => self.close(close),
                    None => self.client.shuts = true,
                }
            }
        }
    }

    /// Bytes went out to `side`, or it takes none any more.
    fn written(&mut self, side: Side, written: io::Result<usize>) {
        let leg = if side == Side::Client { &mut self.client } else { &mut self.server };
        match written {
            Ok(0) => {
                leg.dirty = false;
                leg.shuts = false;
            }
            Ok(count) => {
                leg.dirty = true;
                if side == Side::Client {
                    self.session.bytes(0, count as u64);
                }
            }
            Err(_) => {
                leg.out.clear();
                (leg.dirty, leg.shuts, leg.reads) = (false, false, false);
                let other = if side == Side::Client { &mut self.server } else { &mut self.client };
                (other.shuts, other.reads) = (true, false);
                self.ending.get_or_insert_with(Instant::now);
            }
        }
    }
}

/// Sets the timer to an earlier time at once; to a later one only when it has fired.
fn rearm(timer: std::pin::Pin<&mut Sleep>, due: Instant) {
    let due = due.into();
    if due < timer.deadline() || timer.is_elapsed() {
        timer.reset(due);
    }
}
