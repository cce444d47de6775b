//! What is on the wire, without any I/O: framing, JSON spans, encodings and the dialects of LLM APIs.
//!
//! Nothing here opens a socket, reads a clock or spawns: bytes in, meaning and spans out.

pub mod data;
pub mod dialects;
pub mod edit;
pub mod encoding;
pub mod escape;
pub mod event;
pub mod framer;
pub mod frames;
pub mod head;
pub mod items;
pub mod json;
pub mod lines;
pub mod places;
pub mod reading;
pub mod shape;
pub mod sse;
pub mod unescape;
pub mod websocket;

pub use dialects::Dialect;
