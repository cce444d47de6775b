//! Coverage as it is shown: what the flows counted, and what the kernel saw pass beside them.

use std::{
    collections::{BTreeMap, HashSet},
    net::SocketAddr,
    sync::Arc,
};

use serde_json::{Value, json};

use crate::{
    capture::{Direct, Protocol, Steer},
    flow::{
        Services,
        coverage::{self, Covered, Fate},
    },
    telemetry::metrics::{Egress, Page, Refusals},
};

/// Connections and bytes of one decision.
#[derive(Clone, Copy, Default)]
struct Total {
    connections: u64,
    up: u64,
    down: u64,
}

/// The report of `gateway status --coverage` for a gateway that serves `apps`: a summary in words, the totals by
/// decision, and all rows, largest first.
pub fn report(apps: &[Arc<Services>]) -> Value {
    let rows = rows(apps);
    let totals = totals(&rows);
    let shown: BTreeMap<&str, Value> = totals
        .iter()
        .map(|(fate, of)| {
            let of = json!({ "connections": of.connections, "bytes_up": of.up, "bytes_down": of.down });
            (fate.word(), of)
        })
        .collect();
    json!({ "summary": summary(&totals), "totals": shown, "rows": rows })
}

/// The page of metrics.
pub fn metrics(apps: &[Arc<Services>]) -> Page {
    let mut page = Page::default();
    let Some(first) = apps.first() else { return page };
    page.counters = first.counters.snapshot();
    let mut egress: BTreeMap<(String, Fate), Total> = BTreeMap::new();
    for row in rows(apps) {
        egress.entry((row.app.clone(), row.decision)).or_default().add(&row);
        if row.decision == Fate::Untrusted {
            page.untrusted.push(Refusals { app: row.app, host: row.host, count: row.connections });
        }
    }
    let one = |((app, fate), of): ((String, Fate), Total)| Egress {
        app,
        decision: fate.word(),
        connections: of.connections,
        up: of.up,
        down: of.down,
    };
    page.egress = egress.into_iter().map(one).collect();
    page
}

fn rows(apps: &[Arc<Services>]) -> Vec<Covered> {
    // The table is the gateway's: every app has the same.
    let mut rows = apps.first().map(|first| first.coverage.rows()).unwrap_or_default();
    let listeners = listeners(apps);
    for services in apps {
        let seen = services.steer.as_ref().and_then(|steer| steer.kernel()).map(Steer::direct).transpose();
        match seen {
            Ok(seen) => {
                // What an app inside this one has steered is no passing beside the gateway.
                let passed = seen.into_iter().flatten().filter(|direct| !listeners.contains(&direct.to));
                rows.extend(passed.map(|direct| beside(services, direct)));
            }
            Err(error) => tracing::warn!(%error, "what passed beside the gateway cannot be read"),
        }
    }
    coverage::sort(&mut rows);
    rows
}

/// Where connections of these apps are steered to.
fn listeners(apps: &[Arc<Services>]) -> HashSet<SocketAddr> {
    let kernels = apps.iter().filter_map(|services| services.steer.as_ref()?.kernel());
    kernels.flat_map(Steer::listeners).collect()
}

/// A row of what the kernel counted.
fn beside(services: &Services, direct: Direct) -> Covered {
    let known = services.steer.as_ref().and_then(|steer| steer.host_of(direct.to.ip()));
    let protocol = match direct.protocol {
        Protocol::Tcp => "",
        Protocol::Udp => "/udp",
    };
    let address = format!("{}{protocol}", direct.to);
    Covered {
        app: services.app.to_string(),
        process: direct.comm,
        host: known.map_or(address.clone(), |name| format!("{name} ({address})")),
        decision: if direct.refused { Fate::Refused } else { Fate::Direct },
        connections: direct.connections,
        bytes_up: direct.bytes_up,
        bytes_down: direct.bytes_down,
    }
}

impl Total {
    fn add(&mut self, row: &Covered) {
        self.connections += row.connections;
        self.up += row.bytes_up;
        self.down += row.bytes_down;
    }
}

/// What each decision came to; those that never were left out.
fn totals(rows: &[Covered]) -> BTreeMap<Fate, Total> {
    let mut totals: BTreeMap<Fate, Total> = BTreeMap::new();
    for row in rows {
        totals.entry(row.decision).or_default().add(row);
    }
    totals
}

/// One line that says how much was inspected, and what became of the rest.
fn summary(totals: &BTreeMap<Fate, Total>) -> String {
    let connections: u64 = totals.values().map(|of| of.connections).sum();
    if connections == 0 {
        return "no connection has been opened yet".to_owned();
    }
    let bytes = |of: &Total| of.up + of.down;
    let all: u64 = totals.values().map(bytes).sum();
    let inspected = totals.get(&Fate::Inspected).copied().unwrap_or_default();
    let share = if all == 0 { 100.0 } else { bytes(&inspected) as f64 * 100.0 / all as f64 };
    let rest: Vec<String> = totals
        .iter()
        .filter(|(fate, of)| **fate != Fate::Inspected && of.connections > 0)
        .map(|(fate, of)| format!("{} {}", of.connections, fate.word()))
        .collect();
    let rest = if rest.is_empty() { "none".to_owned() } else { rest.join(", ") };
    format!(
        "{} of {connections} connections and {share:.1} % of bytes were inspected; uninspected: {rest}",
        inspected.connections
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(decision: Fate, connections: u64, bytes: u64) -> Covered {
        let (process, host) = ("curl".to_owned(), "example.org".to_owned());
        Covered { app: "a".to_owned(), process, host, decision, connections, bytes_up: bytes, bytes_down: 0 }
    }

    #[test]
    fn the_summary_says_what_was_inspected_and_what_was_not() {
        for (rows, expected) in [
            (vec![], "no connection has been opened yet"),
            (
                vec![row(Fate::Inspected, 2, 10)],
                "2 of 2 connections and 100.0 % of bytes were inspected; uninspected: none",
            ),
            (
                vec![row(Fate::Inspected, 2, 10), row(Fate::Direct, 1, 30), row(Fate::Refused, 3, 0)],
                "2 of 6 connections and 25.0 % of bytes were inspected; uninspected: 3 refused, 1 direct",
            ),
            (
                vec![row(Fate::Relayed, 1, 5)],
                "0 of 1 connections and 0.0 % of bytes were inspected; uninspected: 1 relayed",
            ),
        ] {
            assert_eq!(summary(&totals(&rows)), expected);
        }
    }
}
