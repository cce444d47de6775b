//! Takes permessage-deflate off the messages of one direction (RFC 7692 §7.2.2), bounded in size and in ratio.
//!
//! The window is kept here, in front of the text that is being decoded, so that every reference is checked against what
//! there really is. A decoder that reads zeros where a reference leads nowhere would see another text than the peer.

use bytes::Bytes;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use super::WebSocketError;

/// Most decoded bytes per encoded byte of one message, beyond the first mebibyte.
pub const MAX_RATIO: u64 = 200;

/// Decoded bytes to which the ratio does not apply yet.
const RATIO_FREE: u64 = 1 << 20;

/// What every compressed message ends with and its sender leaves out (RFC 7692 §7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

/// The largest window of DEFLATE, in bytes (RFC 1951 §2); it reads what any smaller one wrote.
const WINDOW: usize = 32 * 1024;

/// Room that is made before each step, in bytes.
const ROOM: usize = 4096;

/// Largest buffer that is kept from message to message, in bytes.
const KEPT: usize = 256 * 1024;

/// The decoder of one direction.
pub(super) struct Inflater {
    state: Box<DecompressorOxide>,
    /// The window goes on from message to message.
    keeps_context: bool,
    /// Most decoded bytes of one message.
    most: u64,
    /// Encoded bytes of the message at hand.
    encoded: u64,
    /// The window, what is decoded of the message at hand, and room.
    buffer: Vec<u8>,
    /// Where in `buffer` the window ends and the message starts.
    start: usize,
    /// Where what is decoded ends.
    end: usize,
}

impl Inflater {
    /// A decoder before the first message, for messages that decode to at most `most` bytes.
    pub fn new(keeps_context: bool, most: u64) -> Inflater {
        let state = Box::default();
        Inflater { state, keeps_context, most, encoded: 0, buffer: Vec::new(), start: 0, end: 0 }
    }

    /// Decodes the next part of a message.
    pub fn push(&mut self, part: &[u8]) -> Result<(), WebSocketError> {
        self.encoded += part.len() as u64;
        self.decode(part)
    }

    /// Decodes what is left of a message after its last part, and gives the whole.
    pub fn finish(&mut self) -> Result<Bytes, WebSocketError> {
        self.decode(&TAIL)?;
        let text = Bytes::copy_from_slice(&self.buffer[self.start..self.end]);
        self.encoded = 0;
        let from = if self.keeps_context { self.end.saturating_sub(WINDOW) } else { self.end };
        self.buffer.copy_within(from..self.end, 0);
        self.start = self.end - from;
        self.end = self.start;
        if self.buffer.len() > KEPT {
            self.buffer.truncate(self.end);
            self.buffer.shrink_to_fit();
        }
        Ok(text)
    }

    fn decode(&mut self, mut rest: &[u8]) -> Result<(), WebSocketError> {
        const FLAGS: u32 = TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF | TINFL_FLAG_HAS_MORE_INPUT;
        let dense = self.encoded.saturating_mul(MAX_RATIO).max(RATIO_FREE);
        loop {
            if self.buffer.len() < self.end + ROOM {
                self.buffer.resize(self.end + ROOM.max(self.end - self.start), 0);
            }
            let (status, read, written) =
                decompress(&mut self.state, rest, &mut self.buffer, self.end, FLAGS);
            rest = &rest[read..];
            self.end += written;
            let decoded = (self.end - self.start) as u64;
            if decoded > self.most {
                return Err(WebSocketError::TooLarge(self.most));
            }
            if decoded > dense {
                return Err(WebSocketError::TooDense(MAX_RATIO));
            }
            match status {
                TINFLStatus::HasMoreOutput => {}
                // A final block ends the stream, not the message (RFC 7692 §7.2.3.4).
                TINFLStatus::Done => {
                    self.state.init();
                    if rest.is_empty() {
                        return Ok(());
                    }
                }
                TINFLStatus::NeedsMoreInput => return Ok(()),
                _ => return Err(WebSocketError::Deflate),
            }
        }
    }
}
