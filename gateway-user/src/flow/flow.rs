//! One flow from its begin to its record: what was learned, what was set aside, how it ended.
//!
//! A flow is owned by whatever is at work on it. However it ends, also when the client goes away and everything is
//! dropped, it is settled and recorded exactly once.

use std::{sync::Arc, time::Instant};

use http::{Request, StatusCode};
use jiff::Timestamp;

use super::{coverage::Row, path::Origin, services::Services, site::Site};
use crate::{
    audit::{Finding as Found, FlowId, Principal as Recorded, Record, Verdict},
    capture::Door,
    inspect::{
        Action, Tokens,
        request::Located,
        tools::{Outcome, Used},
    },
    ledger::{Refused, Reservation, ScopeName, Settle, estimate::Running},
    wire::event::{Direction, Usage},
};

/// Findings kept in one record; more of them are counted with the last.
const MOST_FINDINGS: usize = 64;

/// Tool calls and results kept in one record; the last ones of more are left out.
const MOST_USED: usize = 128;

/// What stands in the place of a method in the record of an exchange on a WebSocket.
const ON_WEBSOCKET: &str = "WEBSOCKET";

/// One flow; ends with [`Flow::end`], or, where the client went away, when it is dropped.
pub struct Flow {
    services: Arc<Services>,
    open: Option<Box<Open>>,
}

/// A flow that has not ended.
struct Open {
    record: Record,
    begun: Instant,
    reservation: Option<Reservation>,
    counted: Running,
    usage: Option<Usage>,
    complete: bool,
    /// Upstream gave an answer that it will bill.
    billed: bool,
    /// Where coverage counts its bodies.
    row: Option<Arc<Row>>,
    /// The id of the call it carries, where answers are told apart by it.
    call: Option<String>,
}

impl Flow {
    /// A connection that is relayed, refused or broken before any exchange.
    pub fn connection(services: &Arc<Services>, origin: &Origin, name: Option<String>) -> Flow {
        let destination = &origin.destination;
        let host = name.or_else(|| destination.name.clone()).unwrap_or_default();
        Flow::begin(services, origin, &host)
    }

    /// An exchange.
    pub fn exchange<B>(site: &Site, request: &Request<B>) -> Flow {
        let services = &site.services;
        services.counters.flows.one();
        let mut flow = Flow::begin(services, &site.origin, &site.target.host);
        let key = services.digester.credential(request.headers());
        flow.with(|open| {
            open.record.method = request.method().to_string();
            open.record.path = request.uri().path().to_owned();
            open.record.provider = Some(site.host.provider().to_owned());
            open.record.principal.key = key;
            open.row = site.row.clone();
        });
        flow
    }

    /// An exchange on the WebSocket whose connection this flow stands for.
    pub fn ask(&self, site: &Site) -> Flow {
        let services = &site.services;
        services.counters.flows.one();
        let mut flow = Flow::begin(services, &site.origin, &site.target.host);
        if let (Some(connection), Some(open)) = (&self.open, &mut flow.open) {
            let (from, record) = (&connection.record, &mut open.record);
            record.method = ON_WEBSOCKET.to_owned();
            record.path.clone_from(&from.path);
            record.provider.clone_from(&from.provider);
            record.dialect.clone_from(&from.dialect);
            record.principal.key.clone_from(&from.principal.key);
            record.connection = Some(from.id.clone());
        }
        flow
    }

    fn begin(services: &Arc<Services>, origin: &Origin, host: &str) -> Flow {
        let now = Timestamp::now();
        let who = &origin.principal;
        let known = who.pid != 0;
        let principal = Recorded {
            app: who.app.clone(),
            pid: known.then_some(who.pid),
            uid: known.then_some(who.uid),
            comm: known.then(|| who.comm.clone()),
            key: None,
        };
        let mut record = Record::begin(FlowId::mint(now), now, door(origin.door), principal, host);
        record.original = origin.destination.address;
        let open = Open {
            record,
            begun: Instant::now(),
            reservation: None,
            counted: Running::default(),
            usage: None,
            complete: false,
            billed: false,
            row: None,
            call: None,
        };
        services.running.begin();
        Flow { services: Arc::clone(services), open: Some(Box::new(open)) }
    }

    /// The flow's id, as it will be recorded.
    pub fn id(&self) -> String {
        self.open.as_ref().map(|open| open.record.id.to_string()).unwrap_or_default()
    }

