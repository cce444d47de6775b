//! Tests of framing: the same events at every split, whatever ends them.

use super::*;

/// All events, then the rest, for these chunks.
fn events(mut framer: Framer, chunks: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut events = Vec::new();
    for chunk in chunks {
        framer.push(Bytes::copy_from_slice(chunk));
        while let Some(place) = framer.next_event().expect("short events") {
            events.push(framer.buffer()[place].to_vec());
        }
    }
    events.push(framer.rest().to_vec());
    events
}

fn check(framing: Framing, stream: &str, expected: &[&str]) {
    let stream = stream.as_bytes();
    let expected: Vec<Vec<u8>> = expected.iter().map(|event| event.as_bytes().to_vec()).collect();
    assert_eq!(expected.concat(), stream, "the test's own events");
    for first in 0..=stream.len() {
        for second in first..=stream.len() {
            let chunks = [&stream[..first], &stream[first..second], &stream[second..]];
            assert_eq!(
                events(Framer::new(framing), &chunks),
                expected,
                "{:?} cut at {first} and {second}",
                String::from_utf8_lossy(stream)
            );
        }
    }
    assert_eq!(events(Framer::new(framing), &stream.chunks(1).collect::<Vec<_>>()), expected);
}

#[test]
fn events_end_at_blank_lines() {
    check(Framing::Events, "data: 1\n\nevent: x\ndata: 2\n\n", &["data: 1\n\n", "event: x\ndata: 2\n\n", ""]);
    check(
        Framing::Events,
        "data: 1\r\n\r\ndata: 2\r\n\r\n\n",
        &["data: 1\r\n\r\n", "data: 2\r\n\r\n", "\n", ""],
    );
    check(Framing::Events, "data: 1\r\rdata: 2\rdata: 3\r\rx", &["data: 1\r\r", "data: 2\rdata: 3\r\r", "x"]);
    check(Framing::Events, "data: 1\r\n\ndata: 2\n\r\n", &["data: 1\r\n\n", "data: 2\n\r\n", ""]);
    check(Framing::Events, ": comment\n\ndata: open", &[": comment\n\n", "data: open"]);
    check(Framing::Events, "", &[""]);
}

#[test]
fn items_end_at_their_brace() {
    check(
        Framing::Items,
        "[{\"a\":1}\n,\r\n{\"b\":[{}]}\n]\n",
        &["[{\"a\":1}", "\n,\r\n{\"b\":[{}]}", "\n]\n"],
    );
    check(Framing::Items, r#"[{"a":"}]{\"\\"},{"b":"["}]"#, &[r#"[{"a":"}]{\"\\"}"#, r#",{"b":"["}"#, "]"]);
    check(Framing::Items, "{\"error\":{\"code\":1}}", &["{\"error\":{\"code\":1}}", ""]);
    check(Framing::Items, "[\"a{\",{}]", &["[\"a{\",{}", "]"]);
    check(Framing::Items, "[]", &["[]"]);
    check(Framing::Items, "[{\"open\":", &["[{\"open\":"]);
}

#[test]
fn the_data_of_an_item_is_found() {
    let check = |event: &str, expected: Option<&str>| {
        let data = Framer::new(Framing::Items).data(event.as_bytes());
        let found = match &data {
            Data::Line(span) => Some(span.of(event.as_bytes())),
            _ => None,
        };
        assert_eq!(found, expected.map(str::as_bytes), "{event:?}");
    };
    check("[ {\"a\":1}", Some("{\"a\":1}"));
    check("\n,\r\n{}", Some("{}"));
    check("\n]\n", None);
    check("[\"text\",{}", Some("[\"text\",{}"));
    check("text", Some("text"));
}

#[test]
fn a_whole_event_is_not_copied_and_a_long_one_refused() {
    let chunk = Bytes::from_static(b"data: 1\n\ndata: 2\n\n");
    let mut framer = Framer::new(Framing::Events);
    framer.push(chunk.clone());
    while let Some(place) = framer.next_event().expect("short events") {
        assert_eq!(framer.buffer()[place.clone()].as_ptr(), chunk[place].as_ptr());
    }
    for piece in [MAX_EVENT + 1, 1000] {
        let mut framer = Framer::new(Framing::Events);
        let mut refused = false;
        for _ in 0..=MAX_EVENT / piece + 1 {
            framer.push(Bytes::from(vec![b'x'; piece]));
            refused |= framer.next_event().is_err();
        }
        assert!(refused);
    }
}

#[test]
fn lines_end_at_line_feeds() {
    check(
        Framing::Lines,
        "{\"a\":1}\n{\"b\":2}\r\n\n{\"c\":3}",
        &["{\"a\":1}\n", "{\"b\":2}\r\n", "\n", "{\"c\":3}"],
    );
    let framer = Framer::new(Framing::Lines);
    for (line, data) in [("{\"a\":1}\r\n", "{\"a\":1}"), ("\n", ""), (" \r\n", ""), ("x", "x")] {
        assert_eq!(framer.data(line.as_bytes()).payload(line.as_bytes()), data.as_bytes());
    }
}
