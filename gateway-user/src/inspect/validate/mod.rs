//! Checks on a matched value that a pattern cannot express: checksums, ranges, randomness.

mod credentials;
mod digits;
mod iban;
mod money;
mod national;
mod network;
mod phone;
mod text;

use std::sync::LazyLock;

#[cfg(test)]
mod tests;

/// A named check. A match counts only where all checks of its rule pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Validator {
    /// `luhn`: the digits pass the Luhn checksum (ISO/IEC 7812-1, annex B) and are not all equal.
    Luhn,
    /// `entropy N`: at least N bits of Shannon entropy per byte.
    Entropy(f32),
    /// `digits MIN MAX`: as many decimal digits as that, whatever stands between them.
    Digits(u8, u8),
    /// `not_placeholder`: not an obvious stand-in (`EXAMPLE`, one character repeated, `your-…`).
    NotPlaceholder,
    /// A check of one kind of number or address, by its name, such as `iban` or `uk_nhs`.
    Named(Check),
}

/// A check without parameters: its name in rule files, and whether a value passes.
///
/// Each looks at the letters and digits it wants and passes over separators, so that a pattern decides what may
/// stand between them. None panics or allocates beyond the value's length, whatever the bytes.
#[derive(Clone, Copy, Debug)]
pub struct Check(&'static str, fn(&[u8]) -> bool);

impl PartialEq for Check {
    fn eq(&self, other: &Check) -> bool {
        self.0 == other.0
    }
}

/// Every named check, by what it is about.
const CHECKS: &[&[Check]] = &[
    credentials::CHECKS,
    iban::CHECKS,
    money::CHECKS,
    network::CHECKS,
    phone::CHECKS,
    national::americas::CHECKS,
    national::asia::CHECKS,
    national::europe_east::CHECKS,
    national::europe_north::CHECKS,
    national::europe_south::CHECKS,
    national::europe_west::CHECKS,
    national::pacific::CHECKS,
];

/// Names as rule files write them, for error messages.
pub fn names() -> &'static str {
    static NAMES: LazyLock<String> = LazyLock::new(|| {
        let named = CHECKS.iter().copied().flatten().map(|check| check.0);
        ["luhn", "entropy N", "digits MIN MAX", "not_placeholder"]
            .into_iter()
            .chain(named)
            .collect::<Vec<_>>()
            .join(", ")
    });
    NAMES.as_str()
}

impl Validator {
    /// Reads a name and its numbers; `None` for an unknown name or a number out of range (entropy: 0 to 8 bits).
    pub fn parse(text: &str) -> Option<Validator> {
        let words: Vec<&str> = text.split_whitespace().collect();
        match words[..] {
            ["luhn"] => Some(Validator::Luhn),
            ["not_placeholder"] => Some(Validator::NotPlaceholder),
            ["digits", least, most] => Some(Validator::Digits(least.parse().ok()?, most.parse().ok()?)),
            ["entropy", bits] => {
                let bits = bits.parse().ok().filter(|bits| (0.0..=8.0).contains(bits))?;
                Some(Validator::Entropy(bits))
            }
            [name] => {
                CHECKS.iter().copied().flatten().find(|check| check.0 == name).copied().map(Validator::Named)
            }
            _ => None,
        }
    }

    /// Whether chance hardly passes it, whatever the shape of the value.
    pub fn is_checksum(self) -> bool {
        match self {
            Validator::Luhn => true,
            Validator::Named(check) => matches!(check.0, "iban" | "gb11643"),
            Validator::Entropy(_) | Validator::Digits(..) | Validator::NotPlaceholder => false,
        }
    }

    /// Whether `value` passes.
    pub fn passes(self, value: &[u8]) -> bool {
        match self {
            Validator::Luhn => luhn(value),
            Validator::Entropy(least) => text::entropy(value) >= least,
            Validator::Digits(least, most) => {
                (usize::from(least)..=usize::from(most)).contains(&digits::digits(value).count())
            }
            Validator::NotPlaceholder => !text::placeholder(value),
            Validator::Named(check) => check.1(value),
        }
    }
}

fn luhn(value: &[u8]) -> bool {
    let first = digits::digits(value).next();
    digits::luhn(digits::digits(value)) && digits::digits(value).any(|digit| Some(digit) != first)
}
