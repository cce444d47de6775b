//! What tokens cost: a dated table of models, matched by name, and the rule for names it does not know.

mod file;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::Path;

pub use self::file::PriceError;
use super::Nanos;
use crate::config::UnknownModel;
use crate::wire::event::Usage;

/// Tokens that a rate is quoted for.
const PER_TOKENS: u128 = 1_000_000;

/// The table compiled in.
const BUILTIN: &str = include_str!("../../data/prices.yaml");

/// Prices of one tier, each in nano-dollars per million tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Input read for the first time.
    pub input: u64,
    /// Input served from the provider's prompt cache.
    pub cached_input: u64,
    /// Input written to the provider's prompt cache.
    pub cache_write: u64,
    /// Output, reasoning included.
    pub output: u64,
}

/// What a model costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    /// The ordinary rates.
    pub rates: Rates,
    /// The rates of a whole request whose input, caches included, is longer than so many tokens.
    pub long: Option<(u64, Rates)>,
    /// Whether the table knows the model; if not, the rule for unknown models made this price.
    pub known: bool,
}

impl Price {
    /// What `usage` costs, rounded up to the next nano-dollar once.
    pub fn cost(&self, usage: &Usage) -> Nanos {
        let rates =
            self.rates_for(usage.input.saturating_add(usage.cached_input).saturating_add(usage.cache_write));
        let part = |tokens: u64, rate: u64| u128::from(tokens) * u128::from(rate);
        // Four products of two u64 pass u128 only with counts no reply can hold; they saturate.
        let sum = part(usage.input, rates.input)
            .saturating_add(part(usage.cached_input, rates.cached_input))
            .saturating_add(part(usage.cache_write, rates.cache_write))
            .saturating_add(part(usage.output, rates.output));
        Nanos(u64::try_from(sum.div_ceil(PER_TOKENS)).unwrap_or(u64::MAX))
    }

    /// The tier of a request with so many input tokens of all kinds.
    pub(super) fn rates_for(&self, input_tokens: u64) -> &Rates {
        match &self.long {
            Some((above, rates)) if input_tokens > *above => rates,
            _ => &self.rates,
        }
    }
}

/// The price table.
#[derive(Clone, Debug)]
pub struct Prices {
    as_of: String,
    names: HashMap<String, Price>,
    highest: Rates,
    unknown: UnknownModel,
}

impl Prices {
    /// The table compiled in.
    pub fn builtin() -> Prices {
        Prices::parse(BUILTIN, "built-in prices").expect("the built-in table is read by a test")
    }

    /// Reads a table in the form of `data/prices.yaml`; `origin` names it in errors.
    pub fn parse(yaml: &str, origin: &str) -> Result<Prices, PriceError> {
        let (as_of, names) = file::parse(yaml, origin)?;
        let highest = names.values().fold(Rates::default(), highest);
        Ok(Prices { as_of, names, highest, unknown: UnknownModel::default() })
    }

    /// Adds the models of a file to this table; a model named in both has the file's price.
    pub fn extend_from_file(&mut self, path: &Path) -> Result<(), PriceError> {
        let origin = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|source| PriceError::Unreadable { origin: origin.clone(), source })?;
        let (as_of, names) = file::parse(&text, &origin)?;
        self.as_of = as_of;
        self.names.extend(names);
        self.highest = self.names.values().fold(Rates::default(), highest);
        Ok(())
    }

    /// The same table with another rule for unknown models.
    pub fn with_unknown(mut self, rule: UnknownModel) -> Prices {
        self.unknown = rule;
        self
    }

    /// The day the prices were in force, as written in the table: `2026-11-22`.
    pub fn as_of(&self) -> &str {
        &self.as_of
    }

    /// How many names, aliases included, have a price.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether no model has a price.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// What `model` costs, by the rule for unknown models where the table does not know it.
    pub fn price(&self, model: &str) -> Price {
        if let Some(price) = self.find(model) {
            return price;
        }
        let rates = match self.unknown {
            UnknownModel::Free => Rates::default(),
            UnknownModel::Refuse | UnknownModel::Highest => self.highest,
        };
        Price { rates, long: None, known: false }
    }

    /// Whether enforced budgets refuse models that the table does not know.
    pub fn refuses_unknown(&self) -> bool {
        self.unknown == UnknownModel::Refuse
    }

    /// The price of the name itself, else without its vendor (`openai/…`), else without its release date.
    ///
    /// Only dates and `latest` are cut off: a longer name may be a dearer model (`gpt-5` and `gpt-5-pro`).
    fn find(&self, model: &str) -> Option<Price> {
        if let Some(price) = self.names.get(model) {
            return Some(*price);
        }
        let name = model.rsplit('/').next().unwrap_or(model).to_ascii_lowercase();
        self.names.get(&name).or_else(|| self.names.get(without_release(&name)?)).copied()
    }
}

/// The highest rate of each kind, long tiers included.
fn highest(so_far: Rates, price: &Price) -> Rates {
    let join = |a: Rates, b: &Rates| Rates {
        input: a.input.max(b.input),
        cached_input: a.cached_input.max(b.cached_input),
        cache_write: a.cache_write.max(b.cache_write),
        output: a.output.max(b.output),
    };
    let so_far = join(so_far, &price.rates);
    price.long.as_ref().map_or(so_far, |(_, rates)| join(so_far, rates))
}

/// Cuts `-latest`, `-2024-08-06`, `-20241022`, `-0613` or `@20241022` off the end of a name.
fn without_release(name: &str) -> Option<&str> {
    if let Some(stem) = name.strip_suffix("-latest") {
        return Some(stem);
    }
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-');
    if let Some(stem) = stem.strip_suffix('@') {
        return (stem.len() + 1 < name.len()).then_some(stem);
    }
    // Trimming may have eaten digits of the name itself (`claude-opus-4-20250514`): the release is what follows
    // the first hyphen after which only a date stands.
    name.match_indices('-').map(|(at, _)| at).find(|&at| is_release(&name[at + 1..])).map(|at| &name[..at])
}

/// `2024-08-06`, `20241022`, `0613`: groups of 4 or 8, or 4-2-2 digits.
fn is_release(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digits = |range: &[u8]| range.iter().all(u8::is_ascii_digit);
    match bytes.len() {
        4 | 8 => digits(bytes),
        10 => {
            digits(&bytes[..4])
                && bytes[4] == b'-'
                && digits(&bytes[5..7])
                && bytes[7] == b'-'
                && digits(&bytes[8..])
        }
        _ => false,
    }
}
