//! What becomes of upstream's answer: streamed behind the holdback, judged whole, or passed through.

use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Response, StatusCode, header, response::Parts};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::time::timeout;

use super::{
    body::ReplyBody,
    exchange::{self, Outcome},
    fault::Fault,
    flow::Flow,
    refusal::Stop,
    remembered::RequestDigest,
    site::Site,
    stream::{self, Inspected},
    through::Through,
};
use crate::{
    audit::{Digest, Verdict},
    config::{Cut, Mode},
    inspect::{
        Action,
        reply::{ReplyOptions, ReplyStream},
        request::judge_reply,
        tools::Guard,
    },
    upstream::{Lease, Sent},
    wire::{
        dialects::{CutStyle, Dialect, Reason},
        encoding::{Bounds, Decoder},
        event::Direction,
        framer::Framing,
        head,
    },
};

/// What the request said about the answer to come.
pub struct Expected {
    /// How it reads.
    pub dialect: &'static dyn Dialect,
    /// It streams, whatever its type: JSON is one array, item by item.
    pub streams: bool,
    /// The gateway asked for usage in the stream, the client did not: the extra event is taken out again.
    pub strip_usage: bool,
    /// The client asked for usage in the stream.
    pub with_usage: bool,
    /// The request, for remembering a cut.
    pub request: RequestDigest,
    /// What its tool calls are judged by.
    pub guard: Guard,
}

/// Carries an inspected answer to the client.
pub async fn carry(site: &Arc<Site>, mut flow: Flow, expected: Expected, sent: Sent) -> Outcome {
    let Sent { reply, lease } = sent;
    flow.answered(reply.status());
    if reply.body().is_end_stream() {
        return Ok(through(site, flow, reply, lease, Verdict::Allowed, None));
    }
    let kind =
        reply.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if head::is_media(kind) {
        return Ok(through(
            site,
            flow,
            reply,
            lease,
            Verdict::Allowed,
            Some("media is not inspected".to_owned()),
        ));
    }
    let encoding = match reply.headers().get(header::CONTENT_ENCODING).map(HeaderValue::to_str) {
        None => Ok(None),
        Some(Ok(encoding)) => Decoder::new(encoding, Bounds::default()).map_err(|error| error.to_string()),
        Some(Err(error)) => Err(error.to_string()),
    };
    let decoder = match encoding {
        Ok(decoder) => decoder,
        Err(why) => return undecodable(site, flow, reply, lease, &why),
    };
    if head::is_json(kind) && !expected.streams {
        whole(site, flow, expected, reply, lease, decoder).await
    } else {
        Ok(streamed(site, flow, expected, reply, lease, decoder))
    }
}

/// Passes an answer on unread.
pub fn through(
    site: &Arc<Site>,
    mut flow: Flow,
    reply: Response<Incoming>,
    lease: Lease,
    verdict: Verdict,
    reason: Option<String>,
) -> Response<ReplyBody> {
    flow.answered(reply.status());
    if reply.body().is_end_stream() {
        site.services.pool.give_back(lease);
        flow.end(verdict, reason.as_deref());
        return reply.map(|_| ReplyBody::whole(Bytes::new()));
    }
    let services = Arc::clone(&site.services);
    let through = |body| Through::new(services, (Bytes::new(), body), flow, lease, verdict, reason);
    reply.map(|body| ReplyBody::Through(Box::new(through(body))))
}

fn undecodable(site: &Arc<Site>, flow: Flow, reply: Response<Incoming>, lease: Lease, why: &str) -> Outcome {
    let message = format!("the answer cannot be inspected: {why}");
    match site.services.config.mode {
        Mode::Strict => Err((flow, Stop::Unfit { status: StatusCode::BAD_GATEWAY, message })),
        Mode::Warn => Ok(through(site, flow, reply, lease, Verdict::Warned, Some(message))),
    }
}

/// Puts the holdback in front of an answer that streams.
fn streamed(
    site: &Arc<Site>,
    flow: Flow,
    expected: Expected,
    reply: Response<Incoming>,
    lease: Lease,
    decoder: Option<Decoder>,
) -> Response<ReplyBody> {
    let (mut head, body) = reply.into_parts();
    let services = &site.services;
    let kind =
        head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let options = ReplyOptions {
        framing: head::framing(kind).or((expected.streams && head::is_json(kind)).then_some(Framing::Items)),
        strip_usage: expected.strip_usage,
        with_usage: expected.with_usage,
        cut: match services.config.cut {
            Cut::Text => CutStyle::Text,
            Cut::Error => CutStyle::Error,
        },
        separate: services.config.budget.is_some(),
        held_bytes: services.config.limits.reply_held_bytes,
        ..ReplyOptions::default()
    };
    let stream = ReplyStream::new(Arc::clone(&services.engine), expected.dialect, options);
    let stream = stream.restoring(flow.tokens()).guarded(expected.guard);
    // Warn mode changes nothing, so what is encoded goes out as it came, and only a copy of it is decoded.
    let observed = decoder.is_some() && services.config.mode == Mode::Warn;
    if !observed {
        // Length and encoding are those of upstream's bytes; a mask may change the one and decoding ends the other.
        head.headers.remove(header::CONTENT_LENGTH);
        if decoder.is_some() {
            head.headers.remove(header::CONTENT_ENCODING);
        }
    }
    let parts = stream::Parts {
        services: Arc::clone(services),
        body,
        decoder,
        stream,
        flow,
        lease: Some(lease),
        request: expected.request,
        observed,
    };
    Response::from_parts(head, ReplyBody::Inspected(Box::new(Inspected::new(parts))))
}

