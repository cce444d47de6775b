//! Containers: processes in network namespaces of their own, several apps under one gateway, and the ways to name them.

mod apps;
mod containers;
pub mod net;
mod places;