    /// The digest of the credential it showed.
    pub fn key(&self) -> Option<&str> {
        self.open.as_ref()?.record.principal.key.as_deref()
    }

    /// The tokens of whoever it belongs to, where the rules give tokens.
    pub fn tokens(&self) -> Option<Tokens> {
        let (vault, open) = (self.services.vault.as_ref()?, self.open.as_ref()?);
        let now = u64::try_from(Timestamp::now().as_second()).unwrap_or(0);
        Some(Tokens::new(vault, &open.record.principal.app, open.record.principal.key.as_deref(), now))
    }

    /// It carries a call with this id.
    pub fn calls(&mut self, id: Option<String>) {
        self.with(|open| open.call = id);
    }

    /// The id of the call it carries, as it stands in JSON.
    pub fn call(&self) -> Option<&str> {
        self.open.as_ref()?.call.as_deref()
    }

    /// Changes what will be recorded.
    pub fn note(&mut self, change: impl FnOnce(&mut Record)) {
        self.with(|open| change(&mut open.record));
    }

    /// Reports something about the flow that lets it pass.
    pub fn warn(&mut self, reason: &str) {
        self.with(|open| {
            open.record.reason = reason.to_owned();
            raise(&mut open.record.verdict, Verdict::Warned);
        });
    }

    /// Counts bytes, as they are on the wire between the client and us.
    pub fn bytes(&mut self, up: u64, down: u64) {
        self.with(|open| {
            open.record.bytes_up += up;
            open.record.bytes_down += down;
        });
    }

    /// The first byte of the reply's body is about to go out.
    pub fn first_byte(&mut self) {
        self.with(|open| {
            if open.record.timings.ttft == 0 {
                open.record.timings.ttft = micros(open.begun);
            }
        });
    }

    /// Adds to the time the gateway itself took.
    pub fn added(&mut self, since: Instant) {
        self.with(|open| open.record.timings.added += micros(since));
    }

    /// Sets aside the input and a first slice of output.
    ///
    /// # Errors
    /// When an enforced budget has no room for it.
    pub fn reserve(&mut self, model: &str, input_tokens: u64) -> Result<(), Refused> {
        let Some(open) = self.open.as_mut() else { return Ok(()) };
        let scopes = [ScopeName::global(), ScopeName::app(&open.record.principal.app)];
        let reservation = self.services.ledger.reserve(&scopes, model, input_tokens, Timestamp::now())?;
        if let Some(warning) = reservation.warning() {
            open.record.reason = warning.to_string();
            raise(&mut open.record.verdict, Verdict::Warned);
        }
        open.reservation = Some(reservation);
        Ok(())
    }

    /// Draws on the reservation for `text` bytes of reply text that are about to be released.
    ///
    /// # Errors
    /// When an enforced budget has nothing left: the reply is to be cut.
    pub fn draw(&mut self, text: usize) -> Result<(), Refused> {
        let Some(open) = self.open.as_mut() else { return Ok(()) };
        let tokens = open.counted.delta(text);
        match &mut open.reservation {
            Some(reservation) if tokens > 0 => reservation.draw(tokens),
            _ => Ok(()),
        }
    }

    /// Upstream has answered with this status.
    pub fn answered(&mut self, status: StatusCode) {
        self.with(|open| {
            open.record.status = status.as_u16();
            open.billed = status.is_success();
        });
    }

    /// What the provider reported, and whether its reply came to its end.
    pub fn usage(&mut self, usage: Option<Usage>, complete: bool) {
        self.with(|open| {
            open.usage = usage;
            open.complete = complete;
        });
    }

    /// Takes findings into the record and the counters.
    pub fn found(&mut self, direction: Direction, findings: &[Located]) {
        let services = Arc::clone(&self.services);
        self.with(|open| {
            for Located { channel, finding } in findings {
                let (counter, verdict) = match finding.action {
                    Action::Allow => continue,
                    Action::Warn => (&services.counters.findings_warned, Verdict::Warned),
                    Action::Redact => (&services.counters.findings_redacted, Verdict::Redacted),
                    Action::Tokenize => (&services.counters.findings_tokenized, Verdict::Redacted),
                    Action::Block => (&services.counters.findings_blocked, Verdict::Warned),
                };
                counter.one();
                raise(&mut open.record.verdict, verdict);
                let found = Found {
                    rule: services.engine.rule(finding.rule).id.clone(),
                    direction,
                    kind: channel.kind,
                    action: finding.action,
                    count: 1,
                    digest: finding.digest_hex(),
                };
                keep(&mut open.record.findings, found);
            }
        });
    }

