//! The forward path: one connection in, its exchanges judged, charged, forwarded and recorded.
