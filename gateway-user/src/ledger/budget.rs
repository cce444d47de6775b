//! What a budget is: a limit on what the flows of one scope may cost.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Nanos;

/// Whose spending a budget limits: `global`, or a kind and a name such as `app:coder`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ScopeName(String);

impl ScopeName {
    /// What the scope of all flows is called.
    pub(super) const GLOBAL: &'static str = "global";

    /// The scope that every flow belongs to.
    pub fn global() -> ScopeName {
        ScopeName(ScopeName::GLOBAL.to_owned())
    }

    /// The scope of one app.
    pub fn app(name: &str) -> ScopeName {
        ScopeName(format!("app:{name}"))
    }

    /// The name as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ScopeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The time over which a budget's spending is summed up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Window {
    /// For ever.
    #[default]
    Total,
}

impl Window {
    /// The name in the store and in displays.
    pub fn as_str(self) -> &'static str {
        match self {
            Window::Total => "total",
        }
    }
}

/// A limit on what the flows of one scope may cost in one window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Whose flows.
    pub scope: ScopeName,
    /// How much.
    pub limit: Nanos,
    /// In which time.
    #[serde(default)]
    pub window: Window,
    /// Whether flows are refused and cut at the limit, or only reported.
    pub enforce: bool,
}

/// Where a budget stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetStatus {
    /// The scope's name.
    pub name: String,
    /// The limit.
    pub limit: Nanos,
    /// What counts as spent, `unreconciled` included.
    pub spent: Nanos,
    /// What running flows have set aside and not settled.
    pub reserved: Nanos,
    /// What a gateway that died had leased and not settled: it counts as spent, though part of it may not have been.
    pub unreconciled: Nanos,
    /// Whether the limit is enforced.
    pub enforce: bool,
}
