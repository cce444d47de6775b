//! What the operator asked for: raw as written, compiled, and where each value came from.
