//! Binary event-stream frames: where they end, what they carry, and frames made or changed.
//!
//! Source: <https://smithy.io/2.0/aws/amazon-eventstream.html>. A frame is its length and that of its headers (four bytes
//! each, big-endian), their CRC-32, the headers, the payload, and the CRC-32 of all that.

mod chunk;
mod header;

use crate::wire::data::Data;
use crate::wire::edit::{Edit, splice};
use crate::wire::framer::{MAX_EVENT, Unreadable};
use crate::wire::json::Span;

pub use chunk::Chunk;
pub use header::header;

/// Length of what stands before the headers, in bytes.
const PRELUDE: usize = 12;

/// Length of a checksum, in bytes.
const CHECKSUM: usize = 4;

/// The end of the first frame of `bytes`; `None` while it is not complete.
///
/// # Errors
/// When a checksum or a length is wrong, or the frame is longer than [`MAX_EVENT`].
pub fn find(bytes: &[u8]) -> Result<Option<usize>, Unreadable> {
    if bytes.len() < PRELUDE {
        return Ok(None);
    }
    let (length, headers) = (number(bytes, 0) as usize, number(bytes, 4) as usize);
    if crc32fast::hash(&bytes[..8]) != number(bytes, 8) || length < PRELUDE + headers + CHECKSUM {
        return Err(Unreadable::Broken);
    }
    if length > MAX_EVENT {
        return Err(Unreadable::TooLong);
    }
    if bytes.len() < length {
        return Ok(None);
    }
    let end = length - CHECKSUM;
    if crc32fast::hash(&bytes[..end]) == number(bytes, end) {
        Ok(Some(length))
    } else {
        Err(Unreadable::Broken)
    }
}

/// What a raw frame carries. The payload of an exception reads as the object `error`; what a frame holds in base64 reads
/// as the JSON it stands for. Bytes that are no whole frame are a payload as they are.
pub fn data(event: &[u8]) -> Data {
    if event.is_empty() {
        return Data::None;
    }
    let Ok(Some(length)) = find(event) else { return Data::Line(Span::new(0, event.len())) };
    let payload = Span::new(PRELUDE + number(event, 4) as usize, length - CHECKSUM);
    let kind = header(event, b":message-type").unwrap_or_default();
    if matches!(kind, b"exception" | b"error") {
        return Data::Chunk(Box::new(Chunk::error(event, payload)));
    }
    match Chunk::decoded(event, payload) {
        Some(chunk) => Data::Chunk(Box::new(chunk)),
        None if payload.is_empty() => Data::None,
        None => Data::Frame(payload),
    }
}

/// A frame with these headers, all strings of less than 64 KiB with names of less than 256 bytes.
pub fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0; PRELUDE];
    for (name, value) in headers {
        header::write(name, value, &mut out);
    }
    let length = (out.len() - PRELUDE) as u32;
    out[4..8].copy_from_slice(&length.to_be_bytes());
    out.extend_from_slice(payload);
    out.extend_from_slice(&[0; CHECKSUM]);
    seal(&mut out);
    out
}

/// The frame `raw` with the edits done and its length and checksums made to fit.
pub(super) fn spliced(raw: &[u8], edits: &mut [Edit]) -> Vec<u8> {
    let mut out = splice(raw, edits);
    seal(&mut out);
    out
}

/// Writes length and checksums.
fn seal(frame: &mut [u8]) {
    let (length, end) = (frame.len() as u32, frame.len() - CHECKSUM);
    frame[..4].copy_from_slice(&length.to_be_bytes());
    let prelude = crc32fast::hash(&frame[..8]);
    frame[8..PRELUDE].copy_from_slice(&prelude.to_be_bytes());
    let all = crc32fast::hash(&frame[..end]);
    frame[end..].copy_from_slice(&all.to_be_bytes());
}

/// The number that stands at `at`, which must have four bytes.
fn number(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].iter().fold(0, |sum, &byte| sum << 8 | u32::from(byte))
}

#[cfg(test)]
#[path = "frames_tests.rs"]
mod tests;
