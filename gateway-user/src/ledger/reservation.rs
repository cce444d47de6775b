//! What one flow has set aside: drawn on while its reply passes, settled when it ends.

use std::sync::Arc;

use super::account::{Account, Denied};
use super::book::Book;
use super::{Nanos, Price, slice};
use crate::store::StoreError;
use crate::wire::event::Usage;

/// Nano-dollars per million tokens to nano-dollars per token.
const PER_MILLION: u128 = 1_000_000;

/// Why a flow may not begin, or go on.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// An enforced budget has no room.
    #[error(
        "budget {budget} is used up: {spent} of {limit} are spent or set aside, {needed} more are needed; \
         raise the limit to go on"
    )]
    Exhausted {
        /// The budget's name.
        budget: String,
        /// Its limit.
        limit: Nanos,
        /// What is spent, and set aside by running flows.
        spent: Nanos,
        /// What the flow asked for.
        needed: Nanos,
    },
    /// The price table does not know the model, an enforced budget applies, and the rule is to refuse.
    #[error(
        "model {model:?} has no price, so budget {budget} cannot be kept: add it to the price file, \
         or set the rule for unknown models to highest or free"
    )]
    UnknownModel {
        /// The model as the client named it.
        model: String,
        /// An enforced budget that applies.
        budget: String,
    },
    /// The next block of an enforced budget could not be made durable.
    #[error("budget {budget} cannot be kept: {source}")]
    Store {
        /// The budget's name.
        budget: String,
        /// What the store said.
        source: StoreError,
    },
}

impl Refused {
    /// The budget that refused.
    pub fn budget(&self) -> &str {
        match self {
            Refused::Exhausted { budget, .. }
            | Refused::UnknownModel { budget, .. }
            | Refused::Store { budget, .. } => budget,
        }
    }
}

/// What a flow is settled on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settle {
    /// The provider's final usage. All zeros count as no report, that is as [`Settle::Counted`].
    Reported(Usage),
    /// The provider reported its input and the stream then broke off: output is the higher of reported and drawn.
    InputReported(Usage),
    /// No report: the input that was estimated and the output that was drawn.
    Counted,
    /// The provider refused or never got the request: nothing is billed.
    Nothing,
}

/// What a flow came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The cost, rounded up to the next nano-dollar.
    pub cost: Nanos,
    /// Input tokens, cached ones included.
    pub input: u64,
    /// Output tokens, reasoning included.
    pub output: u64,
    /// Whether any of it was estimated, not reported.
    pub estimated: bool,
    /// Whether the price table knows the model; if not, `cost` follows the rule for unknown models.
    pub priced: bool,
    /// The part of `cost` that an enforced budget had no room for; at most one delta, save for errors of the estimate.
    pub overshoot: Nanos,
    /// Whether a budget that applies, enforced or not, stands above its limit now.
    pub over_limit: bool,
}

/// A flow's share of the budgets that apply to it. Dropped without [`settle`](Reservation::settle) it settles as
/// [`Settle::Counted`], so nothing stays set aside.
pub struct Reservation {
    book: Arc<Book>,
    lines: Vec<Arc<Account>>,
    price: Price,
    input: u64,
    output: u64,
    /// Nano-dollars set aside on each line.
    held: u64,
    /// Output tokens that `held` pays for.
    covered: u64,
    /// Output tokens at which the next slice is asked for.
    ahead: u64,
    warning: Option<Refused>,
    settled: bool,
}

impl Reservation {
    pub(super) fn new(
        book: Arc<Book>,
        lines: Vec<Arc<Account>>,
        price: Price,
        input: u64,
    ) -> Result<Reservation, Refused> {
        lines.iter().for_each(|line| line.enter());
        let mut reservation = Reservation {
            book,
            lines,
            price,
            input,
            output: 0,
            held: 0,
            covered: 0,
            ahead: 0,
            warning: None,
            settled: false,
        };
        let needed = reservation.cost_of(1);
        reservation.warning = reservation.lines.iter().find_map(|line| over_limit(line, needed));
        if let Err(refused) = reservation.extend(needed) {
            reservation.finish(Nanos::ZERO);
            return Err(refused);
        }
        Ok(reservation)
    }

    /// Draws `output_tokens` of the reply on the slice. Call it before the delta is released.
    ///
    /// Takes nanoseconds, an atomic or two where the next slice is due, and waits for the store only where a block
    /// was used up faster than the next could be leased ahead.
    ///
    /// # Errors
    /// The budgets have no room for the delta: do not release it, cut the stream. The delta counts as spent, as the
    /// provider has made it; that is the only overshoot.
    #[inline]
    pub fn draw(&mut self, output_tokens: u64) -> Result<(), Refused> {
        self.output = self.output.saturating_add(output_tokens);
        if self.output <= self.ahead { Ok(()) } else { self.draw_next_slice() }
    }

    /// Output tokens drawn so far.
    pub fn drawn(&self) -> u64 {
        self.output
    }

    /// The refusal that a budget which only reports would have given, had it been enforced.
    pub fn warning(&self) -> Option<&Refused> {
        self.warning.as_ref()
    }

