//! Certificates and trust: the client's hello, our CA and its leaves, and how upstreams are verified.
