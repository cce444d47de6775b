//! Reads what a connection without TLS begins with: HTTP in clear, a SOCKS greeting, or something else. Pure.

use crate::upstream::Alpn;

/// Most bytes of a request's head that are read before a connection is decided on.
pub const MOST_HEAD: usize = 64 * 1024;

/// Most header lines of such a head.
const MOST_HEADERS: usize = 128;

/// Longest method that is taken for one; the longest registered is 17 letters.
const MOST_METHOD: usize = 24;

/// Longest name of a user that is taken for one in a SOCKS 4 greeting, in bytes.
const MOST_USER: usize = 255;

/// What an HTTP/2 client says first (RFC 9113 §3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What the first bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peek {
    /// Call again when more bytes have arrived.
    NeedMore,
    /// The whole head of an HTTP/1.x request.
    Http1(Asks),
    /// The preface of HTTP/2; what it asks for follows in its first frames.
    Http2,
    /// The greeting of a SOCKS client (RFC 1928 §3; SOCKS 4).
    Socks,
    /// Nothing of that kind.
    Other,
}

/// A connection that begins with HTTP in clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plain {
    /// The version.
    pub alpn: Alpn,
    /// What its first request asks for.
    pub asks: Asks,
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asks {
    /// A path on the host named in `Host` or `:authority`, without its port; lower case.
    Host(Option<String>),
    /// A whole URL on this host, as from a proxy (RFC 9112 §3.2.2).
    Url(String),
    /// A tunnel to this host and port (RFC 9110 §9.3.6), with a head of so many bytes.
    Tunnel {
        /// Name or address.
        host: String,
        /// TCP port.
        port: u16,
        /// Bytes of the head, the empty line included.
        head: usize,
    },
}

/// Looks at all bytes that have arrived, from the first.
pub fn peek(bytes: &[u8]) -> Peek {
    if let Some(seen) = socks(bytes) {
        return seen;
    }
    if bytes.len() >= PREFACE.len() && bytes.starts_with(PREFACE) {
        return Peek::Http2;
    }
    if PREFACE.starts_with(bytes) {
        return Peek::NeedMore;
    }
    if !begins_like_a_request(bytes) {
        return Peek::Other;
    }
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(head)) => asks(&request, head).map_or(Peek::Other, Peek::Http1),
        Ok(httparse::Status::Partial) if bytes.len() < MOST_HEAD => Peek::NeedMore,
        _ => Peek::Other,
    }
}

/// What an authority names, without its port: lower case, IPv6 addresses without brackets.
pub fn host_of(authority: &str) -> String {
    let end = authority.rfind(':').filter(|at| !authority[*at..].contains(']'));
    authority[..end.unwrap_or(authority.len())].trim_matches(['[', ']']).to_ascii_lowercase()
}

fn asks(request: &httparse::Request<'_, '_>, head: usize) -> Option<Asks> {
    let target = request.path?;
    if request.method == Some("CONNECT") {
        let (_, port) = target.rsplit_once(':')?;
        return Some(Asks::Tunnel { host: host_of(target), port: port.parse().ok()?, head });
    }
    if let Some((_, rest)) = target.split_once("://") {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        return Some(Asks::Url(host_of(authority.rsplit('@').next().unwrap_or_default())));
    }
    let host = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case("host"));
    let host = host.and_then(|header| std::str::from_utf8(header.value).ok()).map(str::trim);
    Some(Asks::Host(host.filter(|host| !host.is_empty()).map(host_of)))
}

/// Whether the bytes are a method in capitals, as far as they go, with a space behind it.
fn begins_like_a_request(bytes: &[u8]) -> bool {
    let method = bytes.iter().take_while(|byte| byte.is_ascii_uppercase() || **byte == b'-').count();
    method <= MOST_METHOD && (method == bytes.len() || (method > 0 && bytes[method] == b' '))
}

/// A SOCKS greeting, whatever comes behind it, or the beginning of one.
fn socks(bytes: &[u8]) -> Option<Peek> {
    let whole = match bytes {
        [5, rest @ ..] => is_whole_socks5(rest)?,
        [4, rest @ ..] => is_whole_socks4(rest)?,
        _ => return None,
    };
    Some(if whole { Peek::Socks } else { Peek::NeedMore })
}

