//! Questions about the records: the latest, one of them, and what was spent by whom.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::chain::{self, RECORDS, Sealed};
use super::id;
use super::journal::AuditError;
use super::record::{Record, Verdict};
use crate::ledger::Nanos;
use crate::store::{Scan, Store};

/// Records read at a time.
const PAGE: usize = 256;

/// So many flows with the same beginning of an id are enough to say that it is too short.
const SEVERAL: usize = 10;

/// Which records to take; what is not set lets all pass.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this app.
    pub app: Option<String>,
    /// For this model, as the client named it.
    pub model: Option<String>,
    /// To this host.
    pub host: Option<String>,
    /// That ended so.
    pub verdict: Option<Verdict>,
    /// That started then or later.
    pub since: Option<Timestamp>,
    /// That started before then.
    pub until: Option<Timestamp>,
}

impl Filter {
    /// Whether it lets `record` pass.
    pub fn takes(&self, record: &Record) -> bool {
        let is =
            |wanted: &Option<String>, found: Option<&str>| wanted.is_none() || wanted.as_deref() == found;
        is(&self.app, Some(&record.principal.app))
            && is(&self.model, record.model.as_deref())
            && is(&self.host, Some(&record.host))
            && self.verdict.is_none_or(|verdict| verdict == record.verdict)
            && self.since.is_none_or(|since| record.start >= since)
            && self.until.is_none_or(|until| record.start < until)
    }
}

/// The latest `limit` records that `filter` takes, latest first.
pub fn list(store: &dyn Store, filter: &Filter, limit: usize) -> Result<Vec<Sealed>, AuditError> {
    let mut found = Vec::new();
    backwards(store, |key, value| {
        let sealed = chain::read(key, value)?;
        if filter.takes(&sealed.record) {
            found.push(sealed);
        }
        Ok(found.len() < limit)
    })?;
    found.truncate(limit);
    Ok(found)
}

/// What came of looking for one record.
#[derive(Clone, Debug, PartialEq)]
pub enum Lookup {
    /// It.
    Found(Box<Sealed>),
    /// No flow's id begins like this.
    None,
    /// More than one does; at least so many.
    Several(usize),
}

/// The record whose id is, or begins with, `prefix`; upper or lower case. Reads the whole chain, the latest first.
pub fn get(store: &dyn Store, prefix: &str) -> Result<Lookup, AuditError> {
    let prefix = prefix.to_ascii_lowercase();
    if prefix.is_empty() || prefix.len() > id::LENGTH {
        return Ok(Lookup::None);
    }
    let mut found = Vec::new();
    backwards(store, |key, value| {
        if begins_with(value, &prefix) {
            found.push(chain::read(key, value)?);
        }
        Ok(found.len() < SEVERAL && (found.is_empty() || prefix.len() < id::LENGTH))
    })?;
    Ok(match found.len() {
        0 | 1 => found.pop().map_or(Lookup::None, |sealed| Lookup::Found(Box::new(sealed))),
        several => Lookup::Several(several),
    })
}

/// Whether a stored record's id begins so; reads no more of the record than that.
fn begins_with(value: &[u8], prefix: &str) -> bool {
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow)]
        id: &'a str,
    }
    let json = chain::open(value).map_or(&[][..], |stored| stored.json);
    let named = serde_json::from_slice::<Named<'_>>(json);
    named.is_ok_and(|named| named.id.starts_with(prefix))
}

/// What spending is summed up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// The app.
    App,
    /// The model; flows without one stand under `-`.
    Model,
    /// App and model: `app model`.
    AppAndModel,
}

/// What the flows of one group came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spend {
    /// The group's name.
    pub name: String,
    /// How many flows.
    pub flows: u64,
    /// Input tokens, cached ones included.
    pub input: u64,
    /// Output tokens.
    pub output: u64,
    /// The cost.
    pub cost: Nanos,
    /// The part of the cost that was estimated.
    pub estimated: Nanos,
    /// How many findings.
    pub findings: u64,
    /// How many flows were blocked, cut or refused.
    pub stopped: u64,
}

/// Sums up the records that `filter` takes, by name. Relayed connections are not LLM flows and stay out.
pub fn usage(store: &dyn Store, filter: &Filter, by: Group) -> Result<Vec<Spend>, AuditError> {
    let mut groups: BTreeMap<String, Spend> = BTreeMap::new();
    backwards(store, |key, value| {
        let record = chain::read(key, value)?.record;
        if record.verdict != Verdict::Relayed && filter.takes(&record) {
            groups.entry(by.name(&record)).or_default().add(&record);
        }
        Ok(true)
    })?;
    Ok(groups.into_iter().map(|(name, spend)| Spend { name, ..spend }).collect())
}

impl Group {
    fn name(self, record: &Record) -> String {
        let model = record.model.as_deref().unwrap_or("-");
        match self {
            Group::App => record.principal.app.clone(),
            Group::Model => model.to_owned(),
            Group::AppAndModel => format!("{} {model}", record.principal.app),
        }
    }
}

impl Spend {
    fn add(&mut self, record: &Record) {
        let tokens = &record.tokens;
        let input =
            [tokens.input, tokens.cached_input, tokens.cache_write].into_iter().fold(0, u64::saturating_add);
        self.flows += 1;
        self.input = self.input.saturating_add(input);
        self.output = self.output.saturating_add(tokens.output);
        self.cost = self.cost.saturating_add(record.cost);
        if record.estimated {
            self.estimated = self.estimated.saturating_add(record.cost);
        }
        let findings = record.findings.iter().map(|finding| u64::from(finding.count)).sum();
        self.findings = self.findings.saturating_add(findings);
        let stopped = matches!(record.verdict, Verdict::Blocked | Verdict::Cut | Verdict::Refused);
        self.stopped += u64::from(stopped);
    }
}

/// Hands out stored records, keys and values, from the latest to the first until `take` has enough.
fn backwards(
    store: &dyn Store,
    mut take: impl FnMut(&[u8], &[u8]) -> Result<bool, AuditError>,
) -> Result<(), AuditError> {
    let mut before = u64::MAX.to_be_bytes().to_vec();
    loop {
        let mut page = store.scan(RECORDS, Scan::all(PAGE).before(before).reverse())?;
        for (key, value) in &page {
            if !take(key, value)? {
                return Ok(());
            }
        }
        match page.pop() {
            Some((last, _)) if page.len() + 1 == PAGE => before = last,
            _ => return Ok(()),
        }
    }
}
