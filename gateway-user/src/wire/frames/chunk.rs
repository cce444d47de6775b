//! A frame whose payload is not read as it stands: JSON in base64 inside of JSON, or an exception.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::wire::edit::{Edit, splice};
use crate::wire::escape;
use crate::wire::json::{Span, Token, Tokens};

/// The field of a payload that holds a document in base64.
const ENCODED: &[u8] = b"bytes";

/// What stands before an exception's payload in the document it is read as, and after it.
const ERROR: (&[u8], &[u8]) = (b"{\"error\":", b"}");

/// A document that is made from a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// What is read: the payload with the decoded document in place of the string that holds it.
    pub document: Vec<u8>,
    /// Where in the document that stands which is written otherwise in the frame.
    inner: Span,
    /// Where in the frame that is.
    hole: Span,
    /// Whether it is base64 there.
    encoded: bool,
}

impl Chunk {
    /// The payload of an exception, as the field `error` of an object.
    pub(super) fn error(frame: &[u8], payload: Span) -> Chunk {
        let text = if payload.is_empty() { b"{}" } else { payload.of(frame) };
        let document = [ERROR.0, text, ERROR.1].concat();
        let inner = Span::new(ERROR.0.len(), ERROR.0.len() + text.len());
        Chunk { document, inner, hole: payload, encoded: false }
    }

    /// The payload with its field `bytes` decoded; `None` if it has none.
    pub(super) fn decoded(frame: &[u8], payload: Span) -> Option<Chunk> {
        let text = payload.of(frame);
        let (string, escaped) = encoded(text)?;
        let mut base64 = Vec::new();
        if escaped {
            escape::decode(string.of(text), &mut base64);
        } else {
            base64.extend_from_slice(string.of(text));
        }
        let inner = STANDARD.decode(&base64).ok()?;
        // The quotes belong to what is replaced.
        let (start, end) = (string.start as usize - 1, string.end as usize + 1);
        let document = [&text[..start], &inner, &text[end..]].concat();
        let hole = Span::new(start, end).moved_by(i64::from(payload.start));
        Some(Chunk { document, inner: Span::new(start, start + inner.len()), hole, encoded: true })
    }

    /// Edits of the document as edits of the frame. One that reaches over the border of what is encoded ends there.
    pub(in crate::wire) fn edits(&self, edits: &[Edit]) -> Vec<Edit> {
        let (start, end) = (self.inner.start, self.inner.end);
        let (mut inside, mut outer) = (Vec::new(), Vec::new());
        for edit in edits {
            let Span { start: from, end: to } = edit.span;
            let text = edit.text.clone();
            if from < end && to > start {
                inside.push(Edit { span: Span { start: from.max(start), end: to.min(end) }, text });
            } else {
                let by = if to <= start {
                    i64::from(self.hole.start) - i64::from(start)
                } else {
                    i64::from(self.hole.end) - i64::from(end)
                };
                outer.push(Edit { span: edit.span.moved_by(by), text });
            }
        }
        if !self.encoded {
            let by = i64::from(self.hole.start) - i64::from(start);
            outer.extend(inside.into_iter().map(|edit| Edit { span: edit.span.moved_by(by), ..edit }));
        } else if !inside.is_empty() {
            inside.iter_mut().for_each(|edit| edit.span = edit.span.moved_by(-i64::from(start)));
            let text = splice(self.inner.of(&self.document), &mut inside);
            outer.push(Edit { span: self.hole, text: format!("\"{}\"", STANDARD.encode(text)) });
        }
        outer
    }
}

/// The string of the top-level field [`ENCODED`], and whether it holds escapes.
fn encoded(payload: &[u8]) -> Option<(Span, bool)> {
    let mut tokens = Tokens::new(payload);
    let mut named = false;
    while let Ok(Some(token)) = tokens.next_token() {
        match token {
            Token::Key(span, _) => named = tokens.depth() == 1 && span.of(payload) == ENCODED,
            Token::String(span, escaped) if named => return Some((span, escaped)),
            _ => named = false,
        }
    }
    None
}