    /// Takes tool calls and results into the record.
    pub fn called(&mut self, used: &[Used]) {
        self.with(|open| {
            for one in used.iter().take(MOST_USED.saturating_sub(open.record.tools.len())) {
                let verdict = match one.outcome {
                    Outcome::Allowed | Outcome::Result => Verdict::Allowed,
                    Outcome::Warned => Verdict::Warned,
                    Outcome::Refused => Verdict::Redacted,
                };
                raise(&mut open.record.verdict, verdict);
                open.record.tools.push(one.clone());
            }
        });
    }

    /// Ends the flow: settles what it reserved and records it. `verdict` [`Verdict::Allowed`] stands for whatever its
    /// findings came to. Later calls do nothing.
    pub fn end(&mut self, verdict: Verdict, reason: Option<&str>) {
        if let Some(open) = self.open.take() {
            close(&self.services, open, verdict, reason);
        }
    }

    fn with(&mut self, change: impl FnOnce(&mut Open)) {
        if let Some(open) = self.open.as_mut() {
            change(open);
        }
    }
}

impl Drop for Flow {
    /// The client went away in the middle. What it cost and that it happened is still written down; neither waits
    /// nor fails.
    fn drop(&mut self) {
        if let Some(open) = self.open.take() {
            close(
                &self.services,
                open,
                Verdict::Failed,
                Some("the client went away before the reply was complete"),
            );
        }
    }
}

fn close(services: &Services, mut open: Box<Open>, verdict: Verdict, reason: Option<&str>) {
    let record = &mut open.record;
    if verdict != Verdict::Allowed {
        record.verdict = verdict;
    }
    if let Some(reason) = reason {
        record.reason = reason.to_owned();
    }
    if let Some(reservation) = open.reservation.take() {
        let outcome = match open.usage {
            _ if !open.billed => Settle::Nothing,
            Some(usage) if open.complete => Settle::Reported(usage),
            Some(usage) => Settle::InputReported(usage),
            None => Settle::Counted,
        };
        let receipt = reservation.settle(outcome);
        record.tokens = match open.usage {
            Some(usage) if open.complete => usage,
            _ => Usage { input: receipt.input, output: receipt.output, ..Usage::default() },
        };
        record.cost = receipt.cost;
        record.estimated = receipt.estimated;
    } else if let Some(usage) = open.usage.filter(|_| open.billed) {
        // Nothing is billed, as for a local engine; what was used is known all the same.
        record.tokens = usage;
    }
    if let Some(row) = &open.row {
        row.bytes(record.bytes_up, record.bytes_down);
    }
    record.end = Timestamp::now();
    record.timings.total = micros(open.begun);
    // The bytes of an exchange on a WebSocket are counted with its connection.
    if record.verdict != Verdict::Relayed && record.connection.is_none() {
        services.counters.bytes_inspected.add(record.bytes_up + record.bytes_down);
    }
    if let Err(lost) = services.journal.append(open.record) {
        tracing::error!(error = %lost, "a flow could not be recorded");
    }
    services.running.end();
}

/// Raises a verdict that findings came to; never lowers it.
fn raise(verdict: &mut Verdict, to: Verdict) {
    let rank = |verdict: Verdict| match verdict {
        Verdict::Allowed => 0,
        Verdict::Warned => 1,
        Verdict::Redacted => 2,
        _ => 3,
    };
    if rank(to) > rank(*verdict) {
        *verdict = to;
    }
}

/// Counts a finding with its like, or adds it.
fn keep(findings: &mut Vec<Found>, found: Found) {
    let like = |known: &&mut Found| {
        known.rule == found.rule
            && known.digest == found.digest
            && known.direction == found.direction
            && known.kind == found.kind
            && known.action == found.action
    };
    if let Some(known) = findings.iter_mut().find(like) {
        known.count += 1;
    } else if findings.len() < MOST_FINDINGS {
        findings.push(found);
    } else if let Some(last) = findings.last_mut() {
        last.count += 1;
    }
}

fn door(door: Door) -> &'static str {
    match door {
        Door::Transparent => "transparent",
        Door::Reverse => "reverse",
        Door::Forward => "forward",
    }
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}
