//! Kernel tests: real attachment, in network namespaces and cgroups of their own. They need root and fail without.

mod coverage;
mod direct;
mod known;
mod lifetime;
mod namespaces;
mod refused;
mod restarted;
mod setup;
mod spaces;
mod steered;
mod world;