/// Judges a JSON answer before any of it goes out.
async fn whole(
    site: &Arc<Site>,
    mut flow: Flow,
    expected: Expected,
    reply: Response<Incoming>,
    lease: Lease,
    decoder: Option<Decoder>,
) -> Outcome {
    let (mut head, body) = reply.into_parts();
    let (raw, trailers) = match collect(site, body).await {
        Ok(Read::Whole { raw, trailers }) => (raw, trailers),
        Ok(Read::TooLong { read, rest }) => {
            let why = format!(
                "the answer is longer than {} bytes and cannot be judged whole",
                site.services.config.limits.request_bytes
            );
            if site.services.config.mode == Mode::Strict {
                return Err((flow, Stop::Unfit { status: StatusCode::BAD_GATEWAY, message: why }));
            }
            let services = Arc::clone(&site.services);
            let through = Through::new(services, (read, rest), flow, lease, Verdict::Warned, Some(why));
            return Ok(Response::from_parts(head, ReplyBody::Through(Box::new(through))));
        }
        Err(fault) => return Err((flow, fault.into())),
    };
    site.services.pool.give_back(lease);
    let begun = Instant::now();
    let text = match decode(decoder, &raw) {
        Ok(text) => text,
        Err(error) => {
            let message = format!("the answer cannot be inspected: {error}");
            if site.services.config.mode == Mode::Strict {
                return Err((flow, Stop::Unfit { status: StatusCode::BAD_GATEWAY, message }));
            }
            flow.bytes(0, raw.len() as u64);
            flow.end(Verdict::Warned, Some(&message));
            return Ok(Response::from_parts(head, ReplyBody::Whole { data: raw, trailers }));
        }
    };
    let tokens = flow.tokens();
    let (engine, guard) = (&site.services.engine, Some(&expected.guard));
    let judged = judge_reply(engine, tokens.as_ref(), expected.dialect, &text, guard);
    flow.found(Direction::Reply, &judged.findings);
    flow.called(&judged.used);
    site.services.counters.tokens_restored.add(judged.restored);
    flow.usage(judged.usage, true);
    flow.note(|record| record.reply.before = Some(Digest::of(&raw)));
    if let Err(refused) = flow.draw(judged.text as usize) {
        // The provider has answered and bills it, so the answer is charged and given; the next request is refused.
        tracing::info!(%refused, "an answer that was not streamed went over its budget");
    }
    if judged.action == Action::Block {
        let message = exchange::why(&site.services.engine, "answer", &judged.findings);
        return Err((flow, Stop::Refused { reason: Reason::PolicyBlocked, message }));
    }
    if let Some(because) = judged.refused {
        let message = format!("this answer was refused: it calls a tool, and {}", because.why());
        return Err((flow, Stop::Refused { reason: Reason::PolicyBlocked, message }));
    }
    let body = match judged.body {
        None => {
            flow.note(|record| record.reply.after = record.reply.before);
            raw
        }
        Some(changed) => {
            flow.note(|record| record.reply.after = Some(Digest::of(&changed)));
            edited(&mut head, changed)
        }
    };
    flow.first_byte();
    flow.bytes(0, body.len() as u64);
    flow.added(begun);
    flow.end(Verdict::Allowed, None);
    Ok(Response::from_parts(head, ReplyBody::Whole { data: body, trailers }))
}

/// The changed body, and the head that fits it.
fn edited(head: &mut Parts, changed: Vec<u8>) -> Bytes {
    head.headers.remove(header::CONTENT_ENCODING);
    if head.headers.contains_key(header::CONTENT_LENGTH) {
        head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(changed.len()));
    }
    Bytes::from(changed)
}

fn decode(decoder: Option<Decoder>, raw: &Bytes) -> Result<Bytes, crate::wire::encoding::EncodingError> {
    let Some(mut decoder) = decoder else { return Ok(raw.clone()) };
    let mut text = decoder.push(raw)?;
    text.extend(decoder.finish()?);
    Ok(Bytes::from(text))
}

/// An answer's body as far as it was read.
enum Read {
    Whole { raw: Bytes, trailers: Option<http::HeaderMap> },
    TooLong { read: Bytes, rest: Incoming },
}

/// Reads an answer's body to its end, within the bound of a request's.
async fn collect(site: &Site, mut body: Incoming) -> Result<Read, Fault> {
    let limits = &site.services.config.limits;
    let mut raw = BytesMut::with_capacity(body.size_hint().exact().unwrap_or(0).min(1 << 20) as usize);
    let mut trailers = None;
    let fault = |error: String| Fault::ReplyBody { host: site.target.host.to_string(), error };
    loop {
        let silent = |_| fault(format!("nothing came for {} s", limits.first_byte.as_secs()));
        let Some(frame) = timeout(limits.first_byte, body.frame()).await.map_err(silent)? else { break };
        match frame.map_err(|error| fault(error.to_string()))?.into_data() {
            Ok(data) => raw.extend_from_slice(&data),
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
        if raw.len() > limits.request_bytes {
            return Ok(Read::TooLong { read: raw.freeze(), rest: body });
        }
    }
    Ok(Read::Whole { raw: raw.freeze(), trailers })
}
