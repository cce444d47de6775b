//! One exchange, in order: route, read, judge, reserve, send, and the reply behind the holdback.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::{Body, Incoming};

use super::{
    body::ReplyBody,
    decide,
    fault::Fault,
    flow::Flow,
    refusal::Stop,
    reply::{self, Expected},
    request::{self, Read},
    signed::is_signed,
    site::Site,
    upgrade,
};
use crate::{
    audit::{Digest, Verdict},
    config::{Mode, ReportingPaths, SignedRequests, Treatment},
    inspect::{
        Action, Engine,
        request::{JudgeOptions, Judged, Located, judge},
        tools::Guard,
    },
    ledger::estimate,
    provider::{Class, Route},
    upstream::{SendBody, Sent},
    wire::{
        dialects::{Dialect, Reason},
        event::Direction,
        head,
    },
};

/// Answers one request.
pub async fn exchange(site: Arc<Site>, mut request: Request<Incoming>) -> Response<ReplyBody> {
    let mut flow = Flow::exchange(&site, &request);
    site.rebase(&mut request);
    let route = site.host.route(request.method().as_str(), request.uri().path());
    flow.note(|record| record.dialect = Some(route.dialect.name().to_owned()));
    let answer = match check(&site, &request, &route) {
        Err(stop) => Err((flow, stop)),
        Ok(Some(why)) => {
            let request = request.map(|rest| SendBody::Through { head: Bytes::new(), rest });
            through(&site, flow, request, Verdict::Relayed, Some(why.to_owned())).await
        }
        Ok(None) if upgrade::is_wanted(&request) => upgrade::carry(&site, flow, request).await,
        Ok(None) => {
            upgrade::ignore(request.headers_mut());
            if site.is_misdirected(&request) {
                flow.warn("the request names another host than the connection was opened to");
            }
            match route.class {
                Class::Inference => infer(&site, flow, route.clone(), request).await,
                Class::Control | Class::Telemetry => pass(&site, flow, request).await,
            }
        }
    };
    answer.unwrap_or_else(|(flow, stop)| give_up(&site, flow, route.dialect, &stop))
}

/// Either the answer, or the flow back together with why it stops.
pub type Outcome = Result<Response<ReplyBody>, (Flow, Stop)>;

/// Answers in upstream's place and records why.
fn give_up(site: &Site, mut flow: Flow, dialect: &dyn Dialect, stop: &Stop) -> Response<ReplyBody> {
    let counters = &site.services.counters;
    let verdict = match stop {
        Stop::Refused { reason: Reason::PolicyBlocked, .. } => Verdict::Blocked,
        Stop::Refused { .. } | Stop::Unfit { .. } => Verdict::Refused,
        Stop::Fault(_) => Verdict::Failed,
    };
    match stop {
        Stop::Fault(Fault::Upstream(_) | Fault::ReplyBody { .. }) => counters.upstream_errors.one(),
        Stop::Fault(_) => {}
        Stop::Refused { .. } | Stop::Unfit { .. } => counters.blocks.one(),
    }
    let answer = stop.answer(dialect, &flow.id(), flow.call());
    let length = answer.body().size_hint().exact().unwrap_or(0);
    flow.bytes(0, length);
    let status = answer.status().as_u16();
    flow.note(|record| record.status = status);
    flow.end(verdict, Some(&stop.message()));
    answer
}

/// Whether a request may go on: as it is with the reason given, or the usual way.
fn check(site: &Site, request: &Request<Incoming>, route: &Route) -> Result<Option<&'static str>, Stop> {
    let (config, host) = (&site.services.config, &site.target.host);
    let refused = |message: String| Err(Stop::Unfit { status: StatusCode::BAD_REQUEST, message });
    if request.method() == Method::CONNECT {
        return refused(format!("{host} is no proxy: a tunnel through it is not carried"));
    }
    if config.mode == Mode::Strict && site.is_misdirected(request) {
        let message = format!("this connection was opened to {host}, and the request names another host");
        return Err(Stop::Unfit { status: StatusCode::MISDIRECTED_REQUEST, message });
    }
    if site.is_exposed() {
        return refused(format!(
            "plain HTTP to {host} would send key and text across the network in clear: use https, or set `plain: inspect`"
        ));
    }
    if route.class == Class::Telemetry && config.telemetry == ReportingPaths::Refuse {
        return refused(format!("telemetry to {host} is refused by configuration (telemetry)"));
    }
    // At the other doors whole connections were decided on.
    match site.base.as_ref().map(|_| decide::treatment(&config.hosts, host)) {
        Some(Treatment::Refuse) => refused(format!("{host} is refused by configuration (hosts)")),
        Some(Treatment::Relay) => Ok(Some("relayed by configuration (hosts)")),
        Some(Treatment::Inspect) | None => Ok(None),
    }
}

