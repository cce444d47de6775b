//! Connections to providers: dialled, verified, pooled.
//!
//! Invariant: nothing here looks at a body. A target's certificate must match the name the app asked for, at the
//! address the app chose, so both are part of the pool's key.

mod body;
mod dial;
mod pool;
mod target;
mod tunnel;

pub use body::SendBody;
pub use dial::UpstreamError;
pub use pool::{Lease, Pool, PoolLimits, Sent};
pub use target::{Alpn, Target};
pub use tunnel::{Answer, Tunnel};
