//! Connections to providers: dialled, verified, pooled.
