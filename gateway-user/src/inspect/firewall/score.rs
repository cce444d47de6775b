//! How evidence adds up.

/// How far back of a segment's end evidence counts, bytes.
pub(super) const WINDOW: u64 = 1024;
/// Most pieces of evidence kept in one window; a rule that needs more is far beyond its threshold.
pub(super) const MOST_EVIDENCE: usize = 64;

/// A phrase that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Evidence {
    /// Number of the rule in the firewall, and of its group.
    pub rule: u16,
    pub group: u16,
    /// Where it begins in the text.
    pub start: u64,
}

/// The score of a rule from the groups that were found and from its model, each as independent evidence; groups with a
/// negative weight then take their part off.
pub(super) fn combine(weights: impl Iterator<Item = f32>) -> f32 {
    let (mut against, mut damp) = (1.0f32, 1.0f32);
    for weight in weights {
        match weight < 0.0 {
            true => damp *= 1.0 + weight,
            false => against *= 1.0 - weight,
        }
    }
    (1.0 - against) * damp
}
