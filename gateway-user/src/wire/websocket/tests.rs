//! Frames, messages and compression: examples of the RFCs, every split, and random conversations.

use bytes::BytesMut;
use flate2::{Compress, Compression, FlushCompress};

use super::*;

const MOST: u64 = 1 << 20;

/// A compressor as a peer has one.
struct Deflater(Compress, bool);

impl Deflater {
    fn new(keeps_context: bool) -> Deflater {
        Deflater(Compress::new(Compression::fast(), false), keeps_context)
    }

    fn message(&mut self, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len() + 64);
        let start = self.0.total_in();
        loop {
            let done = (self.0.total_in() - start) as usize;
            out.reserve(64);
            self.0.compress_vec(&text[done..], &mut out, FlushCompress::Sync).unwrap();
            if (self.0.total_in() - start) as usize == text.len() && out.len() < out.capacity() {
                break;
            }
        }
        if !self.1 {
            self.0.reset();
        }
        out.truncate(out.len() - 4);
        out
    }
}

fn options(from: Side, deflate: Option<bool>) -> ReaderOptions {
    ReaderOptions { from, most: MOST, deflate }
}

fn frame(
    fin: bool,
    compressed: bool,
    opcode: Opcode,
    mask: Option<[u8; 4]>,
    payload: &[u8],
    out: &mut BytesMut,
) {
    Frame { fin, compressed, opcode, mask, payload }.write(out);
}

/// Everything a reader makes of `bytes`, given in pieces that end at `cuts`.
fn read(options: ReaderOptions, bytes: &[u8], cuts: &[usize]) -> Result<Vec<Incoming>, WebSocketError> {
    let mut reader = Reader::new(options);
    let mut all = Vec::new();
    let mut at = 0;
    for &cut in cuts.iter().chain([&bytes.len()]) {
        reader.buffer().extend_from_slice(&bytes[at..cut]);
        at = cut;
        while let Some(incoming) = reader.next_incoming()? {
            all.push(incoming);
        }
    }
    Ok(all)
}

/// The same at every split into two, and byte by byte.
fn check(options: ReaderOptions, bytes: &[u8], expected: Result<&[(&str, &[u8])], WebSocketError>) {
    let each: Vec<usize> = (0..bytes.len()).collect();
    let splits = (0..=bytes.len()).map(|cut| vec![cut]).chain([each]);
    for cuts in splits {
        let got = read(options, bytes, &cuts);
        let got: Result<Vec<(String, Vec<u8>)>, _> = got.map(|all| all.into_iter().map(shown).collect());
        let want =
            expected.map(|all| all.iter().map(|(kind, text)| (kind.to_string(), text.to_vec())).collect());
        assert_eq!(got, want, "cut at {cuts:?}");
    }
}

fn shown(incoming: Incoming) -> (String, Vec<u8>) {
    match incoming {
        Incoming::Message(Message { kind, payload, .. }) => (format!("{kind:?}"), payload.to_vec()),
        Incoming::Control(Control { opcode, code, .. }) => {
            (format!("{opcode:?}"), code.map(|code| code.to_string()).unwrap_or_default().into_bytes())
        }
    }
}

