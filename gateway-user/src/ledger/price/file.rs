//! The form of a price file, and what is wrong with one.

use std::collections::HashMap;

use serde::Deserialize;

use super::{Nanos, Price, Rates};

/// Why a price file was not taken. Nothing of such a file is used.
#[derive(Debug, thiserror::Error)]
pub enum PriceError {
    /// It could not be read.
    #[error("{origin}: cannot read the price file: {source}")]
    Unreadable {
        /// The file.
        origin: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// It is not of the right form.
    #[error("{origin}: {detail}: see data/prices.yaml for the form")]
    Form {
        /// The file.
        origin: String,
        /// What and where.
        detail: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    as_of: String,
    models: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    #[serde(default)]
    aliases: Vec<String>,
    input: String,
    cached_input: Option<String>,
    cache_write: Option<String>,
    output: String,
    long: Option<Long>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Long {
    above: u64,
    input: String,
    cached_input: Option<String>,
    cache_write: Option<String>,
    output: String,
}

/// The date of the table and the price of each name in it.
pub(super) fn parse(yaml: &str, origin: &str) -> Result<(String, HashMap<String, Price>), PriceError> {
    let form = |detail: String| PriceError::Form { origin: origin.to_owned(), detail };
    let file: File = serde_saphyr::from_str(yaml).map_err(|error| form(error.to_string()))?;
    file.as_of
        .parse::<jiff::civil::Date>()
        .map_err(|_| form(format!("as_of {:?} is not a date like 2026-11-22", file.as_of)))?;
    let mut names = HashMap::with_capacity(file.models.len() * 2);
    for entry in file.models {
        let price = entry.price().map_err(|error| form(format!("model {}: {error}", entry.id)))?;
        for name in entry.aliases.into_iter().chain([entry.id]) {
            if names.insert(name.to_ascii_lowercase(), price).is_some() {
                return Err(form(format!("model {name} stands in it twice")));
            }
        }
    }
    Ok((file.as_of, names))
}

impl Entry {
    fn price(&self) -> Result<Price, super::super::money::NotMoney> {
        let rates = rates(&self.input, &self.cached_input, &self.cache_write, &self.output)?;
        let long = match &self.long {
            None => None,
            Some(long) => Some((
                long.above,
                self::rates(&long.input, &long.cached_input, &long.cache_write, &long.output)?,
            )),
        };
        Ok(Price { rates, long, known: true })
    }
}

/// A kind of input without a price of its own costs what input costs.
fn rates(
    input: &str,
    cached_input: &Option<String>,
    cache_write: &Option<String>,
    output: &str,
) -> Result<Rates, super::super::money::NotMoney> {
    let dollars = |text: &str| text.parse().map(|Nanos(nanos)| nanos);
    let input = dollars(input)?;
    let or_input = |text: &Option<String>| text.as_deref().map_or(Ok(input), dollars);
    Ok(Rates {
        input,
        cached_input: or_input(cached_input)?,
        cache_write: or_input(cache_write)?,
        output: dollars(output)?,
    })
}
