//! Reads a request's body whole, so that it is judged before a byte of it goes upstream.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::time::timeout;

use super::{fault::Fault, refusal::Stop, site::Site};
use crate::{
    config::Mode,
    wire::encoding::{Bounds, Decoder},
};

/// Most decoded bytes per encoded byte of a request.
const RATIO: u64 = 200;

/// A request's body as the client sent it.
pub enum Read {
    /// All of it.
    Whole {
        /// As sent, still in its content-encoding.
        raw: Bytes,
        /// Without its content-encoding; the same bytes as `raw` where there is none.
        text: Bytes,
        /// Trailers that came with it.
        trailers: Option<HeaderMap>,
    },
    /// Warn mode only: it cannot be judged, for the reason given, and is passed on.
    Unread {
        /// What was read of it.
        head: Bytes,
        /// The rest; none when it was read to its end.
        rest: Option<Incoming>,
        /// Why it is not judged.
        why: String,
    },
}

/// Reads `body` up to the bound and takes its content-encoding off. Strict mode refuses what it cannot judge; warn
/// mode passes it on and says so.
pub async fn read(site: &Site, headers: &HeaderMap, mut body: Incoming) -> Result<Read, Stop> {
    let limits = &site.services.config.limits;
    let most = limits.request_bytes;
    let mut raw =
        BytesMut::with_capacity(body.size_hint().exact().map_or(0, |n| n.min(most as u64) as usize));
    let mut trailers = None;
    loop {
        let frame = timeout(limits.idle, body.frame()).await;
        let frame = frame.map_err(|_| Fault::RequestTimeout(limits.idle.as_secs()))?;
        let frame = match frame {
            None => break,
            Some(frame) => frame.map_err(|error| Fault::RequestBody(error.to_string()))?,
        };
        match frame.into_data() {
            Ok(data) => raw.extend_from_slice(&data),
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
        if raw.len() > most {
            let why = format!("the request's body is longer than {most} bytes and cannot be judged whole");
            return unread(site, raw.freeze(), Some(body), why);
        }
    }
    let raw = raw.freeze();
    match decode(headers, &raw, most) {
        Ok(text) => Ok(Read::Whole { raw, text, trailers }),
        Err(error) => unread(site, raw, None, format!("the request's body cannot be decoded: {error}")),
    }
}

fn unread(site: &Site, head: Bytes, rest: Option<Incoming>, why: String) -> Result<Read, Stop> {
    match site.services.config.mode {
        Mode::Strict => Err(Stop::Unfit { status: StatusCode::BAD_REQUEST, message: why }),
        Mode::Warn => Ok(Read::Unread { head, rest, why }),
    }
}

fn decode(headers: &HeaderMap, raw: &Bytes, most: usize) -> Result<Bytes, String> {
    let Some(encoding) = headers.get(header::CONTENT_ENCODING) else { return Ok(raw.clone()) };
    let encoding = encoding.to_str().map_err(|error| error.to_string())?;
    let bounds = Bounds { decoded: most as u64, ratio: RATIO };
    let decoded = (|| {
        let Some(mut decoder) = Decoder::new(encoding, bounds)? else { return Ok(raw.clone()) };
        let mut text = decoder.push(raw)?;
        text.extend(decoder.finish()?);
        Ok(Bytes::from(text))
    })();
    decoded.map_err(|error: crate::wire::encoding::EncodingError| error.to_string())
}
