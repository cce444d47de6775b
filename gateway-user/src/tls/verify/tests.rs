//! Tests of `tls::verify`.
