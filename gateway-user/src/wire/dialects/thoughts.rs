//! Reasoning in streams that do not say where it ends: it ends where the answer goes on without it.

use crate::wire::event::Kind;
use crate::wire::reading::Reading;

/// The number that thoughts get in place of a block's, so that they can end before the answer does.
pub(super) const THOUGHTS: u16 = u16::MAX;

/// Sets thoughts apart from the answer. Where the answer goes on without them they have come to their end, and
/// [`Facts::block`](crate::wire::reading::Facts::block) says so.
pub(super) fn set_apart(reading: &mut Reading) {
    let (mut thinks, mut speaks) = (false, false);
    for piece in &mut reading.pieces {
        match piece.channel.kind {
            Kind::Thinking => {
                thinks |= !piece.span.is_empty();
                piece.channel.block = THOUGHTS;
            }
            Kind::Assistant => speaks |= !piece.span.is_empty(),
            _ => {}
        }
    }
    reading.facts.block = (speaks && !thinks).then_some(THOUGHTS);
}
