//! Money: prices, budgets, reservations and what a flow finally cost.
