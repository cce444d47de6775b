//! What text may pass: rules, the exact scan, and the holdback of bodies and streams.
