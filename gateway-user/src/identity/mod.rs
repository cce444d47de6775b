//! Who sent a request: the principal whose rules and budgets apply.
