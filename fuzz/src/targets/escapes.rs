//! Escapes: undone alike however the text is cut, and written so that reading gives back the same.

use gateway::wire::escape;
use gateway::wire::unescape::Unescape;

use crate::cuts::cut;

/// Undoing in pieces is undoing the whole; what was written reads back.
pub fn escapes(data: &[u8]) {
    let (text, pieces) = cut(data);
    let undone = |pieces: &[&[u8]]| {
        let (mut unescape, mut out) = (Unescape::default(), Vec::new());
        pieces.iter().for_each(|piece| unescape.push(piece, &mut out));
        unescape.finish(&mut out);
        assert!(unescape.source_end(out.len() as u64) <= text.len() as u64);
        out
    };
    assert_eq!(undone(&pieces), undone(&[text]));
    let (mut written, mut read) = (Vec::new(), Vec::new());
    escape::encode(text, &mut written);
    escape::decode(&written, &mut read);
    if std::str::from_utf8(text).is_ok() {
        assert_eq!(read, text);
    }
}
