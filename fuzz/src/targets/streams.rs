//! Streamed replies: the same bytes go out however they come in.

use std::sync::Arc;

use bytes::Bytes;
use gateway::inspect::reply::{ReplyOptions, ReplyStream};
use gateway::wire::framer::Framing;

use super::{ENGINE, dialect};
use crate::cuts::cut;

const FRAMINGS: [Option<Framing>; 5] =
    [None, Some(Framing::Events), Some(Framing::Items), Some(Framing::Lines), Some(Framing::Frames)];

/// What is released of a stream in pieces is what is released of it whole.
pub fn stream(data: &[u8]) {
    let [choice, form, rest @ ..] = data else { return };
    let (text, pieces) = cut(rest);
    let framing = FRAMINGS[usize::from(*form) % FRAMINGS.len()];
    let options = ReplyOptions { framing, ..ReplyOptions::default() };
    let released = |pieces: &[&[u8]]| {
        let mut stream = ReplyStream::new(Arc::clone(&ENGINE), dialect(*choice), options);
        let (mut bytes, mut out) = (Vec::new(), Vec::new());
        for piece in pieces {
            stream.push(Bytes::copy_from_slice(piece), &mut out);
            out.drain(..).for_each(|released| bytes.extend_from_slice(&released.bytes));
        }
        if stream.stop().is_none() {
            stream.finish(&mut out);
            out.drain(..).for_each(|released| bytes.extend_from_slice(&released.bytes));
        }
        (bytes, stream.stop(), stream.usage())
    };
    assert_eq!(released(&pieces), released(&[text]));
}
