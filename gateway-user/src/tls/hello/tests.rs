//! Tests of `tls::hello`: real and made-up hellos, at every split, and bytes that only look like one.

use std::sync::Arc;

use super::*;

/// A hello to be written out, field by field, so that a test can spoil one.
#[derive(Clone)]
struct Written {
    suites: Vec<u8>,
    compression: Vec<u8>,
    extensions: Vec<(u16, Vec<u8>)>,
}

impl Default for Written {
    fn default() -> Written {
        Written { suites: vec![0x0a, 0x0a, 0x13, 0x01], compression: vec![0], extensions: vec![] }
    }
}

impl Written {
    fn with(mut self, kind: u16, content: Vec<u8>) -> Written {
        self.extensions.push((kind, content));
        self
    }

    /// The handshake message: header and body.
    fn message(&self) -> Vec<u8> {
        let extensions: Vec<u8> = self
            .extensions
            .iter()
            .flat_map(|(kind, content)| [kind.to_be_bytes().to_vec(), long(content)].concat())
            .collect();
        let body = [
            vec![3, 3],
            vec![7; 32],
            short(&[9; 32]),
            long(&self.suites),
            short(&self.compression),
            long(&extensions),
        ]
        .concat();
        [vec![1, 0], long(&body)].concat()
    }
}

fn short(bytes: &[u8]) -> Vec<u8> {
    [&[bytes.len() as u8], bytes].concat()
}

fn long(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes(), bytes].concat()
}

fn server_name(name: &[u8]) -> Vec<u8> {
    long(&[vec![0], long(name)].concat())
}

fn alpn(protocols: &[&[u8]]) -> Vec<u8> {
    long(&protocols.iter().flat_map(|protocol| short(protocol)).collect::<Vec<u8>>())
}

/// A message spread over records of at most `size` bytes.
fn records(message: &[u8], size: usize) -> Vec<u8> {
    message.chunks(size).flat_map(|part| [vec![22, 3, 1], long(part)].concat()).collect()
}

fn usual() -> Written {
    Written::default()
        .with(0x1a1a, vec![])
        .with(0, server_name(b"API.OpenAI.com"))
        .with(16, alpn(&[b"h2", b"http/1.1"]))
        .with(51, vec![5; 1300])
        .with(0xbaba, vec![0])
}

/// Checks a hello at every length of arrival: undecided up to the last byte, then decided for good.
#[track_caller]
fn check(bytes: &[u8], expected: &Peek) {
    for arrived in 0..bytes.len() {
        assert_eq!(peek(&bytes[..arrived]), Peek::NeedMore, "after {arrived} of {} bytes", bytes.len());
    }
    assert_eq!(&peek(bytes), expected);
    assert_eq!(&peek(&[bytes, b"more"].concat()), expected);
}

#[test]
fn a_hello_is_read_whatever_its_records_and_arrival() {
    let message = usual().message();
    for size in [1, 2, 3, 4, 5, 7, 100, 1000, 16 * 1024] {
        let bytes = records(&message, size);
        if bytes.len() / 6 > MAX_HELLO_RECORDS {
            assert!(matches!(peek(&bytes), Peek::Malformed(_)));
            continue;
        }
        let hello = Hello {
            server_name: Some("api.openai.com".to_owned()),
            alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            encrypted_client_hello: false,
            bytes: bytes.len(),
        };
        check(&bytes, &Peek::Hello(hello));
    }
    for split in 1..message.len() {
        let bytes = [records(&message[..split], usize::MAX), records(&message[split..], usize::MAX)].concat();
        assert!(matches!(peek(&bytes), Peek::Hello(hello) if hello.bytes == bytes.len()), "split at {split}");
    }
}

#[test]
fn what_a_client_leaves_out_is_absent() {
    let plain = |written: Written| match peek(&records(&written.message(), usize::MAX)) {
        Peek::Hello(hello) => hello,
        other => panic!("{other:?}"),
    };
    let bare = plain(Written::default());
    assert_eq!((bare.server_name, bare.alpn, bare.encrypted_client_hello), (None, vec![], false));
    let hidden = plain(usual().with(0xfe0d, vec![0; 200]));
    assert!(hidden.encrypted_client_hello && hidden.offers(b"h2") && !hidden.offers(b"h3"));
}

#[test]
fn the_library_s_own_hello_with_a_post_quantum_share_is_read() {
    let roots = Arc::new(rustls::RootCertStore::empty());
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.kx_groups = vec![rustls::crypto::aws_lc_rs::kx_group::X25519MLKEM768];
    let mut config = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let name = "api.anthropic.com".try_into().unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = vec![];
    client.write_tls(&mut bytes).unwrap();
    assert!(bytes.len() > 1200, "{} bytes", bytes.len());
    let hello = Hello {
        server_name: Some("api.anthropic.com".to_owned()),
        alpn: vec![b"http/1.1".to_vec()],
        encrypted_client_hello: false,
        bytes: bytes.len(),
    };
    check(&bytes, &Peek::Hello(hello));
}

