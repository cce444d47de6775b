//! What passes over several views of one text have to do with each other: matches handed over, starts held open.

use super::gates::Spot;
use super::history::Past;
use super::lane::Match;
use super::{Pass, Window};
use crate::inspect::{Engine, RuleIndex};
use crate::wire::event::Direction;

/// Where the oldest match begins that is still open, of rules that enforce and of rules that only warn; `u64::MAX` for
/// none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Live {
    /// Of rules that redact or block.
    pub enforcing: u64,
    /// Of rules that only report.
    pub warning: u64,
}

impl Default for Live {
    fn default() -> Live {
        Live { enforcing: u64::MAX, warning: u64::MAX }
    }
}

impl Live {
    /// The same place for both.
    pub fn both(start: u64) -> Live {
        Live { enforcing: start, warning: start }
    }

    /// The older one of each.
    #[must_use]
    pub fn min(self, other: Live) -> Live {
        Live { enforcing: self.enforcing.min(other.enforcing), warning: self.warning.min(other.warning) }
    }

    /// The older of the two.
    pub fn least(self) -> u64 {
        self.enforcing.min(self.warning)
    }

    /// The same places, told in other offsets.
    #[must_use]
    pub fn map(self, place: impl Fn(u64) -> u64) -> Live {
        let known = |start: u64| if start == u64::MAX { start } else { place(start) };
        Live { enforcing: known(self.enforcing), warning: known(self.warning) }
    }
}

impl Pass {
    /// A pass over text that was spaced out or encoded, which stands behind the byte `before`.
    pub fn inner(before: Option<u8>) -> Pass {
        let mut pass = Pass { inner: true, ..Pass::default() };
        pass.history.add(before.as_slice());
        pass
    }

    /// A second pass that goes on from here with other text. Of what is open it takes what began at `since` or later.
    #[must_use]
    pub fn branch(&self, since: u64) -> Pass {
        let mut live = self.live.clone();
        live.retain(|candidate| candidate.start >= since);
        let mut accepted = self.accepted.clone();
        accepted.retain(|accepted| accepted.start() >= since);
        let mut branch = Pass {
            live,
            accepted,
            kept: self.kept.clone(),
            history: self.history.clone(),
            seen: self.seen.clone(),
            armed: self.armed.clone(),
            ..Pass::default()
        };
        branch.fed = self.fed;
        branch.trim();
        branch
    }

    /// Takes out the matches that were found, whether or not they are decided.
    pub fn take_matches(&mut self, mut each: impl FnMut(RuleIndex, u64, u64)) {
        for found in self.enforcing.take().into_iter().chain(self.warning.take()) {
            each(found.rule, found.start, found.end);
        }
        self.trim();
    }

    /// Takes in what a view found, in this pass's offsets.
    pub fn adopt(&mut self, engine: &Engine, direction: Direction, rule: RuleIndex, start: u64, end: u64) {
        let lane = match engine.action(rule, direction).enforces() {
            true => &mut self.enforcing,
            false => &mut self.warning,
        };
        // A view holds what it has open, so this only guards against text that is gone.
        let kept = self.fed - self.kept.len() as u64;
        lane.add(Match { start: start.max(kept), end: end.max(kept), rule });
    }

    /// Nothing is decided beyond these places, and text from the older of them on is kept.
    pub fn hold(&mut self, views: Live) {
        self.views = views;
    }

    /// Where open matches begin; [`Pass::fed`] where there are none.
    pub fn live(&self, engine: &Engine, direction: Direction) -> Live {
        let mut live = Live { enforcing: self.fed, warning: self.fed };
        for candidate in &self.live {
            let lane = match engine.enforces(candidate.machine, direction) {
                true => &mut live.enforcing,
                false => &mut live.warning,
            };
            *lane = candidate.start.min(*lane);
        }
        live
    }

    /// Whether a match may begin with `byte`, if it comes next.
    pub fn may_begin(&self, engine: &Engine, direction: Direction, byte: u8) -> bool {
        let spot =
            Spot::new(Past { history: self.history.text(), text: &self.kept }, std::slice::from_ref(&byte));
        let mut gates = engine.gates().all().iter();
        gates.any(|gate| gate.admit(gate.begin(direction as usize, self.inner), spot).take().is_some())
    }

    /// Whether nothing is open.
    pub fn is_idle(&self) -> bool {
        self.live.is_empty()
    }

    /// Ends the text, without deciding what was found.
    pub fn end(&mut self, engine: &Engine, direction: Direction) {
        let kept = std::mem::take(&mut self.kept);
        self.end_all(Window { engine, direction, base: self.fed - kept.len() as u64, text: &kept });
        self.kept = kept;
    }
}