    /// Ends the flow: what was set aside becomes what it cost, the rest is free again.
    pub fn settle(mut self, outcome: Settle) -> Receipt {
        self.conclude(outcome)
    }

    fn conclude(&mut self, outcome: Settle) -> Receipt {
        let counted = Usage { input: self.input, output: self.output, ..Usage::default() };
        let (usage, estimated) = match outcome {
            Settle::Reported(usage) if usage != Usage::default() => (usage, false),
            Settle::InputReported(usage) if usage != Usage::default() => {
                (Usage { output: usage.output.max(self.output), ..usage }, true)
            }
            Settle::Reported(_) | Settle::InputReported(_) | Settle::Counted => (counted, true),
            Settle::Nothing => (Usage::default(), false),
        };
        let cost = self.price.cost(&usage);
        let overshoot = self.finish(cost);
        Receipt {
            cost,
            input: usage.input.saturating_add(usage.cached_input).saturating_add(usage.cache_write),
            output: usage.output,
            estimated,
            priced: self.price.known,
            overshoot,
            over_limit: self.lines.iter().any(|line| line.is_over()),
        }
    }

    fn finish(&mut self, cost: Nanos) -> Nanos {
        self.settled = true;
        let beyond = self.lines.iter().map(|line| {
            line.leave();
            line.settle(self.held, cost.0)
        });
        let beyond = beyond.max().unwrap_or(0);
        if cost.0 > self.held {
            self.book.wake();
        }
        Nanos(beyond)
    }

    #[cold]
    fn draw_next_slice(&mut self) -> Result<(), Refused> {
        if self.output <= self.covered {
            self.extend_ahead();
            return Ok(());
        }
        self.extend(self.cost_of(self.output).saturating_sub(self.held))
    }

    /// Takes the next slice from the blocks alone; without one the rest of this slice is used up first.
    fn extend_ahead(&mut self) {
        let slice = slice::next(&self.lines, self.per_token(), 0);
        let taken = self.lines.iter().take_while(|line| slice > 0 && line.take_free(slice)).count();
        if taken == self.lines.len() {
            self.hold(slice);
        } else {
            self.lines[..taken].iter().for_each(|line| line.give_back(slice));
            self.ahead = self.covered;
        }
        self.wake_if_low();
    }

    /// Sets `needed` nano-dollars aside, and a slice besides where there is one.
    fn extend(&mut self, needed: u64) -> Result<(), Refused> {
        let slice = slice::next(&self.lines, self.per_token(), needed);
        let with_slice = needed.saturating_add(slice);
        let taken = match self.take(with_slice) {
            Err(Refused::Exhausted { .. }) if slice > 0 => self.take(needed).map(|()| needed),
            other => other.map(|()| with_slice),
        };
        self.hold(taken?);
        self.wake_if_low();
        Ok(())
    }

    /// Sets `amount` aside on every line or on none.
    fn take(&self, amount: u64) -> Result<(), Refused> {
        for (at, line) in self.lines.iter().enumerate() {
            if let Err(denied) = line.take(amount, self.book.store()) {
                self.lines[..at].iter().for_each(|line| line.give_back(amount));
                return Err(refusal(line, amount, denied));
            }
        }
        Ok(())
    }

    fn hold(&mut self, amount: u64) {
        let before = self.covered;
        self.held = self.held.saturating_add(amount);
        self.covered = self.covered_tokens();
        self.ahead = self.covered - self.covered.saturating_sub(before.max(self.output)) / 2;
    }

    /// How many output tokens `held` pays for besides the input.
    fn covered_tokens(&self) -> u64 {
        let rates = self.price.rates_for(self.input);
        if self.lines.is_empty() || rates.output == 0 {
            return u64::MAX;
        }
        let input = u128::from(self.input) * u128::from(rates.input);
        let left = (u128::from(self.held) * PER_MILLION).saturating_sub(input);
        u64::try_from(left / u128::from(rates.output)).unwrap_or(u64::MAX)
    }

    fn cost_of(&self, output: u64) -> u64 {
        self.price.cost(&Usage { input: self.input, output, ..Usage::default() }).0
    }

    /// One output token, rounded up.
    fn per_token(&self) -> u64 {
        self.price.rates_for(self.input).output.div_ceil(PER_MILLION as u64)
    }

    fn wake_if_low(&self) {
        if self.lines.iter().any(|line| line.is_low()) {
            self.book.wake();
        }
    }
}

impl Drop for Reservation {
    /// Only atomics: a flow that is dropped half way must not keep its share.
    fn drop(&mut self) {
        if !self.settled {
            self.conclude(Settle::Counted);
        }
    }
}

fn over_limit(line: &Account, needed: u64) -> Option<Refused> {
    let over = !line.budget.enforce && line.used().saturating_add(needed) > line.budget.limit.0;
    over.then(|| refusal(line, needed, Denied::Exhausted))
}

fn refusal(line: &Account, needed: u64, denied: Denied) -> Refused {
    let budget = line.budget.scope.to_string();
    match denied {
        Denied::Exhausted => {
            let spent = Nanos(line.used());
            Refused::Exhausted { budget, limit: line.budget.limit, spent, needed: Nanos(needed) }
        }
        Denied::Store(source) => Refused::Store { budget, source },
    }
}
