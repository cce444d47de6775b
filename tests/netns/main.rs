//! Kernel tests: real attachment, in network namespaces and cgroups of their own. They need root and fail without.

mod known;
mod lifetime;
mod refused;
mod setup;
mod spaces;
mod steered;
mod world;
