//! Tests of server-sent events: data found and replaced. Where events end is tested with the framer.

use super::*;

#[test]
fn data_is_found() {
    let check = |event: &str, expected: Option<&str>| {
        let found = match data(event.as_bytes()) {
            Data::None => None,
            data => Some(data.payload(event.as_bytes()).to_vec()),
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
