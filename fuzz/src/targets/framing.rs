//! Framing and encodings: the same events however the bytes come, and nothing beyond the bounds.

use bytes::Bytes;
use gateway::wire::encoding::{Bounds, Decoder};
use gateway::wire::framer::{Framer, Framing};

use crate::cuts::cut;

const FRAMINGS: [Framing; 4] = [Framing::Events, Framing::Items, Framing::Lines, Framing::Frames];

/// Events in pieces are the events of the whole, and no byte is lost.
pub fn framing(data: &[u8]) {
    let Some((&choice, rest)) = data.split_first() else { return };
    let (text, pieces) = cut(rest);
    let events = |pieces: &[&[u8]]| {
        let mut framer = Framer::new(FRAMINGS[usize::from(choice) % FRAMINGS.len()]);
        let mut all = Vec::new();
        for piece in pieces {
            framer.push(Bytes::copy_from_slice(piece));
            loop {
                match framer.next_event() {
                    Ok(Some(place)) => all.push(framer.buffer().slice(place)),
                    Ok(None) => break,
                    // Nothing is read behind what cannot be.
                    Err(_) => return (all, false),
                }
            }
        }
        all.push(framer.rest());
        (all, true)
    };
    let (whole, read) = events(&[text]);
    if read {
        assert_eq!(whole.concat(), text);
    }
    assert_eq!(events(&pieces), (whole, read));
}

/// A decoder ends in text or an error, within its bounds.
pub fn encoding(data: &[u8]) {
    let Some((&choice, rest)) = data.split_first() else { return };
    let codings = ["gzip", "deflate", "br", "zstd", "gzip, br", "zstd, deflate"];
    let (_, pieces) = cut(rest);
    let bounds = Bounds { decoded: 1 << 16, ..Bounds::default() };
    let Ok(Some(mut decoder)) = Decoder::new(codings[usize::from(choice) % codings.len()], bounds) else {
        return;
    };
    let mut length = 0;
    for piece in pieces {
        match decoder.push(piece) {
            Ok(text) => length += text.len(),
            Err(_) => return,
        }
    }
    if let Ok(text) = decoder.finish() {
        assert!(length + text.len() <= 1 << 16, "beyond its bound");
    }
}
