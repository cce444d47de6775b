//! Edits of raw bytes: what is to be replaced, and the bytes once that is done.

use crate::wire::json::Span;

/// Bytes of a document to be replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Which bytes.
    pub span: Span,
    /// What takes their place, escaped as that place needs.
    pub text: String,
}

impl Edit {
    /// Empties a JSON value: an array stays one, anything else becomes `null`.
    pub fn empty(document: &[u8], span: Span) -> Edit {
        let text = if span.of(document).first() == Some(&b'[') { "[]" } else { "null" };
        Edit { span, text: text.to_owned() }
    }
}

/// `document` with the edits done, everything else byte for byte; sorts them. Where edits overlap, the text of the
/// first stands for all of them.
pub fn splice(document: &[u8], edits: &mut [Edit]) -> Vec<u8> {
    edits.sort_by_key(|edit| (edit.span.start, std::cmp::Reverse(edit.span.end)));
    let mut out = Vec::with_capacity(document.len() + 64);
    let mut done = 0;
    for edit in edits.iter() {
        let (start, end) = (edit.span.start as usize, edit.span.end as usize);
        if start >= done {
            out.extend_from_slice(&document[done..start]);
            out.extend_from_slice(edit.text.as_bytes());
        }
        done = done.max(end);
    }
    out.extend_from_slice(&document[done..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_edits_leave_one_text() {
        let edit = |start, end, text: &str| Edit { span: Span::new(start, end), text: text.to_owned() };
        let mut edits = [edit(5, 7, "Z"), edit(1, 3, "A"), edit(2, 4, "B"), edit(4, 5, "C"), edit(9, 9, "!")];
        assert_eq!(splice(b"0123456789", &mut edits), b"0ACZ78!9");
    }
}
