//! What the control socket and the command line answer: status, records and usage, as JSON.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    admin::{Ask, Reply},
    audit::{self, Filter, Group, Lookup},
    capture::rights,
    flow::Services,
    ledger::Ledger,
    store::Store,
};

/// Records listed when no number is asked for, and the most that are listed at once.
const LISTED: usize = 50;
const MOST_LISTED: usize = 10_000;

/// Answers a question from the store and the ledger, and, where a gateway runs, from its services.
pub fn answer(ask: &Ask, store: &Arc<dyn Store>, ledger: &Ledger, running: Option<&Services>) -> Reply {
    // Records gather for a moment before they are written; whoever asks wants to see the flow that just ended.
    if let Some(services) = running.filter(|_| !matches!(ask.path.as_str(), "/status" | "/coverage")) {
        services.journal.sync();
    }
    let value = match ask.path.as_str() {
        "/status" => Ok(status(ledger, running)),
        "/coverage" => {
            Ok(json!({ "error": "coverage is counted in memory by a running gateway, and none runs here" }))
        }
        "/usage" => usage(&**store, ledger),
        "/records" => records(&**store, ask),
        path => match path.strip_prefix("/records/") {
            Some(id) => return record(&**store, id),
            None => return None,
        },
    };
    Some(value.unwrap_or_else(|error: audit::AuditError| json!({ "error": error.to_string() })))
}

fn status(ledger: &Ledger, running: Option<&Services>) -> Value {
    let kernel = running.and_then(|services| services.steer.as_ref()).and_then(|steer| steer.counters().ok());
    json!({
        "running": running.is_some(),
        "app": running.map(|services| &*services.app),
        "mode": running.map(|services| services.config.mode),
        "rights": running.map(|_| rights::held()),
        "counters": running.map(|services| services.counters.snapshot()),
        "kernel": kernel,
        "budgets": ledger.status(),
        "prices": ledger.prices().as_of(),
    })
}

fn usage(store: &dyn Store, ledger: &Ledger) -> Result<Value, audit::AuditError> {
    let all = Filter::default();
    Ok(json!({
        "by_app": audit::usage(store, &all, Group::App)?,
        "by_model": audit::usage(store, &all, Group::Model)?,
        "budgets": ledger.status(),
    }))
}

fn records(store: &dyn Store, ask: &Ask) -> Result<Value, audit::AuditError> {
    let value = |name: &str| ask.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let limit = value("limit").and_then(|limit| limit.parse().ok()).unwrap_or(LISTED).min(MOST_LISTED);
    let verdict = match value("verdict") {
        None => None,
        Some(word) => match serde_json::from_value(json!(word)) {
            Ok(verdict) => Some(verdict),
            Err(_) => return Ok(json!({ "error": format!("{word:?} is not a verdict") })),
        },
    };
    let mut records = audit::list(store, &Filter { verdict, ..Filter::default() }, limit)?;
    records.reverse();
    Ok(json!(records))
}

fn record(store: &dyn Store, id: &str) -> Reply {
    match audit::get(store, id) {
        Ok(Lookup::Found(record)) => Some(json!(record)),
        Ok(Lookup::None) => None,
        Ok(Lookup::Several(count)) => {
            Some(json!({ "error": format!("{count} or more flows begin with {id:?}: give more letters") }))
        }
        Err(error) => Some(json!({ "error": error.to_string() })),
    }
}
