//! What can be wrong with the bytes of a WebSocket, and the close code that says so.

/// Why a connection cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebSocketError {
    /// Against the protocol.
    #[error("the WebSocket broke the protocol: {0}")]
    Protocol(&'static str),
    /// Text that is none.
    #[error("a WebSocket text message is not UTF-8")]
    NotText,
    /// A message, or what it decompresses to, is larger than allowed.
    #[error("a WebSocket message is larger than {0} bytes and cannot be inspected as a whole")]
    TooLarge(u64),
    /// A message expands more than allowed.
    #[error("a WebSocket message expands more than {0} times")]
    TooDense(u64),
    /// A message is cut into more frames than allowed.
    #[error("a WebSocket message comes in more than {0} frames")]
    TooManyFrames(u32),
    /// Not what DEFLATE looks like (RFC 1951).
    #[error("a compressed WebSocket message is broken")]
    Deflate,
    /// Extensions that nobody here can undo.
    #[error("the WebSocket's extensions cannot be inspected; offer permessage-deflate only")]
    Extension,
}

impl WebSocketError {
    /// The code of the close frame that tells the peer (RFC 6455 §7.4.1).
    pub fn close_code(self) -> u16 {
        match self {
            WebSocketError::Protocol(_) | WebSocketError::Extension => 1002,
            WebSocketError::NotText | WebSocketError::Deflate => 1007,
            WebSocketError::TooLarge(_) | WebSocketError::TooDense(_) | WebSocketError::TooManyFrames(_) => {
                1009
            }
        }
    }
}
