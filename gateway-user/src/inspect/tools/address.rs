//! Hosts in arguments: whether one is a public name or address, in all the ways it can be written.
//!
//! Hosts are read as browsers do (WHATWG URL §3), which takes more forms for an address than RFC 3986 has.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Longest URL or host that is read, in bytes; longer ones are not public.
const LONGEST: usize = 8192;

/// Ends of names that lead into a private network (RFC 6761, 6762, 8375; ICANN's `internal`), and wildcard services
/// whose names say which address they stand for.
const PRIVATE_ENDS: &[&str] = &[
    "localhost",
    "local",
    "internal",
    "localdomain",
    "lan",
    "home",
    "home.arpa",
    "intranet",
    "corp",
    "private",
    "test",
    "onion",
    "in-addr.arpa",
    "ip6.arpa",
    "nip.io",
    "sslip.io",
    "xip.io",
    "localtest.me",
    "lvh.me",
    "vcap.me",
    "lacolhost.com",
    "localho.st",
    "traefik.me",
    "local.gd",
    "yoogle.com",
    "readme.localtest.me",
    "rbndr.us",
    "1u.ms",
    "kubernetes.default.svc",
    "svc",
    "cluster.local",
];

/// Schemes whose hosts browsers find however many slashes stand before them.
const SPECIAL: &[&str] = &["http", "https", "ws", "wss", "ftp"];

/// Schemes of URLs without a host that is reached.
const OPAQUE: &[&str] = &["mailto", "urn", "data", "tel", "sms", "about", "blob"];

/// Whether every URL in a text leads to a public host.
pub fn urls_are_public(text: &str) -> bool {
    let text: String = text.chars().filter(|letter| !matches!(letter, '\t' | '\n' | '\r')).collect();
    let mut rest = text.as_str();
    while let Some(colon) = rest.find(':') {
        let (before, after) = (&rest[..colon], &rest[colon + 1..]);
        let scheme = scheme(before);
        let special = SPECIAL.iter().any(|name| scheme.eq_ignore_ascii_case(name));
        let slashes = after.len() - after.trim_start_matches(['/', '\\']).len();
        // Without slashes a word with a colon is prose, unless it goes on like a host.
        let is_url = !scheme.is_empty() && (slashes >= 2 || special && goes_on(after));
        if is_url && !scheme.eq_ignore_ascii_case("file") && !is_public_authority(&after[slashes..], special)
        {
            return false;
        }
        rest = after;
    }
    true
}

/// Whether a text that stands for a host, with or without a port, or for a URL, is public.
pub fn is_public(text: &str) -> bool {
    let text = text.trim();
    if text.is_empty() {
        return true;
    }
    if text.len() > LONGEST {
        return false;
    }
    if text.contains("://") {
        return urls_are_public(text);
    }
    if text.split_once(':').is_some_and(|(scheme, _)| OPAQUE.contains(&scheme)) {
        return true;
    }
    let bare = text.trim_start_matches(['/', '\\']);
    urls_are_public(text) && is_public_authority(bare, true)
}

/// The scheme that ends a text.
fn scheme(before: &str) -> &str {
    let start = before
        .rfind(|letter: char| !(letter.is_ascii_alphanumeric() || matches!(letter, '+' | '-' | '.')))
        .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
    let scheme = &before[start..];
    if scheme.starts_with(|letter: char| letter.is_ascii_alphabetic()) { scheme } else { "" }
}

/// Whether what follows a scheme without its slashes may still be a host.
fn goes_on(after: &str) -> bool {
    after.starts_with(|letter: char| {
        letter.is_ascii_alphanumeric() || matches!(letter, '/' | '\\' | '[' | '%')
    })
}

/// Whether the authority at the start of a text is public. `special` URLs with a user are not: the user is there to be
/// taken for the host.
fn is_public_authority(text: &str, special: bool) -> bool {
    let end = text.find(['/', '\\', '?', '#', ' ', '"', '\'', '`', '<', '>', '|', ')', ',', ';']);
    let authority = &text[..end.unwrap_or(text.len())];
    if authority.is_empty() {
        return true;
    }
    let host = match authority.rsplit_once('@') {
        None => authority,
        Some(_) if special => return false,
        Some((user, _)) if user.contains([':', '@', '%']) => return false,
        Some((_, host)) => host,
    };
    // What a parser that knows no `\` or `#` there would take for the host.
    let hidden = text[authority.len()..].split(['/', '?', ' ']).next().unwrap_or_default();
    let hidden = !hidden.is_empty() && hidden.contains('@');
    !hidden && is_public_host(without_port(host))
}

fn without_port(host: &str) -> &str {
    if host.starts_with('[') {
        return host.find(']').map_or(host, |end| &host[..=end]);
    }
    match host.split_once(':') {
        Some((name, port)) if !port.contains(':') => name,
        // More than one colon is a bare IPv6 address.
        _ => host,
    }
}

