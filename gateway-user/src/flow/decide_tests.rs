//! Tests of `decide`: a row for every kind of opening, in both modes.

use super::*;

fn hello(name: Option<&str>, encrypted: bool) -> Opening {
    Opening::Tls(Hello {
        server_name: name.map(str::to_owned),
        alpn: Vec::new(),
        encrypted_client_hello: encrypted,
        bytes: 0,
    })
}

fn plain(asks: Asks) -> Opening {
    Opening::Plain(Plain { alpn: Alpn::Http1, asks })
}

fn host(name: &str) -> Opening {
    plain(Asks::Host(Some(name.to_owned())))
}

fn tunnel(host: &str) -> Opening {
    plain(Asks::Tunnel { host: host.to_owned(), port: 443, head: 1 })
}

fn hosts() -> BTreeMap<String, Treatment> {
    let all = [
        ("api.mistral.ai", Treatment::Relay),
        ("*.mistral.ai", Treatment::Refuse),
        ("*.openai.azure.com", Treatment::Refuse),
        ("*.eu.openai.azure.com", Treatment::Inspect),
    ];
    all.map(|(name, treatment)| (name.to_owned(), treatment)).into()
}

fn decided(mode: Mode, tunnel: Option<&str>, opening: &Opening, known: bool, engine: bool) -> String {
    let catalog = Catalog::builtin();
    let destination = Destination { name: tunnel.map(str::to_owned), address: None, port: 443, tunnel: None };
    let engine = engine.then(|| catalog.host("compatible.invalid").unwrap());
    let asked = Asked { destination: &destination, known, engine };
    let hosts = hosts();
    let policy = Policy { catalog: &catalog, mode, hosts: &hosts };
    match decide(&policy, &asked, opening.clone()) {
        Decision::Inspect { name, inside: Inside::Tls(_), .. } => format!("inspect {name}"),
        Decision::Inspect { name, inside: Inside::Plain(_), .. } => format!("inspect {name} in clear"),
        Decision::Follow { host, port, .. } => format!("follow {host}:{port}"),
        Decision::Relay { uninspected: None, .. } => "relay".to_owned(),
        Decision::Relay { uninspected: Some(_), .. } => "relay, reported".to_owned(),
        Decision::Refuse { .. } => "refuse".to_owned(),
    }
}

/// Each row: how it was opened (CONNECT name, opening, address known), and what becomes of it in strict and in warn.
type Case = (Option<&'static str>, Opening, bool, &'static str, &'static str);

fn check(cases: &[Case]) {
    for (tunnel, opening, known, strict, warn) in cases {
        for (mode, expected) in [(Mode::Strict, strict), (Mode::Warn, warn)] {
            let got = decided(mode, *tunnel, opening, *known, false);
            assert_eq!(got, *expected, "{mode:?} CONNECT {tunnel:?} {opening:?} known {known}");
        }
    }
}

#[test]
fn a_hello_is_decided_by_its_name() {
    let openai = Some("api.openai.com");
    let inspect = "inspect api.openai.com";
    check(&[
        (None, hello(openai, false), false, inspect, inspect),
        (None, hello(Some("API.OpenAI.com"), false), false, inspect, inspect),
        // What browsers send without a key looks like ECH; the name is what counts.
        (None, hello(openai, true), false, inspect, inspect),
        (None, hello(Some("example.org"), false), false, "relay", "relay"),
        (None, hello(Some("example.org"), false), true, "relay, reported", "relay, reported"),
        (None, hello(None, false), true, "refuse", "relay, reported"),
        (None, hello(None, false), false, "relay", "relay"),
        (openai, hello(None, false), false, inspect, inspect),
        (openai, hello(Some("example.org"), false), false, "refuse", "relay, reported"),
        (None, Opening::Malformed("cut"), false, "relay", "relay"),
        (None, Opening::Malformed("cut"), true, "refuse", "relay, reported"),
    ]);
}

#[test]
fn an_encrypted_name_is_not_passed_where_an_llm_host_may_be_meant() {
    check(&[
        (None, hello(Some("example.org"), true), true, "refuse", "relay, reported"),
        (None, hello(Some("example.org"), true), false, "relay", "relay"),
        (None, hello(Some("cloudflare-ech.com"), true), false, "refuse", "relay, reported"),
        (None, hello(Some("cloudflare-ech.com"), false), false, "relay", "relay"),
    ]);
}

#[test]
fn plain_http_is_decided_by_the_host_it_names() {
    let openai = Some("api.openai.com");
    let clear = "inspect api.openai.com in clear";
    check(&[
        (None, host("api.openai.com"), false, clear, clear),
        (None, host("example.org"), false, "relay", "relay"),
        (None, host("example.org"), true, "relay, reported", "relay, reported"),
        (None, plain(Asks::Host(None)), true, "refuse", "relay, reported"),
        (None, plain(Asks::Host(None)), false, "relay", "relay"),
        (openai, plain(Asks::Host(None)), false, clear, clear),
        (openai, host("example.org"), false, "refuse", "relay, reported"),
        (None, plain(Asks::Url("api.openai.com".to_owned())), false, "refuse", "relay, reported"),
        (None, plain(Asks::Url("example.org".to_owned())), false, "relay", "relay"),
    ]);
    for (opening, expected) in [
        (host("localhost"), "inspect localhost in clear"),
        (plain(Asks::Host(None)), "inspect compatible in clear"),
        (hello(Some("localhost"), false), "refuse"),
        (Opening::Other, "refuse"),
    ] {
        assert_eq!(decided(Mode::Strict, None, &opening, false, true), expected, "an engine: {opening:?}");
    }
}

#[test]
fn other_proxies_are_followed_or_named() {
    check(&[
        (None, tunnel("api.openai.com"), false, "follow api.openai.com:443", "follow api.openai.com:443"),
        (None, tunnel("192.0.2.1"), false, "follow 192.0.2.1:443", "follow 192.0.2.1:443"),
        (None, Opening::Socks, false, "refuse", "relay, reported"),
    ]);
}

#[test]
fn who_says_nothing_we_know_is_refused_only_towards_llm_hosts() {
    let openai = Some("api.openai.com");
    for opening in [Opening::ServerFirst, Opening::Other] {
        check(&[
            (None, opening.clone(), false, "relay", "relay"),
            (None, opening.clone(), true, "refuse", "relay, reported"),
            (openai, opening, false, "refuse", "relay, reported"),
        ]);
    }
}

#[test]
fn the_longest_name_in_hosts_decides() {
    for (name, expected) in [
        ("api.openai.com", Treatment::Inspect),
        ("api.mistral.ai", Treatment::Relay),
        ("API.Mistral.AI", Treatment::Relay),
        ("codestral.mistral.ai", Treatment::Refuse),
        ("x.openai.azure.com", Treatment::Refuse),
        ("x.eu.openai.azure.com", Treatment::Inspect),
    ] {
        assert_eq!(treatment(&hosts(), name), expected, "{name}");
    }
    check(&[
        (None, hello(Some("api.mistral.ai"), false), false, "relay, reported", "relay, reported"),
        (None, hello(Some("codestral.mistral.ai"), false), false, "refuse", "refuse"),
        (None, host("x.openai.azure.com"), false, "refuse", "refuse"),
    ]);
}
