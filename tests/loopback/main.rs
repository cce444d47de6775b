//! Tests of the whole gateway over loopback: the real binary, a simulated provider, raw HTTP; no root needed.

mod check;
mod commands;
mod coverage;
mod dialects;
mod doors;
mod fidelity;
mod hostile;
mod mcp;
mod money;
mod natives;
mod plain;
mod protocol;
mod rows;
mod secrets;
mod streams;
mod tokens;
mod tools;
mod upstream;
mod verdicts;
mod websocket;
mod websocket_wire;
