//! WebSocket (RFC 6455) with permessage-deflate (RFC 7692): messages out of bytes, with the frames they came in.
//!
//! A [`Reader`] per direction assembles messages and keeps their frames as they came; a [`Writer`] per direction hands
//! them on. A message that nothing changed goes out in the very same frames, masks and compression included. One that
//! was changed goes out in one frame, uncompressed, which both RFCs allow for any message. Where the peer's decoder
//! carries its window from message to message, it then lacks what it was not sent; so every later message of that
//! direction goes uncompressed as well. That is exact whatever was negotiated, and needs no compressor.

mod deflate;
mod error;
mod frame;
mod offer;
mod reader;
mod writer;

pub use deflate::MAX_RATIO;
pub use error::WebSocketError;
pub use frame::{Frame, Head, Opcode, apply_mask};
pub use offer::{Deflate, agreed, limit_offer};
pub use reader::{Control, Incoming, MOST_FRAMES, Message, Reader, ReaderOptions};
pub use writer::{FreshMask, Writer};

/// Who wrote a frame. Clients mask theirs, servers never do (RFC 6455 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one that asked for the connection.
    Client,
    /// The one that answered.
    Server,
}

/// What a message is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8.
    Text,
    /// Any bytes.
    Binary,
}

impl Kind {
    /// The opcode that starts such a message.
    pub fn opcode(self) -> Opcode {
        match self {
            Kind::Text => Opcode::Text,
            Kind::Binary => Opcode::Binary,
        }
    }
}

#[cfg(test)]
mod tests;
