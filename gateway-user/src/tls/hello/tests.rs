//! Tests of `tls::hello`.
