//! Tests of `tls::trust`.
