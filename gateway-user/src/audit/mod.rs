//! The record of every flow, chained so that edits show.
