//! The local control socket: status, records and usage of the running gateway.
