//! Tests of `tls::authority`.
