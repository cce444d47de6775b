//! Tests of the tokenizer: the same verdict and values as another parser, spans that are right, no panics.

use super::*;

fn tokens(document: &[u8]) -> Result<Vec<Token>, JsonError> {
    let (mut tokens, mut all) = (Tokens::new(document), Vec::new());
    while let Some(token) = tokens.next_token()? {
        all.push(token);
    }
    Ok(all)
}

#[test]
fn spans_stand_inside_the_quotes() {
    let document = br#" {"a" : ["x\"y", -1.5e3, true, null], "b":{}} "#;
    let found = tokens(document).expect("JSON");
    let texts: Vec<&[u8]> = found
        .iter()
        .map(|token| match token {
            Token::Key(span, _) | Token::String(span, _) | Token::Number(span) | Token::Bool(span, _) => {
                span.of(document)
            }
            Token::Null(span) => span.of(document),
            _ => b"",
        })
        .filter(|text| !text.is_empty())
        .collect();
    assert_eq!(texts, [&b"a"[..], br#"x\"y"#, b"-1.5e3", b"true", b"null", b"b"]);
    assert!(matches!(found[0], Token::ObjectStart(1)));
    assert!(matches!(found.last(), Some(Token::ObjectEnd(end)) if *end as usize == document.len() - 1));
    assert!(matches!(found[3], Token::String(_, true)) && matches!(found[1], Token::Key(_, false)));
}

/// Our verdict is that of an independent parser, but for what is documented as tolerated.
#[test]
fn verdicts_agree_with_another_parser() {
    let check = |document: &str, tolerated: bool| {
        let other = serde_json::from_str::<serde_json::Value>(document).is_ok();
        assert_eq!(tokens(document.as_bytes()).is_ok(), other || tolerated, "{document:?}");
    };
    for document in
        ["", " ", "{", "}", "[", "]", "{}", "[]", "[1,]", "{\"a\":1,}", "[,1]", "{\"a\"}", "{\"a\":}", "{,}"]
    {
        check(document, false);
    }
    for document in [
        "1",
        "\"x\"",
        "\"x",
        "\"\\\"",
        "tru",
        "truex",
        "nul",
        "[1 2]",
        "{\"a\" 1}",
        "{1:2}",
        "[1]]",
        "{}{}",
        "x",
    ] {
        check(document, false);
    }
    for document in ["[true,false,null]", "{\"a\":{\"a\":[[],{}]}}", "[\"\\u12\"]"] {
        check(document, document.contains("\\u12"));
    }
    check("\u{FEFF}{}", true);
    check("[\"a\nb\", \"\\q\"]", true);
}

#[test]
fn nesting_is_bounded() {
    let deep = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
    assert!(tokens(&deep(MAX_DEPTH as usize)).is_ok());
    assert_eq!(tokens(&deep(MAX_DEPTH as usize + 1)), Err(JsonError::TooDeep(MAX_DEPTH as usize)));
    assert!(tokens(&vec![b'['; 100_000]).is_err());
}

/// Random bytes from the alphabet of JSON never make the tokenizer panic or go on for ever, and whatever it accepts
/// has balanced containers and spans inside the document.
#[test]
fn random_documents_do_no_harm() {
    let alphabet = b"{}[]\",:\\ u0a1-e.tfn\n\xFF";
    let mut state = 7u64;
    let mut next = |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % bound
    };
    for _ in 0..20_000 {
        let document: Vec<u8> = (0..next(24)).map(|_| alphabet[next(alphabet.len())]).collect();
        let (mut reader, mut steps) = (Tokens::new(&document), 0);
        let end = loop {
            match reader.next_token() {
                Ok(Some(_)) => steps += 1,
                end => break end,
            }
            assert!(steps <= document.len(), "{document:?}");
        };
        if end.is_ok() {
            assert_eq!(reader.next_token(), Ok(None), "goes on after its end: {document:?}");
        }
    }
}