#[test]
fn the_examples_of_rfc_6455() {
    let server = options(Side::Server, None);
    let hello: (&str, &[u8]) = ("Text", b"Hello");
    check(server, b"\x81\x05Hello", Ok(&[hello]));
    check(options(Side::Client, None), b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", Ok(&[hello]));
    check(server, b"\x01\x03Hel\x80\x02lo", Ok(&[hello]));
    check(server, b"\x01\x03Hel\x89\x05Hello\x80\x02lo", Ok(&[("Ping", b""), hello]));
    check(server, b"\x88\x02\x03\xe8\x81\x05Hello", Ok(&[("Close", b"1000")]));
    check(server, b"\x88\x00", Ok(&[("Close", b"")]));
    let long = vec![7u8; 65536];
    let bytes = [b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00", &long[..]].concat();
    assert_eq!(shown(read(server, &bytes, &[3, 9, 10, 4000]).unwrap().remove(0)), ("Binary".into(), long));
    assert_eq!(read(server, b"\x82\x7e\x01\x00", &[]), Ok(vec![]), "not whole yet");
    check(server, b"\x8a\x01x", Ok(&[("Pong", b"")]));
}

#[test]
fn the_examples_of_rfc_7692() {
    let server = options(Side::Server, Some(true));
    let hello: (&str, &[u8]) = ("Text", b"Hello");
    check(server, b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00", Ok(&[hello]));
    check(server, b"\x41\x03\xf2\x48\xcd\x80\x04\xc9\xc9\x07\x00", Ok(&[hello]));
    // The second refers to the window of the first.
    check(server, b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\xc1\x05\xf2\x00\x11\x00\x00", Ok(&[hello, hello]));
    // A stored block, a final block, two blocks, and an uncompressed message between compressed ones.
    check(server, b"\xc1\x0b\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", Ok(&[hello]));
    check(server, b"\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00", Ok(&[hello]));
    check(server, b"\xc1\x0d\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", Ok(&[hello]));
    check(server, b"\x81\x05Hello\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00", Ok(&[hello, hello]));
    // Without context the second cannot be read.
    let alone = options(Side::Server, Some(false));
    check(
        alone,
        b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\xc1\x05\xf2\x00\x11\x00\x00",
        Err(WebSocketError::Deflate),
    );
    // Behind a final block the window goes on: nobody may read another text than the peer does.
    check(
        server,
        b"\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00\xc1\x05\xf2\x00\x11\x00\x00",
        Ok(&[hello, hello]),
    );
}

#[test]
fn what_breaks_the_protocol_is_named() {
    use WebSocketError::*;
    let start = "a message that starts or continues where it may not";
    let control = "a control frame that is fragmented, compressed or too long";
    for (bytes, error) in [
        (&b"\xa1\x00"[..], Protocol("a reserved bit is set")),
        (b"\xc1\x00", Protocol("a reserved bit is set")),
        (b"\x83\x00", Protocol("an opcode that is reserved")),
        (b"\x8b\x00", Protocol("an opcode that is reserved")),
        (b"\x80\x00", Protocol(start)),
        (b"\x01\x00\x81\x00", Protocol(start)),
        (b"\x09\x00", Protocol(control)),
        (b"\x89\x7e\x00\x80", Protocol(control)),
        (b"\x81\x80\x00\x00\x00\x00", Protocol("clients mask their frames and servers do not")),
        (
            b"\x82\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
            Protocol("a length with its highest bit set"),
        ),
        (b"\x88\x01x", Protocol("a close frame of one byte")),
        (b"\x88\x02\x03\xed", Protocol("a close code that may not be sent")),
        (b"\x88\x03\x03\xe8\xff", NotText),
        (b"\x81\x01\xff", NotText),
        (b"\x01\x02\xe2\x82\x80\x01A", NotText),
        (b"\x82\x7f\x00\x00\x00\x00\x00\x10\x00\x01", TooLarge(MOST)),
    ] {
        check(options(Side::Server, None), bytes, Err(error));
        assert!((1002..=1009).contains(&error.close_code()));
    }
    // A character cut between two frames is none the worse for it.
    check(
        options(Side::Server, None),
        b"\x01\x02\xe2\x82\x80\x01\xac",
        Ok(&[("Text", "\u{20ac}".as_bytes())]),
    );
}

#[test]
fn giants_and_bombs_are_refused_while_they_come() {
    let mut bytes = BytesMut::new();
    let bomb = Deflater::new(true).message(&vec![b'a'; 64 << 20]);
    frame(true, true, Opcode::Text, None, &bomb, &mut bytes);
    let large = ReaderOptions { most: 256 << 20, ..options(Side::Server, Some(true)) };
    assert_eq!(read(large, &bytes, &[]), Err(WebSocketError::TooDense(MAX_RATIO)));
    assert_eq!(read(options(Side::Server, Some(true)), &bytes, &[]), Err(WebSocketError::TooLarge(MOST)));
    let mut many = BytesMut::new();
    frame(false, false, Opcode::Text, None, b"", &mut many);
    for _ in 0..MOST_FRAMES {
        frame(false, false, Opcode::Continuation, None, b"", &mut many);
    }
    let refused = read(options(Side::Server, None), &many, &[]);
    assert_eq!(refused, Err(WebSocketError::TooManyFrames(MOST_FRAMES)));
    let mut parts = BytesMut::new();
    frame(false, false, Opcode::Binary, None, &vec![0; MOST as usize], &mut parts);
    frame(true, false, Opcode::Continuation, None, b"1", &mut parts);
    assert_eq!(read(options(Side::Server, None), &parts, &[]), Err(WebSocketError::TooLarge(MOST)));
}

#[test]
fn what_cannot_be_read_is_still_there_to_be_relayed() {
    for (deflate, bytes) in [
        (None, &b"\x01\x03Hel\x83\x00more"[..]),
        (None, b"\x81\x01\xffmore"),
        (None, b"\x01\x02\xe2\x82\x80\x01Amore"),
        (None, b"\x01\x03Hel\x88\x01xmore"),
        (None, b"\x88\x02\x03\xedmore"),
        (Some(true), b"\xc1\x05\xf2\x00\x11\x00\x00more"),
        (Some(true), b"\x41\x01\xf2\x80\x04\x00\x11\x00\x00more"),
    ] {
        let each: Vec<usize> = (0..bytes.len()).collect();
        for cuts in (0..bytes.len()).map(|cut| vec![cut]).chain([each]) {
            let mut reader = Reader::new(options(Side::Server, deflate));
            let (mut at, mut failed, mut rest) = (0, false, Vec::new());
            for &cut in cuts.iter().chain([&bytes.len()]) {
                reader.buffer().extend_from_slice(&bytes[at..cut]);
                at = cut;
                failed = failed || reader.next_incoming().is_err();
                if failed {
                    rest.extend_from_slice(&reader.rest());
                }
            }
            assert!(failed, "{}", bytes.escape_ascii());
            assert_eq!(rest, bytes, "{} cut at {cuts:?}", bytes.escape_ascii());
        }
    }
}

#[test]
fn an_offer_is_limited_to_what_can_be_undone() {
    for (offer, limited) in [
        ("permessage-deflate; client_max_window_bits", Some("permessage-deflate; client_max_window_bits")),
        (
            "permessage-deflate;server_max_window_bits=\"10\"",
            Some("permessage-deflate;server_max_window_bits=\"10\""),
        ),
        ("x-webkit-deflate-frame", None),
        ("permessage-bzip2, permessage-deflate, foo; a=\"b,c\"", Some("permessage-deflate")),
        ("permessage-deflate; unheard_of=1", None),
        ("permessage-deflate; server_max_window_bits=16", None),
        ("permessage-deflate; server_no_context_takeover; server_no_context_takeover", None),
        ("", None),
    ] {
        assert_eq!(limit_offer(offer).as_deref(), limited, "{offer}");
    }
    let deflate = |client_keeps_context, server_keeps_context| {
        Ok(Some(Deflate { client_keeps_context, server_keeps_context }))
    };
    for (answer, expected) in [
        (None, Ok(None)),
        (Some(" "), Ok(None)),
        (Some("permessage-deflate"), deflate(true, true)),
        (
            Some("Permessage-Deflate; server_no_context_takeover; client_max_window_bits=12"),
            deflate(true, false),
        ),
        (Some("permessage-deflate; client_no_context_takeover"), deflate(false, true)),
        (Some("permessage-deflate, permessage-deflate"), Err(WebSocketError::Extension)),
        (Some("permessage-bzip2"), Err(WebSocketError::Extension)),
    ] {
        assert_eq!(agreed(answer), expected, "{answer:?}");
    }
}

/// A small generator, the same in every run (xorshift64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    fn text(&mut self) -> Vec<u8> {
        let words =
            ["the ", "key is ", "\u{20ac}\u{1f600}", "aaaaaaaaaaaaaaaa", "{\"type\":\"x\"}", "\\u00e9"];
        (0..self.below(40)).map(|_| words[self.below(words.len())]).collect::<String>().into_bytes()
    }
}

/// One message cut into random frames, with pings between them.
fn fragments(dice: &mut Dice, mask: Option<[u8; 4]>, compressed: bool, payload: &[u8], out: &mut BytesMut) {
    let mut rest = payload;
    let mut opcode = Opcode::Text;
    loop {
        let (part, left) = rest.split_at(dice.below(rest.len() + 1));
        let last = left.is_empty() && dice.below(2) == 0;
        frame(last, compressed && opcode == Opcode::Text, opcode, mask, part, out);
        if last {
            return;
        }
        if dice.below(3) == 0 {
            frame(true, false, Opcode::Ping, mask, b"p", out);
        }
        (rest, opcode) = (left, Opcode::Continuation);
    }
}

#[test]
fn random_conversations_arrive_whatever_is_changed_on_the_way() {
    for seed in 1..400u64 {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let from = if seed % 2 == 0 { Side::Client } else { Side::Server };
        let deflate = [None, Some(true), Some(false)][dice.below(3)];
        let mask = (from == Side::Client).then_some([1, 2, 3, seed as u8]);
        let mut sender = Deflater::new(deflate == Some(true));
        let (mut wire, mut sent) = (BytesMut::new(), Vec::new());
        for _ in 0..dice.below(8) + 1 {
            let text = dice.text();
            let compressed = deflate.is_some() && dice.below(4) > 0;
            let payload = if compressed { sender.message(&text) } else { text.clone() };
            fragments(&mut dice, mask, compressed, &payload, &mut wire);
            sent.push(text);
        }
        let mut cuts: Vec<usize> = (0..dice.below(20)).map(|_| dice.below(wire.len() + 1)).collect();
        cuts.sort_unstable();
        let (mut out, mut expected) = (BytesMut::new(), Vec::new());
        let mut writer = Writer::new(from, deflate == Some(true), || [9, 8, 7, 6]);
        let mut untouched = true;
        let incoming = read(options(from, deflate), &wire, &cuts).unwrap();
        let messages = incoming.into_iter().filter_map(|one| match one {
            Incoming::Message(message) => Some(message),
            Incoming::Control(_) => None,
        });
        for (message, text) in messages.zip(&sent) {
            assert_eq!(message.payload, text, "seed {seed}");
            match dice.below(6) {
                0 => {
                    writer.replace(&message, b"changed", &mut out);
                    expected.push(b"changed".to_vec());
                }
                1 => writer.leave_out(&message),
                2 => {
                    writer.insert(Kind::Text, b"our own", &mut out);
                    writer.pass(&message, &mut out);
                    expected.extend([b"our own".to_vec(), text.clone()]);
                }
                _ => {
                    let before = out.len();
                    writer.pass(&message, &mut out);
                    if untouched {
                        assert_eq!(&out[before..], &message.raw[..], "byte for byte, seed {seed}");
                    }
                    expected.push(text.clone());
                    continue;
                }
            }
            untouched &= deflate != Some(true);
        }
        let got: Vec<_> =
            read(options(from, deflate), &out, &[]).unwrap().into_iter().map(|one| shown(one).1).collect();
        assert_eq!(got, expected, "seed {seed}");
    }
}

#[test]
fn random_bytes_never_panic_and_never_pass_the_bounds() {
    for seed in 1..2000u64 {
        let mut dice = Dice(seed.wrapping_mul(0xD134_2543_DE82_EF95) | 1);
        let mut bytes: Vec<u8> = (0..dice.below(200)).map(|_| dice.below(256) as u8).collect();
        // Often a head that gets past the first checks.
        if dice.below(2) == 0 {
            bytes.splice(0..0, [[0x81, 0xC1, 0x02, 0x88][dice.below(4)], dice.below(126) as u8]);
        }
        let mut reader = Reader::new(ReaderOptions { most: 64, ..options(Side::Server, Some(true)) });
        reader.buffer().extend_from_slice(&bytes);
        while let Ok(Some(incoming)) = reader.next_incoming() {
            if let Incoming::Message(message) = incoming {
                assert!(message.payload.len() <= 64, "seed {seed}");
            }
        }
    }
}