#[test]
fn what_tls_forbids_is_malformed() {
    let hello = |written: Written| records(&written.message(), usize::MAX);
    let message = usual().message();
    let spoiled = |at: usize, byte: u8| {
        let mut bytes = records(&message, usize::MAX);
        bytes[at] = byte;
        bytes
    };
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("another record", [records(&message[..50], 50), vec![21, 3, 3, 0, 2, 2, 40]].concat()),
        ("unknown version", [records(&message[..50], 50), vec![22, 2]].concat()),
        ("empty", vec![22, 3, 1, 0, 0]),
        ("longer than 16384", vec![22, 3, 1, 0x40, 1]),
        ("not a client hello", vec![22, 3, 1, 0, 9, 2]),
        ("longer than 65536", vec![22, 3, 1, 0, 9, 1, 1, 0, 0]),
        ("more than 1024 records", records(&[vec![1, 0, 255, 0], vec![0; 2000]].concat(), 1)),
        ("bytes follow the hello", records(&[message.clone(), vec![0]].concat(), usize::MAX)),
        ("bytes follow the hello", records(&[message.clone(), vec![0]].concat(), message.len() - 1)),
        ("session id is longer", spoiled(5 + 4 + 34, 33)),
        ("cipher suites", hello(Written { suites: vec![], ..Written::default() })),
        ("cipher suites", hello(Written { suites: vec![1, 2, 3], ..Written::default() })),
        ("compression", hello(Written { compression: vec![], ..Written::default() })),
        ("twice", hello(usual().with(0, server_name(b"other.example")))),
        (
            "128 extensions",
            hello((0..129).fold(Written::default(), |hello, kind| hello.with(1000 + kind, vec![]))),
        ),
        ("list is cut short", hello(Written::default().with(0, vec![0, 9]))),
        ("list is empty", hello(Written::default().with(0, vec![0, 0]))),
        (
            "follow the server name list",
            hello(Written::default().with(0, [server_name(b"a.b"), vec![0]].concat())),
        ),
        ("unknown type", hello(Written::default().with(0, long(&[vec![1], long(b"a.b")].concat())))),
        (
            "more than one",
            hello(Written::default().with(0, long(&[vec![0], long(b"a.b"), vec![0]].concat()))),
        ),
        ("ALPN list is empty", hello(Written::default().with(16, vec![0, 0]))),
        ("protocol is empty", hello(Written::default().with(16, alpn(&[b""])))),
        ("cut short", hello(Written::default().with(16, long(&[9, 1])))),
        ("more than 64", hello(Written::default().with(16, alpn(&[&b"x"[..]; 65])))),
        ("IP address", hello(Written::default().with(0, server_name(b"192.0.2.7")))),
    ];
    for (wanted, bytes) in cases {
        match peek(&bytes) {
            Peek::Malformed(wrong) => assert!(wrong.contains(wanted), "`{wrong}` does not say `{wanted}`"),
            other => panic!("`{wanted}` gave {other:?}"),
        }
    }
}

#[test]
fn other_protocols_are_not_tls() {
    for bytes in [
        &b"GET / HTTP/1.1\r\n"[..],
        b"\x05\x01\x00",
        b"SSH-2.0-x",
        b"\x16\x02",
        b"\x80\x2e\x01\x03\x01",
        b"\0",
    ] {
        assert_eq!(peek(bytes), Peek::NotTls, "{bytes:?}");
    }
    for bytes in [&b""[..], b"\x16", b"\x16\x03", b"\x16\x03\x01\x00"] {
        assert_eq!(peek(bytes), Peek::NeedMore, "{bytes:?}");
    }
}

#[test]
fn host_names_are_strict_and_lower_case() {
    let label = "a".repeat(63);
    let most = [label.as_str(), &label, &label, &label[..61]].join(".");
    for (given, expected) in [
        ("api.openai.com", "api.openai.com"),
        ("API.OpenAI.Com", "api.openai.com"),
        ("localhost", "localhost"),
        ("my_service.internal", "my_service.internal"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("1.2.3.4.example", "1.2.3.4.example"),
        (&most, &most),
    ] {
        assert_eq!(host_name(given.as_bytes()).as_deref(), Ok(expected));
    }
    let too_long = format!("{most}a");
    for given in [
        "",
        ".",
        "a.",
        ".a",
        "a..b",
        "-a.b",
        "a-.b",
        "a b.c",
        "a/b",
        "a:443",
        "[::1]",
        "::1",
        "192.0.2.7",
        "1",
        "127.1",
        "0x7f.1",
        "a.0x7f",
        "a.0x",
        "bücher.example",
        "api.openai.com\0.evil.example",
        "*.openai.com",
        "a@b.c",
        &too_long,
        &"a".repeat(64),
    ] {
        assert!(host_name(given.as_bytes()).is_err(), "{given:?} passed");
    }
}

/// A small generator of repeatable pseudo-random numbers (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

#[test]
fn spoiled_hellos_never_panic_and_a_decision_stands() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let message = Written::default().with(0, server_name(b"a.example")).with(16, alpn(&[b"h2"])).message();
    for _ in 0..20_000 {
        let mut bytes = records(&message, 1 + random.below(message.len()));
        for _ in 0..random.below(4) {
            let at = random.below(bytes.len());
            bytes[at] = random.below(256) as u8;
        }
        bytes.truncate(random.below(bytes.len() + 1));
        let whole = peek(&bytes);
        let arrived = random.below(bytes.len() + 1);
        let part = peek(&bytes[..arrived]);
        assert!(part == Peek::NeedMore || part == whole, "{arrived} of {bytes:?}: {part:?}, then {whole:?}");
    }
    for _ in 0..20_000 {
        let mut bytes: Vec<u8> = (0..random.below(300)).map(|_| random.below(256) as u8).collect();
        bytes.splice(..0, [22, 3, 1, 0, random.below(256) as u8, 1]);
        peek(&bytes);
    }
}
