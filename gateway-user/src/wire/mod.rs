//! What is on the wire, without any I/O: framing, JSON spans, encodings and the dialects of LLM APIs.

pub mod event;
