//! Tests of content encodings: what was encoded comes back at every split, bombs and damage are refused.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

use super::*;

const TEXT: &str = "data: {\"delta\":\"Some text, some text, some more text.\"}\n\n";

fn encoded(coding: &str, text: &[u8]) -> Vec<u8> {
    match coding {
        "gzip" => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(text).and_then(|()| encoder.finish()).expect("writing to memory")
        }
        "zlib" => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(text).and_then(|()| encoder.finish()).expect("writing to memory")
        }
        "raw deflate" => {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(text).and_then(|()| encoder.finish()).expect("writing to memory")
        }
        "zstd" => zstd::encode_all(text, 1).expect("writing to memory"),
        other => panic!("no encoder for {other}"),
    }
}

/// `TEXT` four times, brotli, made with the reference encoder.
const BROTLI: &[u8] = &[
    0x1b, 0xe3, 0x00, 0x18, 0x2c, 0x0a, 0xec, 0x06, 0xf9, 0x06, 0x2d, 0x9d, 0xae, 0x9f, 0xd3, 0x92, 0xc0,
    0x7e, 0x84, 0x4a, 0x6f, 0x11, 0x05, 0x1d, 0xb9, 0x35, 0xb7, 0x97, 0x6d, 0x20, 0x6f, 0x35, 0xd5, 0x57,
    0x2e, 0x65, 0xb0, 0x01, 0x07, 0xec, 0x09, 0x67, 0x83, 0x2d, 0x38, 0x11, 0x5e, 0x16, 0x68, 0x75, 0x80,
    0x0b, 0x20, 0xa0, 0x80, 0xac, 0xee, 0x6d, 0x6c, 0x44, 0x2c, 0xe8, 0xfb, 0x25, 0xab, 0x01,
];

fn decode(header: &str, chunks: &[&[u8]], bounds: Bounds) -> Result<Vec<u8>, EncodingError> {
    let mut decoder = Decoder::new(header, bounds)?.expect("something to decode");
    let mut out = Vec::new();
    for chunk in chunks {
        out.extend(decoder.push(chunk)?);
    }
    out.extend(decoder.finish()?);
    Ok(out)
}

fn check(header: &str, body: &[u8], expected: &[u8]) {
    let bounds = Bounds::default();
    for at in 0..=body.len() {
        let out = decode(header, &[&body[..at], &body[at..]], bounds).expect("decodes");
        assert_eq!(out, expected, "{header} cut at {at}");
    }
    assert_eq!(
        decode(header, &body.chunks(1).collect::<Vec<_>>(), bounds).expect("decodes"),
        expected,
        "{header}"
    );
}

#[test]
fn what_was_encoded_comes_back_at_every_split() {
    let text = TEXT.repeat(4).into_bytes();
    check("gzip", &encoded("gzip", &text), &text);
    check("x-gzip", &encoded("gzip", &text), &text);
    check("deflate", &encoded("zlib", &text), &text);
    check("deflate", &encoded("raw deflate", &text), &text);
    check("ZSTD", &encoded("zstd", &text), &text);
    check("br", BROTLI, &text);
    check("gzip, zstd", &encoded("zstd", &encoded("gzip", &text)), &text);
    check("identity, gzip", &encoded("gzip", &text), &text);
    check(
        "gzip",
        &[encoded("gzip", TEXT.as_bytes()), encoded("gzip", b"more")].concat(),
        format!("{TEXT}more").as_bytes(),
    );
}

#[test]
fn a_stream_is_decoded_as_far_as_it_came() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(TEXT.as_bytes()).and_then(|()| encoder.flush()).expect("writing to memory");
    let mut decoder = Decoder::new("gzip", Bounds::default()).expect("known").expect("something to decode");
    assert_eq!(decoder.push(encoder.get_ref()).expect("decodes"), TEXT.as_bytes());
}

#[test]
fn bombs_are_refused_without_being_blown_up() {
    let zeros = vec![0; 8 << 20];
    for (header, coding) in [("gzip", "gzip"), ("deflate", "zlib"), ("zstd", "zstd")] {
        let bomb = encoded(coding, &zeros);
        let dense = decode(header, &[&bomb], Bounds::default());
        assert!(matches!(dense, Err(EncodingError::TooDense(_))), "{header}: {dense:?}");
        let large = decode(header, &[&bomb], Bounds { decoded: 1 << 20, ratio: u64::MAX });
        assert!(matches!(large, Err(EncodingError::TooLarge(_))), "{header}");
    }
}

#[test]
fn damage_is_an_error() {
    let text = TEXT.repeat(4).into_bytes();
    for (header, body) in [
        ("gzip", encoded("gzip", &text)),
        ("deflate", encoded("zlib", &text)),
        ("zstd", encoded("zstd", &text)),
        ("br", BROTLI.to_vec()),
    ] {
        let cut = decode(header, &[&body[..body.len() / 2]], Bounds::default());
        assert!(matches!(cut, Err(EncodingError::Broken(..))), "{header}: {cut:?}");
        let junk = decode(header, &[b"this is not what it says it is"], Bounds::default());
        assert!(junk.is_err(), "{header}");
    }
    assert!(matches!(Decoder::new("exi", Bounds::default()), Err(EncodingError::Unknown(_))));
    assert!(matches!(Decoder::new("gzip,gzip,gzip,gzip", Bounds::default()), Err(EncodingError::Stacked)));
    assert!(Decoder::new(" , identity", Bounds::default()).expect("known").is_none());
}
