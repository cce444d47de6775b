//! Small readings of header values: content types and encodings.

use crate::wire::framer::Framing;

/// How the events of a body of this `content-type` are set apart; `None` if it is no stream of events.
pub fn framing(content_type: &str) -> Option<Framing> {
    let media = media_type(content_type).to_ascii_lowercase();
    Some(match media.as_str() {
        "text/event-stream" => Framing::Events,
        "application/vnd.amazon.eventstream" => Framing::Frames,
        "application/x-ndjson" | "application/ndjson" | "application/stream+json" => Framing::Lines,
        "application/jsonl" | "application/x-jsonl" | "application/jsonlines" | "application/x-jsonlines" => {
            Framing::Lines
        }
        _ => return None,
    })
}

/// Whether a body of this `content-type` is JSON (`application/json`, `…+json`), not a sequence of documents.
pub fn is_json(content_type: &str) -> bool {
    let media = media_type(content_type).to_ascii_lowercase();
    media == "application/json" || media.ends_with("+json") && framing(content_type).is_none()
}

/// Whether a body of this `content-type` is sound, pictures or film, in which no text can be found.
pub fn is_media(content_type: &str) -> bool {
    let media = media_type(content_type).to_ascii_lowercase();
    ["audio/", "image/", "video/", "font/"].iter().any(|kind| media.starts_with(kind))
        && !media.ends_with("+xml")
}

fn media_type(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

/// The encodings we can decode, in the order they are asked for upstream.
pub const DECODABLE: &[&str] = &["gzip", "deflate", "br", "zstd", "identity"];

/// The part of an `accept-encoding` value (RFC 9110 §12.5.3) that we can decode, as the client wrote it; `identity`
/// when nothing is left, so that upstream is never asked for what we cannot read.
pub fn limit_accept_encoding(value: &str) -> String {
    let kept: Vec<&str> = value
        .split(',')
        .map(str::trim)
        .filter(|part| {
            let name = part.split(';').next().unwrap_or_default().trim();
            DECODABLE.iter().any(|known| name.eq_ignore_ascii_case(known))
                || name.eq_ignore_ascii_case("x-gzip")
        })
        .collect();
    if kept.is_empty() { "identity".to_owned() } else { kept.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_encoding_keeps_what_we_can_decode() {
        let check =
            |value: &str, expected: &str| assert_eq!(limit_accept_encoding(value), expected, "{value}");
        check("gzip, deflate, br, zstd", "gzip, deflate, br, zstd");
        check("gzip;q=1.0, exi, *;q=0.1", "gzip;q=1.0");
        check("dcb", "identity");
        check("", "identity");
        check("GZIP", "GZIP");
    }

    #[test]
    fn content_types_are_read_without_their_parameters() {
        assert_eq!(framing("text/event-stream; charset=utf-8"), Some(Framing::Events));
        assert_eq!(framing("Text/Event-Stream"), Some(Framing::Events));
        assert_eq!(framing("text/event-streams"), None);
        assert_eq!(framing("application/vnd.amazon.eventstream"), Some(Framing::Frames));
        assert_eq!(framing("application/stream+json"), Some(Framing::Lines));
        assert!(!is_json("application/stream+json"));
        assert!(is_json("application/problem+json"));
        assert!(!is_json("application/x-ndjson"));
        assert!(is_media("image/png") && !is_media("image/svg+xml") && !is_media("application/pdf"));
    }
}