/// Judges, charges and forwards a request that carries text to or from a model.
async fn infer(site: &Arc<Site>, mut flow: Flow, route: Route, request: Request<Incoming>) -> Outcome {
    let (mut head, body) = request.into_parts();
    let read = match request::read(site, &head.headers, body).await {
        Ok(read) => read,
        Err(stop) => return Err((flow, stop)),
    };
    let begun = Instant::now();
    let (raw, text, trailers) = match read {
        Read::Whole { raw, text, trailers } => (raw, text, trailers),
        Read::Unread { head: read, rest, why } => {
            flow.note(|record| record.reason = why.clone());
            let body = match rest {
                Some(rest) => SendBody::Through { head: read, rest },
                None => SendBody::whole(read),
            };
            return through(site, flow, Request::from_parts(head, body), Verdict::Warned, Some(why)).await;
        }
    };
    let tokens = flow.tokens();
    let signed = is_signed(&head.headers, head.uri.query());
    let options = JudgeOptions {
        ask_usage: route.charged && site.host.asks_usage() && !signed,
        tokens: tokens.as_ref(),
        tools: Some(&site.services.tools),
    };
    let mut judged = judge(&site.services.engine, route.dialect, &text, options);
    // Some dialects name the model in the path.
    judged.model = judged.model.or_else(|| route.model.clone());
    judged.stream |= route.streams;
    flow.calls(judged.call.take());
    if let Err(stop) = take_in(site, &mut flow, &raw, &judged) {
        return Err((flow, stop));
    }
    if signed
        && judged.body.is_some()
        && let Err(stop) = keep_signed(site, &mut flow, &mut judged)
    {
        return Err((flow, stop));
    }
    let remembered = &site.services.remembered;
    let key = flow.key().map(str::to_owned);
    let path = head.uri.path().to_owned();
    let digest =
        |text: &Bytes| remembered.digest((site.origin.principal.app.as_str(), key.as_deref()), &path, text);
    let known = (!remembered.is_empty()).then(|| digest(&text));
    if let Some((reason, message)) = known.and_then(|digest| remembered.reason(digest, Instant::now())) {
        return Err((flow, Stop::Refused { reason, message }));
    }
    if route.charged {
        let model = judged.model.as_deref().unwrap_or_default();
        if let Err(stop) = reserve(&mut flow, model, text.len(), &judged) {
            return Err((flow, stop));
        }
    }
    let body = forwarded(&mut flow, &mut head.headers, raw, judged.body);
    limit_encodings(&mut head.headers);
    let encoded = head.headers.contains_key(header::ACCEPT_ENCODING);
    if encoded && judged.asked_usage && site.services.config.mode == Mode::Warn {
        // Warn mode passes encoded answers as they come, and could not take the extra usage out of one again.
        head.headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
    // It was answered when the body was read.
    head.headers.remove(header::EXPECT);
    flow.added(begun);
    let request = Request::from_parts(head, SendBody::Whole { data: body, trailers });
    // Only a cut needs the digest, so it is made while upstream is at work.
    let digested = async move {
        tokio::task::yield_now().await;
        known.unwrap_or_else(|| digest(&text))
    };
    let send = site.services.pool.send(&site.target, site.alpn, site.offer, request);
    let (sent, digest) = tokio::join!(send, digested);
    let sent = match sent {
        Ok(sent) => sent,
        Err(error) => return Err((flow, Fault::from(error).into())),
    };
    let expected = Expected {
        dialect: route.dialect,
        streams: route.streams,
        strip_usage: judged.asked_usage,
        with_usage: judged.wants_usage || !judged.asked_usage,
        request: digest,
        guard: Guard { policy: Arc::clone(&site.services.tools), history: judged.history },
    };
    reply::carry(site, flow, expected, sent).await
}

/// Leaves a signed request as it is, where the configuration says so.
///
/// # Errors
/// Elsewhere: what is to be taken out of it cannot be, without breaking its signature.
fn keep_signed(site: &Site, flow: &mut Flow, judged: &mut Judged) -> Result<(), Stop> {
    let why = why(&site.services.engine, "request", &judged.findings);
    match site.services.config.signed_requests {
        SignedRequests::Block => {
            let message = format!(
                "{why}: it would be redacted, but its signature covers its body and the gateway has no key to sign it \
                 again; use an API key in place of a signature, or set `signed_requests: pass`"
            );
            Err(Stop::Refused { reason: Reason::PolicyBlocked, message })
        }
        SignedRequests::Pass => {
            judged.body = None;
            flow.warn("the request is signed over its body and was sent unchanged (signed_requests)");
            Ok(())
        }
    }
}

/// Takes into the flow what was found in its request.
///
/// # Errors
/// When a rule blocks it.
pub fn take_in(site: &Site, flow: &mut Flow, raw: &Bytes, judged: &Judged) -> Result<(), Stop> {
    flow.bytes(raw.len() as u64, 0);
    flow.note(|record| {
        record.request.before = Some(Digest::of(raw));
        record.model.clone_from(&judged.model);
        record.stream = judged.stream;
    });
    flow.found(Direction::Request, &judged.findings);
    flow.called(&judged.history.results);
    if let Some(because) = judged.history.refused(&site.services.tools) {
        let message = format!("this request was refused: {}", because.why());
        if site.services.tools.is_enforced() {
            return Err(Stop::Refused { reason: Reason::PolicyBlocked, message });
        }
        flow.warn(&message);
    }
    if judged.action == Action::Block {
        let message = why(&site.services.engine, "request", &judged.findings);
        return Err(Stop::Refused { reason: Reason::PolicyBlocked, message });
    }
    Ok(())
}

/// Sets aside what a request of `length` bytes for `model` will cost at least.
///
/// # Errors
/// When a budget has no room for it.
pub fn reserve(flow: &mut Flow, model: &str, length: usize, judged: &Judged) -> Result<(), Stop> {
    // JSON counts, base64 does not: pictures are billed by their size in pixels, far below their length.
    let input = length.saturating_sub(usize::try_from(judged.payload).unwrap_or(usize::MAX));
    let reserved = flow.reserve(model, estimate::input_tokens(input));
    reserved.map_err(|refused| Stop::Refused { reason: Reason::BudgetExceeded, message: refused.to_string() })
}

/// What the user reads when a rule blocks: the rule and what it looks for, never what it found.
pub fn why(engine: &Engine, what: &str, findings: &[Located]) -> String {
    let worst = findings.iter().map(|located| located.finding).max_by_key(|finding| finding.action);
    match worst.map(|finding| engine.rule(finding.rule)) {
        Some(rule) => format!("this {what} was blocked by rule {} ({})", rule.id, rule.description),
        None => format!("this {what} was blocked by policy"),
    }
}

/// Forwards an exchange that is not inspected: settings, lists of models, telemetry.
async fn pass(site: &Arc<Site>, flow: Flow, request: Request<Incoming>) -> Outcome {
    let request = request.map(|rest| SendBody::Through { head: Bytes::new(), rest });
    through(site, flow, request, Verdict::Allowed, None).await
}

/// Sends a request whose reply is passed on unread.
async fn through(
    site: &Arc<Site>,
    mut flow: Flow,
    request: Request<SendBody>,
    verdict: Verdict,
    reason: Option<String>,
) -> Outcome {
    flow.bytes(request.body().size_hint().exact().unwrap_or(0), 0);
    match site.services.pool.send(&site.target, site.alpn, site.offer, request).await {
        Ok(Sent { reply, lease }) => Ok(reply::through(site, flow, reply, lease, verdict, reason)),
        Err(error) => Err((flow, Fault::from(error).into())),
    }
}

/// The bytes that go upstream: as they came where nothing was changed, else the changed text without encoding.
fn forwarded(flow: &mut Flow, headers: &mut HeaderMap, raw: Bytes, changed: Option<Vec<u8>>) -> Bytes {
    let Some(changed) = changed else {
        flow.note(|record| record.request.after = record.request.before);
        return raw;
    };
    flow.note(|record| record.request.after = Some(Digest::of(&changed)));
    headers.remove(header::CONTENT_ENCODING);
    if headers.contains_key(header::CONTENT_LENGTH) {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(changed.len()));
    }
    Bytes::from(changed)
}

/// Limits what upstream may answer in to what we can decode.
fn limit_encodings(headers: &mut HeaderMap) {
    let Some(given) = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()) else {
        return;
    };
    let limited = head::limit_accept_encoding(given);
    if limited != given
        && let Ok(value) = HeaderValue::from_str(&limited)
    {
        headers.insert(header::ACCEPT_ENCODING, value);
    }
}
