//! Tests of binary frames: made, found at every split, changed, and refused when damaged.

use bytes::Bytes;

use super::*;
use crate::wire::framer::{Framer, Framing};

const EVENT: &[(&str, &str)] = &[(":event-type", "chunk"), (":message-type", "event")];

/// Frames of a stream whose payloads are these.
fn stream(payloads: &[&str]) -> Vec<u8> {
    payloads.iter().flat_map(|payload| frame(EVENT, payload.as_bytes())).collect()
}

#[test]
fn a_frame_is_as_its_source_says() {
    // The frame of the specification's own vectors with one string header and a payload.
    let made = frame(&[("a", "b")], b"{}");
    assert_eq!(&made[..8], &[0, 0, 0, 24, 0, 0, 0, 6]);
    assert_eq!(&made[12..18], &[1, b'a', 7, 0, 1, b'b']);
    assert_eq!(find(&made), Ok(Some(24)));
    assert_eq!(header(&made, b"a"), Some(&b"b"[..]));
    assert_eq!(header(&made, b"b"), None);
}

#[test]
fn frames_are_found_at_every_split() {
    let whole = stream(&["{\"a\":1}", "", "{\"b\":2}"]);
    for at in 0..=whole.len() {
        let mut framer = Framer::new(Framing::Frames);
        let mut payloads = Vec::new();
        for chunk in [&whole[..at], &whole[at..]] {
            framer.push(Bytes::copy_from_slice(chunk));
            while let Some(place) = framer.next_event().expect("sound frames") {
                let event = framer.buffer().slice(place);
                payloads.push(String::from_utf8_lossy(framer.data(&event).payload(&event)).into_owned());
            }
        }
        assert_eq!(payloads, ["{\"a\":1}", "", "{\"b\":2}"], "{at}");
        assert!(framer.rest().is_empty());
    }
}

#[test]
fn damaged_frames_are_refused() {
    let sound = stream(&["{\"a\":1}"]);
    for at in 0..sound.len() {
        let mut damaged = sound.clone();
        damaged[at] ^= 1;
        assert_eq!(find(&damaged), Err(Unreadable::Broken), "byte {at}");
    }
    let long = [&(MAX_EVENT as u32 + 1).to_be_bytes()[..], &[0; 4]].concat();
    let prelude = [&long[..], &crc32fast::hash(&long).to_be_bytes()].concat();
    assert_eq!(find(&prelude), Err(Unreadable::TooLong));
}

/// Replaces `what` in the payload of a frame by `with`, and returns the payload afterwards.
fn edited(raw: Vec<u8>, what: &str, with: &str) -> String {
    let raw = Bytes::from(raw);
    let carried = data(&raw);
    let payload = carried.payload(&raw);
    let at = memchr::memmem::find(payload, what.as_bytes()).expect("it is in the payload");
    let mut edits = [Edit { span: Span::new(at, at + what.len()), text: with.to_owned() }];
    let edited = carried.edited(&raw, &mut edits);
    assert_eq!(find(&edited), Ok(Some(edited.len())), "lengths and checksums fit");
    String::from_utf8_lossy(data(&edited).payload(&edited)).into_owned()
}

#[test]
fn payloads_are_changed_where_they_stand() {
    assert_eq!(edited(stream(&[r#"{"a":"key"}"#]), "key", "[longer]"), r#"{"a":"[longer]"}"#);
    // {"t":"key ü"} in base64, with fields around it.
    let encoded = r#"{"x":"key","bytes":"eyJ0Ijoia2V5IMO8In0=","p":"abc"}"#;
    let read = String::from_utf8_lossy(data(&stream(&[encoded])).payload(&[])).into_owned();
    assert_eq!(read, r#"{"x":"key","bytes":{"t":"key ü"},"p":"abc"}"#);
    assert_eq!(edited(stream(&[encoded]), "key ü", "[K]"), r#"{"x":"key","bytes":{"t":"[K]"},"p":"abc"}"#);
    assert_eq!(edited(stream(&[encoded]), "key\",", "k\","), r#"{"x":"k","bytes":{"t":"key ü"},"p":"abc"}"#);
    assert_eq!(edited(stream(&[encoded]), "abc", ""), r#"{"x":"key","bytes":{"t":"key ü"},"p":""}"#);
}

#[test]
fn an_exception_reads_as_an_error() {
    let headers = [(":message-type", "exception"), (":exception-type", "throttlingException")];
    let raw = frame(&headers, br#"{"message":"slow down"}"#);
    assert_eq!(data(&raw).payload(&raw), br#"{"error":{"message":"slow down"}}"#);
    assert_eq!(edited(raw, "slow", "[S]"), r#"{"error":{"message":"[S] down"}}"#);
}

#[test]
fn what_is_no_frame_is_read_as_it_is() {
    assert_eq!(data(b"not a frame"), Data::Line(Span::new(0, 11)));
    let open = stream(&[r#"{"bytes":"not base64!"}"#]);
    assert_eq!(data(&open).payload(&open), br#"{"bytes":"not base64!"}"#);
}