/// Behind the version: number of methods, methods that are assigned or private (RFC 1928 §3). None when it is not that.
fn is_whole_socks5(rest: &[u8]) -> Option<bool> {
    let Some((count, rest)) = rest.split_first() else { return Some(false) };
    let count = usize::from(*count);
    let methods = &rest[..rest.len().min(count)];
    let plausible = count > 0 && methods.iter().all(|method| matches!(method, 0..=9 | 0x80..=0xFE));
    plausible.then_some(methods.len() == count)
}

/// Behind the version: command, port, address, a user's name with a zero behind it. None when it is not that.
fn is_whole_socks4(rest: &[u8]) -> Option<bool> {
    let to = match rest {
        [] => return Some(false),
        [1 | 2, to @ ..] => to,
        _ => return None,
    };
    let Some((to, user)) = to.split_at_checked(6) else { return Some(false) };
    let end = user.iter().position(|byte| *byte == 0);
    let name = &user[..end.unwrap_or(user.len())];
    let named = name.len() <= MOST_USER && name.iter().all(|byte| *byte >= b' ');
    let plausible = named && to[..2] != [0; 2] && to[2..] != [0; 4];
    plausible.then_some(end.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: &Peek) {
        assert_eq!(peek(bytes), *expected, "{}", bytes.escape_ascii());
    }

    #[test]
    fn every_beginning_is_named_and_needs_all_of_itself() {
        let host = |name: &str| Peek::Http1(Asks::Host(Some(name.to_owned())));
        let tunnel = |host: &str, head| Peek::Http1(Asks::Tunnel { host: host.to_owned(), port: 443, head });
        let url = |host: &str| Peek::Http1(Asks::Url(host.to_owned()));
        let cases: &[(&[u8], Peek)] = &[
            (b"GET / HTTP/1.1\r\nHost: API.openai.com\r\n\r\n", host("api.openai.com")),
            (
                b"POST /v1/x HTTP/1.1\r\naccept: */*\r\nhost: api.openai.com:80\r\n\r\n",
                host("api.openai.com"),
            ),
            (b"POST /api/chat HTTP/1.1\r\nHost: [::1]:11434\r\n\r\n", host("::1")),
            (b"GET / HTTP/1.0\r\n\r\n", Peek::Http1(Asks::Host(None))),
            (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", Peek::Http1(Asks::Host(None))),
            (b"GET http://api.openai.com/v1 HTTP/1.1\r\nHost: x\r\n\r\n", url("api.openai.com")),
            (b"GET http://u:p@Api.OpenAI.com:80?q HTTP/1.1\r\nHost: x\r\n\r\n", url("api.openai.com")),
            (b"CONNECT api.openai.com:443 HTTP/1.1\r\n\r\n", tunnel("api.openai.com", 39)),
            (b"CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: x\r\n\r\n", tunnel("2001:db8::1", 47)),
            (PREFACE, Peek::Http2),
            (&[5, 1, 0], Peek::Socks),
            (&[5, 2, 0, 2], Peek::Socks),
            (&[4, 1, 1, 187, 192, 0, 2, 1, 0], Peek::Socks),
            (&[4, 1, 1, 187, 0, 0, 0, 1, b'u', 0], Peek::Socks),
        ];
        for (bytes, expected) in cases {
            check(bytes, expected);
            for end in 1..bytes.len() {
                check(&bytes[..end], &Peek::NeedMore);
            }
            if *expected == Peek::Socks {
                check(&[bytes, &b"more"[..]].concat(), expected);
            }
        }
    }

    #[test]
    fn what_is_no_http_is_not_waited_for() {
        for bytes in [
            &b"SSH-2.0-OpenSSH\r\n"[..],
            b"USER anonymous\r\n",
            b"hello",
            b"\x00\x01",
            b"GET / SPDY/3\r\n\r\n",
            b"CONNECT nowhere HTTP/1.1\r\n\r\n",
            b"AVERYLONGWORDTHATISNOMETHODATALL",
            &[5, 0],
            &[5, 1, 0x20],
            &[5, 3, 0, 0xFF],
            &[4, 0],
            &[4, 1, 0, 0, 192, 0, 2, 1, 0],
            &[4, 1, 1, 187, 0, 0, 0, 0, 0],
            &[4, 1, 1, 187, 192, 0, 2, 1, 7],
        ] {
            check(bytes, &Peek::Other);
        }
        let endless = [b"GET / HTTP/1.1\r\nx: ", &vec![b'a'; MOST_HEAD][..]].concat();
        check(&endless, &Peek::Other);
    }
}
