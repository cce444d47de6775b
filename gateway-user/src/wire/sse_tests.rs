//! Tests of event framing: the same events at every split, whatever ends the lines; data found and replaced.

use super::*;

/// All events, then the rest, for these chunks.
fn events(chunks: &[&[u8]]) -> Vec<Vec<u8>> {
    let (mut framer, mut events) = (Framer::default(), Vec::new());
    for chunk in chunks {
        framer.push(Bytes::copy_from_slice(chunk));
        while let Some(place) = framer.next_event().expect("short events") {
            events.push(framer.buffer()[place].to_vec());
        }
    }
    events.push(framer.rest().to_vec());
    events
}

fn check(stream: &str, expected: &[&str]) {
    let stream = stream.as_bytes();
    let expected: Vec<Vec<u8>> = expected.iter().map(|event| event.as_bytes().to_vec()).collect();
    assert_eq!(expected.concat(), stream, "the test's own events");
    for first in 0..=stream.len() {
        for second in first..=stream.len() {
            let chunks = [&stream[..first], &stream[first..second], &stream[second..]];
            assert_eq!(
                events(&chunks),
                expected,
                "{:?} cut at {first} and {second}",
                String::from_utf8_lossy(stream)
            );
        }
    }
    assert_eq!(events(&stream.chunks(1).collect::<Vec<_>>()), expected);
}

#[test]
fn events_end_at_blank_lines() {
    check("data: 1\n\nevent: x\ndata: 2\n\n", &["data: 1\n\n", "event: x\ndata: 2\n\n", ""]);
    check("data: 1\r\n\r\ndata: 2\r\n\r\n\n", &["data: 1\r\n\r\n", "data: 2\r\n\r\n", "\n", ""]);
    check("data: 1\r\rdata: 2\rdata: 3\r\rx", &["data: 1\r\r", "data: 2\rdata: 3\r\r", "x"]);
    check("data: 1\r\n\ndata: 2\n\r\n", &["data: 1\r\n\n", "data: 2\n\r\n", ""]);
    check(": comment\n\ndata: open", &[": comment\n\n", "data: open"]);
    check("", &[""]);
}

#[test]
fn data_is_found() {
    let check = |event: &str, expected: Option<&str>| {
        let found = match data(event.as_bytes()) {
            Data::None => None,
            Data::Line(span) => Some(span.of(event.as_bytes()).to_vec()),
            Data::Lines(joined) => Some(joined),
        };
        assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{event:?}");
    };
    check("data: x\n\n", Some("x"));
    check("data:x\r\n\r\n", Some("x"));
    check("data:  x\n\n", Some(" x"));
    check("data\n\n", Some(""));
    check("event: a\nid: 7\ndata: {\"a\": \":\"}\nretry: 1\n\n", Some("{\"a\": \":\"}"));
    check("data: 1\ndata\ndata: 2\n\n", Some("1\n\n2"));
    check("\u{FEFF}data: x", Some("x"));
    for none in [
        ": data: x\n\n",
        "datax: 1\n\n",
        "dat: 1\n\n",
        "Data: 1\n\n",
        " data: 1\n\n",
        "\n",
        "event: data\n\n",
    ] {
        check(none, None);
    }
}

#[test]
fn data_is_replaced_line_by_line() {
    let event = b"event: x\r\ndata: 1\r\ndata: 2\r\nid: 3\r\n\r\n";
    assert_eq!(with_data(event, b"new\nlines"), b"event: x\r\ndata: new\r\ndata: lines\r\nid: 3\r\n\r\n");
}

#[test]
fn a_whole_event_is_not_copied_and_a_long_one_refused() {
    let chunk = Bytes::from_static(b"data: 1\n\ndata: 2\n\n");
    let mut framer = Framer::default();
    framer.push(chunk.clone());
    while let Some(place) = framer.next_event().expect("short events") {
        assert_eq!(framer.buffer()[place.clone()].as_ptr(), chunk[place].as_ptr());
    }
    for piece in [MAX_EVENT + 1, 1000] {
        let mut framer = Framer::default();
        let mut refused = false;
        for _ in 0..=MAX_EVENT / piece + 1 {
            framer.push(Bytes::from(vec![b'x'; piece]));
            refused |= framer.next_event().is_err();
        }
        assert!(refused);
    }
}
