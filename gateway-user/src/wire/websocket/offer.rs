//! The extensions of a handshake: an offer limited to what can be undone, and what was agreed on (RFC 6455 §9.1).

use super::WebSocketError;

/// The one extension that is understood.
const DEFLATE: &str = "permessage-deflate";

/// permessage-deflate as agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deflate {
    /// The client's compressor carries its window from message to message.
    pub client_keeps_context: bool,
    /// The server's does.
    pub server_keeps_context: bool,
}

/// The part of an offer (`sec-websocket-extensions` of a request) that can be undone here; `None` when nothing is left.
pub fn limit_offer(offer: &str) -> Option<String> {
    let known: Vec<&str> = split(offer, ',')
        .map(str::trim)
        .filter(|one| parameters(one).is_some_and(|all| fits(&all)))
        .collect();
    (!known.is_empty()).then(|| known.join(", "))
}

/// What an answer's `sec-websocket-extensions` agrees on.
///
/// # Errors
/// [`WebSocketError::Extension`] for anything but one permessage-deflate with parameters of RFC 7692 §7.1.
pub fn agreed(answer: Option<&str>) -> Result<Option<Deflate>, WebSocketError> {
    let Some(answer) = answer.map(str::trim).filter(|answer| !answer.is_empty()) else { return Ok(None) };
    let all = parameters(answer).filter(|all| split(answer, ',').count() == 1 && fits(all));
    let all = all.ok_or(WebSocketError::Extension)?;
    let has = |name: &str| all.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
    Ok(Some(Deflate {
        client_keeps_context: !has("client_no_context_takeover"),
        server_keeps_context: !has("server_no_context_takeover"),
    }))
}

/// The parameters of one permessage-deflate; `None` for other extensions.
fn parameters(extension: &str) -> Option<Vec<(&str, Option<&str>)>> {
    let mut parts = split(extension, ';').map(str::trim);
    parts.next().filter(|name| name.eq_ignore_ascii_case(DEFLATE))?;
    Some(
        parts
            .map(|part| match part.split_once('=') {
                Some((name, value)) => (name.trim_end(), Some(value.trim().trim_matches('"'))),
                None => (part, None),
            })
            .collect(),
    )
}

/// Whether these are parameters of RFC 7692 §7.1, each once.
fn fits(all: &[(&str, Option<&str>)]) -> bool {
    let window = |value: &str| matches!(value.parse(), Ok(8..=15));
    all.iter().enumerate().all(|(index, (name, value))| {
        let once = all[..index].iter().all(|(other, _)| !other.eq_ignore_ascii_case(name));
        once && match name.to_ascii_lowercase().as_str() {
            "server_no_context_takeover" | "client_no_context_takeover" => value.is_none(),
            "server_max_window_bits" => value.is_some_and(window),
            "client_max_window_bits" => value.is_none_or(window),
            _ => false,
        }
    })
}

/// Splits at `separator` outside quoted strings.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |letter| {
        quoted ^= letter == '"';
        letter == separator && !quoted
    })
}
