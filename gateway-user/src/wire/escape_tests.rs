//! Tests of escapes: decoding as another parser does, and the way back to raw offsets.

use super::*;

#[test]
fn decoding_agrees_with_another_parser() {
    for raw in [r"plain", r"\n\t\r\b\f\/\\\u0000", r"\u00e9\u20AC", r"\ud83d\ude00", "ä€😀", r"a\u0041b"]
    {
        let mut decoded = Vec::new();
        decode(raw.as_bytes(), &mut decoded);
        let expected: String = serde_json::from_str(&format!("\"{raw}\"")).expect("a JSON string");
        assert_eq!(String::from_utf8(decoded).expect("UTF-8"), expected, "{raw}");
    }
}

#[test]
fn what_is_no_escape_is_kept() {
    let check = |raw: &[u8], expected: &[u8]| {
        let mut decoded = Vec::new();
        decode(raw, &mut decoded);
        assert_eq!(decoded, expected, "{raw:?}");
    };
    check(br"\q\x41", br"\q\x41");
    check(br"\u12", br"\u12");
    check(br"\u12g4", br"\u12g4");
    check(br"tail\", br"tail\");
    check(br"\ud83d!", "\u{FFFD}!".as_bytes());
    check(br"\ud83d\n", "\u{FFFD}\n".as_bytes());
    check(br"\ude00", "\u{FFFD}".as_bytes());
    check(b"\xFF\\n\xC3", b"\xFF\n\xC3");
}

#[test]
fn places_grow_to_whole_escapes() {
    let check = |raw: &[u8], start, end, expected: (usize, usize)| {
        assert_eq!(locate(raw, start, end), expected, "{start}..{end} of {raw:?}");
    };
    check(br"a\nb", 1, 2, (1, 3));
    check(br"a\nb", 0, 1, (0, 1));
    check(br"a\nb", 2, 3, (3, 4));
    check(br"a\nb", 0, 3, (0, 4));
    check(br"\ud83d\ude00x", 0, 4, (0, 12));
    check(br"\ud83d\ude00x", 1, 2, (0, 12));
    check(br"\ud83d\ude00x", 4, 5, (12, 13));
    check(b"plain", 2, 4, (2, 4));
}

#[test]
fn encoding_gives_a_json_string() {
    for text in ["plain", "a\"b\\c", "\n\r\t\u{1}\u{1f}", "ä€😀", ""] {
        assert_eq!(serde_json::from_str::<String>(&quoted(text)).expect("a JSON string"), text);
    }
}
