//! Says what the demo's calls showed, after checking that they did.

use anyhow::{Context, bail, ensure};

use super::call::LONG;
use super::watch::Seen;
use crate::simulate::sample_key;

/// What the first call showed.
///
/// # Errors
/// When the key reached the app, or nothing stands in its place.
pub(super) fn redacted(seen: &Seen) -> anyhow::Result<String> {
    let (key, text) = (sample_key(), seen.app_text());
    ensure!(seen.sent.concat().contains(&key), "the provider did not send its key");
    ensure!(!text.contains(&key), "the key reached the app");
    let end = text.find("_REDACTED]").context("the app received no mask in the key's place")?;
    let start = text[..end].rfind('[').context("the mask in the key's place is broken")?;
    let pieces = seen.sent.iter().filter(|piece| piece.len() >= 4 && key.contains(piece.as_str())).count();
    let mask = &text[start..end + "_REDACTED]".len()];
    Ok(format!(
        "\n   The key left the provider in {pieces} pieces. The app got {mask} and everything else.\n"
    ))
}

/// What the second call showed.
///
/// # Errors
/// When the answer came whole, without the reason, or without an ending.
pub(super) fn cut(seen: &Seen) -> anyhow::Result<String> {
    let (sent, text) = (seen.sent.len(), seen.app_text());
    if sent >= LONG || !text.contains("budget") {
        bail!("the stream was not cut at its budget: the provider sent {sent} of {LONG} deltas");
    }
    ensure!(seen.ended, "the cut stream has no ending");
    Ok(format!(
        "The provider was stopped after {sent} of {LONG} deltas. The app's stream ended well-formed, with the reason."
    ))
}
