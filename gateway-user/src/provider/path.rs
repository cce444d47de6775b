//! Path patterns of the catalog.

/// A path of the catalog. `*` is any one segment, a last `**` any number of them, also none. `{model}`, alone in its
/// segment or before a text like `:generateContent`, is any text, and names the model.
#[derive(Debug)]
pub(super) struct PathPattern {
    segments: Vec<Segment>,
    open: bool,
}

#[derive(Debug)]
enum Segment {
    Exact(String),
    Any,
    /// The model, and what follows it.
    Model(String),
}

const MODEL: &str = "{model}";

impl PathPattern {
    /// Reads a pattern. `None` if it does not start with a slash.
    pub(super) fn parse(text: &str) -> Option<PathPattern> {
        let mut segments: Vec<&str> = text.strip_prefix('/')?.split('/').collect();
        let open = segments.pop_if(|last| *last == "**").is_some();
        Some(PathPattern { segments: segments.into_iter().map(Segment::parse).collect(), open })
    }

    /// Whether `path` fits; a slash at its end does not matter.
    pub(super) fn fits(&self, path: &str) -> bool {
        let Some(mut given) = segments(path) else { return false };
        for wanted in &self.segments {
            match given.next() {
                Some(segment) if wanted.fits(segment) => {}
                _ => return false,
            }
        }
        self.open || given.next().is_none()
    }

    /// The model that a path which fits names.
    pub(super) fn model(&self, path: &str) -> Option<String> {
        let of = |(wanted, given): (&Segment, &str)| match wanted {
            Segment::Model(rest) => given.strip_suffix(rest.as_str()).map(decoded),
            _ => None,
        };
        self.segments.iter().zip(segments(path)?).find_map(of)
    }
}

impl Segment {
    fn parse(text: &str) -> Segment {
        match text.strip_prefix(MODEL) {
            _ if text == "*" => Segment::Any,
            Some(rest) => Segment::Model(rest.to_owned()),
            None => Segment::Exact(text.to_owned()),
        }
    }

    fn fits(&self, given: &str) -> bool {
        match self {
            Segment::Exact(text) => text == given,
            Segment::Any => true,
            Segment::Model(rest) => given.strip_suffix(rest.as_str()).is_some_and(|model| !model.is_empty()),
        }
    }
}

/// Whether a server may read `path` as another one: it has dot segments (RFC 3986 §5.2.4), or slashes in a segment.
pub(super) fn may_move(path: &str) -> bool {
    path.split('/').map(decoded).any(|segment| {
        matches!(segment.as_str(), "." | "..") || segment.starts_with("..;") || segment.contains(['/', '\\'])
    })
}

/// The text that a segment stands for (RFC 3986 §2.1).
fn decoded(segment: &str) -> String {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digit = |at: usize| after.get(at).and_then(|&byte| char::from(byte).to_digit(16));
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high << 4 | low) as u8);
                rest = &after[2..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn segments(path: &str) -> Option<std::str::Split<'_, char>> {
    let path = path.strip_prefix('/')?;
    Some(path.strip_suffix('/').unwrap_or(path).split('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_may_be_others_are_known() {
        for moved in ["/a/../b", "/a/%2e%2E/b", "/./a", "/a%2fb", "/a%5C..%5Cb", "/a/..;/b"] {
            assert!(may_move(moved), "{moved}");
        }
        for plain in
            ["/v1/chat/completions", "/v1/models/gpt-4.1", "/models/a%3Ab:generate", "/.well-known/x", "/"]
        {
            assert!(!may_move(plain), "{plain}");
        }
    }

    #[test]
    fn paths_fit_and_name_models() {
        let check = |pattern: &str, path: &str, fits: bool, model: Option<&str>| {
            let pattern = PathPattern::parse(pattern).expect("a pattern");
            assert_eq!((pattern.fits(path), pattern.model(path).as_deref()), (fits, model), "{path}");
        };
        check("/v1/models/**", "/v1/models", true, None);
        check("/v1/models/**", "/v1/models/a/b", true, None);
        check("/v1/models/**", "/v1/model", false, None);
        check("/v1/*/chat", "/v1/x/chat/", true, None);
        check("/v1/*/chat", "/v1/x/y/chat", false, None);
        check("/v1/models/{model}:generateContent", "/v1/models/g-2:generateContent", true, Some("g-2"));
        check("/v1/models/{model}:generateContent", "/v1/models/:generateContent", false, Some(""));
        check("/v1/models/{model}:generateContent", "/v1/models/g:countTokens", false, None);
        check("/model/{model}/converse", "/model/anthropic.claude/converse", true, Some("anthropic.claude"));
        let (encoded, model) = ("/model/us.amazon.nova-1%3A0%2f%zz/converse", "us.amazon.nova-1:0/%zz");
        check("/model/{model}/converse", encoded, true, Some(model));
        check("/**", "/", true, None);
        assert!(PathPattern::parse("v1").is_none());
    }
}
