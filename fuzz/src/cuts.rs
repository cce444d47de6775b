//! Input that says itself how it is cut: its first bytes are the lengths of the pieces of the rest.

/// Most pieces an input is cut into.
const MOST: usize = 16;

/// The text of an input, and its pieces; together they are the text.
pub fn cut(data: &[u8]) -> (&[u8], Vec<&[u8]>) {
    let Some((&count, rest)) = data.split_first() else { return (&[], Vec::new()) };
    let count = usize::from(count) % MOST;
    let (lengths, text) = rest.split_at(count.min(rest.len()));
    let (mut left, mut pieces) = (text, Vec::new());
    for length in lengths {
        let (piece, after) = left.split_at(usize::from(*length).min(left.len()));
        pieces.push(piece);
        left = after;
    }
    pieces.push(left);
    (text, pieces)
}
