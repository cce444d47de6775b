//! How connections reach us: kernel steering, listeners and cgroups.
