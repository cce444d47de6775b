//! Decides what becomes of a connection from its opening: inspect, relay or refuse. Pure: names and policy in,
//! decision out.

use std::sync::Arc;

use super::{arrival::Opening, path::Destination};
use crate::{
    config::Mode,
    provider::{Catalog, Host},
    tls::hello::Hello,
};

/// What becomes of a connection.
#[derive(Clone)]
pub enum Decision {
    /// Its TLS is ended here and its exchanges are inspected.
    Inspect {
        /// The name the app asked for; the leaf and upstream's certificate are for it.
        name: String,
        /// What the catalog knows about it.
        host: Arc<Host>,
        /// Its ClientHello.
        hello: Hello,
    },
    /// Its bytes are copied and counted.
    Relay {
        /// The name it asked for, where it said one.
        name: Option<String>,
        /// Why it is not inspected, where that needs saying: an LLM host that cannot be looked into.
        uninspected: Option<&'static str>,
    },
    /// It is closed.
    Refuse {
        /// The name it asked for, where it said one.
        name: Option<String>,
        /// Why.
        reason: &'static str,
    },
}

/// Decides. `known` says that the dialled address was learned as one of a known LLM host.
pub fn decide(
    catalog: &Catalog,
    mode: Mode,
    destination: &Destination,
    opening: Opening,
    known: bool,
) -> Decision {
    let tunnelled = destination.name.as_deref().filter(|name| catalog.host(name).is_some());
    let hello = match opening {
        Opening::Tls(hello) => hello,
        // Bytes we cannot read, on their way to a place we must not let anything through to uninspected.
        Opening::Malformed(why) => return blind(mode, destination, known || tunnelled.is_some(), why),
        Opening::NotTls => {
            return blind(
                mode,
                destination,
                known || tunnelled.is_some(),
                "an LLM host is spoken to without TLS",
            );
        }
    };
    let name = hello.server_name.as_deref().or(tunnelled);
    if let Some((name, host)) = name.and_then(|name| Some((name, catalog.host(name)?))) {
        return Decision::Inspect { name: name.to_ascii_lowercase(), host, hello };
    }
    let why = match &hello.server_name {
        None => "the ClientHello names no server",
        Some(_) if hello.encrypted_client_hello => "the server's name is encrypted (ECH)",
        Some(_) => "the server's name is not that of the LLM host it was opened to",
    };
    let said =
        Destination { name: hello.server_name.clone().or(destination.name.clone()), ..destination.clone() };
    // Known addresses of CDN-hosted names are shared with other names, so another name there is no sign of hiding.
    let hidden = hello.server_name.is_none() || hello.encrypted_client_hello;
    blind(mode, &said, tunnelled.is_some() || (known && hidden), why)
}

/// What becomes of bytes that cannot be inspected.
fn blind(mode: Mode, destination: &Destination, llm: bool, why: &'static str) -> Decision {
    let name = destination.name.clone();
    match (llm, mode) {
        (true, Mode::Strict) => Decision::Refuse { name, reason: why },
        (true, Mode::Warn) => Decision::Relay { name, uninspected: Some(why) },
        (false, _) => Decision::Relay { name, uninspected: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(name: Option<&str>, encrypted: bool) -> Opening {
        Opening::Tls(Hello {
            server_name: name.map(str::to_owned),
            alpn: Vec::new(),
            encrypted_client_hello: encrypted,
            bytes: 0,
        })
    }

    fn check(mode: Mode, tunnel: Option<&str>, opening: &Opening, known: bool) -> String {
        let catalog = Catalog::builtin();
        let destination = Destination { name: tunnel.map(str::to_owned), address: None, port: 443 };
        match decide(&catalog, mode, &destination, opening.clone(), known) {
            Decision::Inspect { name, .. } => format!("inspect {name}"),
            Decision::Relay { uninspected: None, .. } => "relay".to_owned(),
            Decision::Relay { uninspected: Some(_), .. } => "relay, reported".to_owned(),
            Decision::Refuse { .. } => "refuse".to_owned(),
        }
    }

    #[test]
    fn every_opening_has_a_decision() {
        use Mode::{Strict, Warn};
        let openai = Some("api.openai.com");
        let cases: &[(Mode, Option<&str>, Opening, bool, &str)] = &[
            (Strict, None, hello(openai, false), false, "inspect api.openai.com"),
            (Strict, None, hello(Some("API.OpenAI.com"), false), false, "inspect api.openai.com"),
            (Warn, None, hello(openai, false), false, "inspect api.openai.com"),
            (Strict, None, hello(Some("example.org"), false), false, "relay"),
            (Strict, None, hello(Some("example.org"), false), true, "relay"),
            (Strict, None, hello(Some("example.org"), true), true, "refuse"),
            (Warn, None, hello(Some("example.org"), true), true, "relay, reported"),
            (Strict, None, hello(None, false), true, "refuse"),
            (Warn, None, hello(None, false), true, "relay, reported"),
            (Strict, None, hello(None, false), false, "relay"),
            (Strict, openai, hello(None, false), false, "inspect api.openai.com"),
            (Strict, openai, hello(Some("example.org"), false), false, "refuse"),
            (Strict, None, Opening::Malformed("cut"), false, "relay"),
            (Strict, None, Opening::Malformed("cut"), true, "refuse"),
            (Strict, None, Opening::NotTls, false, "relay"),
            (Strict, openai, Opening::NotTls, false, "refuse"),
            (Warn, openai, Opening::NotTls, false, "relay, reported"),
        ];
        for (mode, tunnel, opening, known, expected) in cases {
            let got = check(*mode, *tunnel, opening, *known);
            assert_eq!(got, *expected, "{mode:?} CONNECT {tunnel:?} {opening:?} known {known}");
        }
    }
}
