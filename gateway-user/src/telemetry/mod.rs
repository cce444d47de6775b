//! Log set-up and the counters every other room may raise.
