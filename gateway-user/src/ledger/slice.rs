//! How much output is set aside at a time.

use super::account::Account;

/// Output tokens in a slice while the budget has plenty.
pub(super) const SLICE_TOKENS: u64 = 256;

/// All live flows together hold at most this part of what is left in slices they have not drawn on yet. So slices
/// shrink towards the end of a budget, and one flow's slice is not what another is cut for.
const SHARE_HELD: u64 = 8;

/// The size of the next slice, in nano-dollars, for a flow whose output token costs `per_token`.
///
/// `needed` is what the flow must have besides. The answer is zero where the share of what is left would not pay for
/// one token.
pub(super) fn next(lines: &[std::sync::Arc<Account>], per_token: u64, needed: u64) -> u64 {
    let full = per_token.saturating_mul(SLICE_TOKENS);
    let share = |line: &std::sync::Arc<Account>| {
        line.left().saturating_sub(needed) / line.live().max(1).saturating_mul(SHARE_HELD)
    };
    let slice = lines.iter().map(share).fold(full, u64::min);
    if slice < per_token { 0 } else { slice }
}