/// Whether a name or address is public.
pub fn is_public_host(host: &str) -> bool {
    let Some(host) = readable(host) else { return false };
    if let Some(inside) = host.strip_prefix('[') {
        return inside.strip_suffix(']').is_some_and(is_public_v6);
    }
    if host.contains(':') {
        return is_public_v6(&host);
    }
    match ipv4(&host) {
        Ipv4::Address(address) => is_public_v4(address),
        Ipv4::Broken => false,
        Ipv4::Name => is_public_name(&host),
    }
}

/// A host in lower case with its escapes undone. `None` where letters that are not ASCII, or their punycode (RFC 3492),
/// could stand for any name.
fn readable(host: &str) -> Option<String> {
    let mut out = String::with_capacity(host.len());
    let mut bytes = host.bytes();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        };
        let byte = byte.to_ascii_lowercase();
        if !byte.is_ascii_graphic() {
            return None;
        }
        out.push(byte as char);
    }
    let out = out.strip_suffix('.').map(str::to_owned).unwrap_or(out);
    let puny = out.split('.').any(|label| label.starts_with("xn--"));
    (!out.is_empty() && !puny).then_some(out)
}

fn is_public_name(host: &str) -> bool {
    let ends = |end: &&&str| {
        host.strip_suffix(**end).is_some_and(|before| before.is_empty() || before.ends_with('.'))
    };
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    // One label is a name of the local network, or one that a container's resolver knows.
    host.contains('.') && host.bytes().all(sound) && PRIVATE_ENDS.iter().find(ends).is_none()
}

enum Ipv4 {
    Address(Ipv4Addr),
    /// It ends like an address and is none.
    Broken,
    Name,
}

/// Reads an address as browsers do: one to four numbers, each decimal, octal or hexadecimal, the last for all that is left.
fn ipv4(host: &str) -> Ipv4 {
    let parts: Vec<&str> = host.split('.').collect();
    let last = parts.last().copied().unwrap_or_default();
    let digits = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    if !digits && number(last).is_none() {
        return Ipv4::Name;
    }
    let numbers: Option<Vec<u64>> = parts.iter().map(|part| number(part)).collect();
    let Some(numbers) = numbers.filter(|numbers| numbers.len() <= 4) else { return Ipv4::Broken };
    let (before, last) = numbers.split_at(numbers.len() - 1);
    let room = 256u64.pow(5 - numbers.len() as u32);
    if before.iter().any(|&part| part > 255) || last[0] >= room {
        return Ipv4::Broken;
    }
    let head = before.iter().enumerate().map(|(at, part)| part << (24 - 8 * at)).sum::<u64>();
    Ipv4::Address(Ipv4Addr::from((head + last[0]) as u32))
}

fn number(text: &str) -> Option<u64> {
    if let Some(hex) = text.strip_prefix("0x") {
        return if hex.is_empty() { Some(0) } else { u64::from_str_radix(hex, 16).ok() };
    }
    match text.strip_prefix('0') {
        Some("") => Some(0),
        // Some parsers take a leading zero for octal, others for nothing: what is no octal number is no address.
        Some(octal) => u64::from_str_radix(octal, 8).ok(),
        None => text.parse().ok(),
    }
}

fn is_public_v6(text: &str) -> bool {
    // A zone says which link a local address is on (RFC 4007).
    let text = text.split('%').next().unwrap_or_default();
    let Ok(address) = text.parse::<Ipv6Addr>() else { return false };
    let parts = address.segments();
    let low = Ipv4Addr::from((u32::from(parts[6]) << 16) | u32::from(parts[7]));
    let six_to_four = Ipv4Addr::from((u32::from(parts[1]) << 16) | u32::from(parts[2]));
    match parts {
        // Unspecified, loopback, IPv4-compatible, IPv4-mapped and IPv4-translated.
        [0, 0, 0, 0, ..] => parts[..6].iter().any(|part| *part != 0) && is_public_v4(low),
        [0x64, 0xff9b, ..] => is_public_v4(low),
        [0x2002, ..] => is_public_v4(six_to_four),
        // Teredo, benchmarks, documentation.
        [0x2001, second, ..] => second >= 0x200 && second != 0xdb8,
        [first, ..] => (0x2000..0x3fff).contains(&first),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, d] = address.octets();
    let reserved = matches!((a, b, c), (192, 0, 0 | 2) | (192, 88, 99) | (198, 51, 100) | (203, 0, 113));
    let local = matches!(
        (a, b),
        (0 | 10 | 127 | 224.., _)
            | (100, 64..=127)
            | (169, 254)
            | (172, 16..=31)
            | (192, 168)
            | (198, 18 | 19)
    );
    // Azure's metadata service has a public address.
    !local && !reserved && (a, b, c, d) != (168, 63, 129, 16)
}
