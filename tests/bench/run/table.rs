//! The figures of a run as a Markdown table and as JSON.

use serde_json::{Value, json};

use crate::phases::{Measured, Pair};
use crate::relayed::Relayed;
use crate::rows::Row;

/// A column: its head, its phase, and its figure from the two reports of that phase.
pub struct Column {
    /// Head and key.
    pub head: &'static str,
    phase: &'static str,
    figure: fn(&Pair) -> Option<f64>,
}

/// The column that `connect()` inside the cgroup is compared with, in the same row.
pub const OUTSIDE: &str = "connect() outside µs";

/// All columns. Added figures are proxied less direct.
pub const COLUMNS: &[Column] = &[
    Column { head: "added p50 µs", phase: "path", figure: |pair| added(pair, "latency_us", "p50") },
    Column { head: "added p99 µs", phase: "path", figure: |pair| added(pair, "latency_us", "p99") },
    Column { head: "new connection µs", phase: "fresh", figure: |pair| added(pair, "latency_us", "p50") },
    Column { head: "TTFT µs", phase: "stream", figure: |pair| added(pair, "first_us", "p50") },
    Column { head: "delta p50 µs", phase: "paced", figure: |pair| added(pair, "one_way_us", "p50") },
    Column { head: "delta p99 µs", phase: "paced", figure: |pair| added(pair, "one_way_us", "p99") },
    Column {
        head: "in 40 ms class",
        phase: "paced",
        figure: |pair| pair.proxied["one_way_us"]["share_40ms"].as_f64(),
    },
    Column {
        head: "leading-space delta p50 µs",
        phase: "paced-lead",
        figure: |pair| added(pair, "one_way_us", "p50"),
    },
    Column { head: "requests/s", phase: "full", figure: |pair| pair.proxied["requests_per_s"].as_f64() },
    Column { head: "CPU s/1k", phase: "full", figure: |pair| pair.proxied["cpu_s_per_1k"].as_f64() },
    Column {
        head: "CPU µs/delta",
        phase: "full-stream",
        figure: |pair| pair.proxied["cpu_us_per_delta"].as_f64(),
    },
    Column { head: "connect() µs", phase: "connect", figure: |pair| pair.proxied["connect_us"].as_f64() },
    Column { head: OUTSIDE, phase: "connect", figure: |pair| pair.direct["connect_us"].as_f64() },
    Column { head: "RSS MiB", phase: "full", figure: |pair| pair.proxied["rss_mib"].as_f64() },
];

/// The median of a column over the rounds of a row.
pub fn figure(head: &str, rounds: &[Measured]) -> Option<f64> {
    let column = COLUMNS.iter().find(|column| column.head == head)?;
    let pairs = rounds.iter().flatten().filter(|pair| pair.phase == column.phase);
    let mut values: Vec<f64> = pairs.filter_map(column.figure).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// The table.
pub fn render(results: &[(&Row, Vec<Measured>)]) -> String {
    let heads: Vec<&str> = COLUMNS.iter().map(|column| column.head).collect();
    let mut text = format!("| row | {} |\n|---|{}", heads.join(" | "), "---:|".repeat(heads.len()));
    for (row, rounds) in results {
        let cells: Vec<String> = heads.iter().map(|head| cell(figure(head, rounds))).collect();
        text += &format!("\n| {} | {} |", row.name, cells.join(" | "));
    }
    text
}

/// Every report of every round, the medians, and what could not be measured.
pub fn json(results: &[(&Row, Vec<Measured>)], relayed: &[Relayed], failed: &[String]) -> Value {
    let rows = results.iter().map(|(row, rounds)| {
        let medians =
            COLUMNS.iter().map(|column| (column.head.to_owned(), json!(figure(column.head, rounds))));
        let rounds = rounds.iter().map(|round| {
            let pair =
                |pair: &Pair| json!({"phase": pair.phase, "direct": pair.direct, "proxied": pair.proxied});
            round.iter().map(pair).collect::<Value>()
        });
        let medians: serde_json::Map<String, Value> = medians.collect();
        json!({"row": row.name, "medians": medians, "rounds": rounds.collect::<Value>()})
    });
    json!({"rows": rows.collect::<Value>(), "relayed": relayed, "not_measured": failed})
}

fn added(pair: &Pair, what: &str, part: &str) -> Option<f64> {
    Some(pair.proxied[what][part].as_f64()? - pair.direct[what][part].as_f64()?)
}

fn cell(value: Option<f64>) -> String {
    match value {
        None => "–".into(),
        Some(value) if value.abs() >= 100.0 => format!("{value:.0}"),
        Some(value) if value.abs() >= 10.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.3}"),
    }
}
