//! What peers open with: WebSocket frames and TLS hellos.

use gateway::tls::hello;
use gateway::wire::websocket::{Reader, ReaderOptions, Side};

use crate::cuts::cut;

/// Longest message, in bytes.
const MOST: u64 = 1 << 16;

/// A reader makes the same of the bytes however they come.
pub fn websocket(data: &[u8]) {
    let Some((&choice, rest)) = data.split_first() else { return };
    let (text, pieces) = cut(rest);
    let from = if choice & 1 == 0 { Side::Client } else { Side::Server };
    let deflate = [None, Some(false), Some(true)][usize::from(choice >> 1) % 3];
    let read = |pieces: &[&[u8]]| {
        let mut reader = Reader::new(ReaderOptions { from, most: MOST, deflate });
        let mut all = Vec::new();
        for piece in pieces {
            reader.buffer().extend_from_slice(piece);
            loop {
                match reader.next_incoming() {
                    Ok(Some(incoming)) => all.push(format!("{incoming:?}")),
                    Ok(None) => break,
                    Err(error) => {
                        all.push(error.to_string());
                        return all;
                    }
                }
            }
        }
        all
    };
    assert_eq!(read(&pieces), read(&[text]));
}

/// A hello is read, refused or waited for, and a longer prefix never unsays a decision.
pub fn hello(data: &[u8]) {
    let whole = format!("{:?}", hello::peek(data));
    if let hello::Peek::Hello(said) = hello::peek(data) {
        assert!(said.bytes <= data.len());
        assert_eq!(format!("{:?}", hello::peek(&data[..said.bytes])), whole);
    }
}
