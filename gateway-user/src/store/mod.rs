//! Where state lives: one small trait and the stores behind it.
