//! What every trained model does: look at segments, and tell how likely a passage is what a head is about.

/// The most heads a model has.
pub(super) const MAX_HEADS: usize = 4;

/// What a model keeps of one segment, per head; what the numbers mean is the model's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    /// Features seen.
    pub count: u32,
    /// One number a head.
    pub heads: [i32; MAX_HEADS],
}

/// A trained model. It keeps no state and gives the same for the same segment.
pub(crate) trait Scorer: Send + Sync {
    /// The number of the head of a name.
    fn head(&self, name: &str) -> Option<usize>;

    /// Looks at one segment, which is in lower case.
    fn look(&self, segment: &[u8]) -> Sums;

    /// How likely the passage of two segments on end is what a head tells, 0 to 1.
    fn probability(&self, head: usize, before: Sums, now: Sums) -> f32;

    /// On what data it was trained, when, and how well it did on data it had not seen.
    fn note(&self) -> &str;

    /// Bytes of its tables.
    fn memory(&self) -> usize;
}
