//! Tests of the whole gateway over loopback: the real binary, a simulated provider, raw HTTP; no root needed.

mod commands;
mod doors;
mod fidelity;
mod hostile;
mod money;
mod protocol;
mod secrets;
mod streams;
mod upstream;
mod websocket;
mod websocket_wire;
