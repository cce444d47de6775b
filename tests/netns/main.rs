//! Kernel tests: real attachment, in network namespaces and cgroups of their own. They need root and fail without.

mod coverage;
mod direct;
mod existing;
mod known;
mod lifetime;
mod namespaces;
mod redirect;
mod refused;
mod restarted;
mod rights;
mod setup;
mod spaces;
mod steered;
mod world;
