//! Amounts of money as integers, so that sums are exact.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Nano-dollars in a dollar.
const PER_DOLLAR: u64 = 1_000_000_000;

/// Digits after the point that a [`Nanos`] can hold.
const DECIMALS: usize = 9;

/// An amount in nano-dollars (10⁻⁹ USD), up to about 18 billion dollars. Sums saturate at that bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Nanos(pub u64);

impl Nanos {
    /// Nothing.
    pub const ZERO: Nanos = Nanos(0);

    /// The sum, at most the largest amount.
    pub fn saturating_add(self, other: Nanos) -> Nanos {
        Nanos(self.0.saturating_add(other.0))
    }

    /// The difference, at least zero.
    pub fn saturating_sub(self, other: Nanos) -> Nanos {
        Nanos(self.0.saturating_sub(other.0))
    }

    /// The sum, if it is an amount.
    pub fn checked_add(self, other: Nanos) -> Option<Nanos> {
        self.0.checked_add(other.0).map(Nanos)
    }
}

/// A text that is not an amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not an amount in US dollars: write it like 10, 10.0 or $0.25, with at most nine decimals"
)]
pub struct NotMoney {
    text: String,
}

impl FromStr for Nanos {
    type Err = NotMoney;

    /// Reads dollars, exactly: `10`, `10.0`, `$5`, `.25`. No sign, no exponent, no separators.
    fn from_str(text: &str) -> Result<Nanos, NotMoney> {
        parse(text.trim()).ok_or_else(|| NotMoney { text: text.chars().take(40).collect() })
    }
}

/// Dollars with at least two decimals and no trailing zeros beyond them: `$10.00`, `$0.000025`.
impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = format!("{:09}", self.0 % PER_DOLLAR);
        let shown = decimals.trim_end_matches('0').len().max(2);
        f.pad(&format!("${}.{}", self.0 / PER_DOLLAR, &decimals[..shown]))
    }
}

fn parse(text: &str) -> Option<Nanos> {
    let text = text.strip_prefix('$').unwrap_or(text);
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() + part.len() == 0 || part.len() > DECIMALS || !digits(whole) || !digits(part) {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let part: u64 = format!("{part:0<DECIMALS$}").parse().ok()?;
    whole.checked_mul(PER_DOLLAR)?.checked_add(part).map(Nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_and_shown_exactly() {
        for (text, nanos, shown) in [
            ("10.0", 10_000_000_000, "$10.00"),
            ("$5", 5_000_000_000, "$5.00"),
            (" .25 ", 250_000_000, "$0.25"),
            ("0.000000001", 1, "$0.000000001"),
            ("$0.125", 125_000_000, "$0.125"),
            ("3.", 3_000_000_000, "$3.00"),
            ("18446744073.709551615", u64::MAX, "$18446744073.709551615"),
        ] {
            let amount: Nanos = text.parse().unwrap();
            assert_eq!(amount, Nanos(nanos), "{text}");
            assert_eq!(amount.to_string(), shown);
            assert_eq!(shown.parse(), Ok(amount));
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in
            ["", "$", ".", "-1", "+1", "1e3", "1,000", "0.0000000001", "18446744074", "10 USD", "$$1", "١"]
        {
            assert!(text.parse::<Nanos>().is_err(), "{text}");
        }
    }
}
