//! Work on many things by all processors at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Threads at most.
const MOST: usize = 8;

/// What `work` makes of each thing, in order.
pub(super) fn map<T: Sync, R: Send>(things: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(MOST);
    let next = AtomicUsize::new(0);
    let turn = || {
        let take = || {
            let place = next.fetch_add(1, Ordering::Relaxed);
            things.get(place).map(|thing| (place, work(thing)))
        };
        std::iter::from_fn(take).collect::<Vec<_>>()
    };
    let mut done: Vec<(usize, R)> = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(turn)).collect();
        let mut done = turn();
        for other in others {
            match other.join() {
                Ok(more) => done.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    done.sort_unstable_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn results_are_in_order() {
        let things: Vec<usize> = (0..999).collect();
        assert_eq!(
            super::map(&things, |thing| thing * 2),
            things.iter().map(|thing| thing * 2).collect::<Vec<_>>()
        );
    }
}
