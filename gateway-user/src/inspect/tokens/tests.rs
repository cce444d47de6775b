//! Tests of the vault and of finding tokens.
