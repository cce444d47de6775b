//! `gateway status`: what is attached, what passed, what the budgets say.

use serde_json::{Value, json};

use super::{
    Outcome,
    args::Common,
    ask::ask,
    output::{self, line, text},
    records,
};
use crate::capture::Steering;

/// Prints the status.
pub fn status(common: &Common, coverage: bool) -> Outcome {
    if coverage {
        return covered(common);
    }
    let attached: Vec<String> = Steering::attached().iter().map(|path| path.display().to_string()).collect();
    let status = ask(common, "/status", &[])?.unwrap_or_default();
    if common.json {
        let mut status = status;
        status["attached"] = json!(attached);
        output::json(&status);
        return Ok(0);
    }
    match status["running"] == true {
        true => line(format_args!("running for {} in mode {}", text(&status["app"]), text(&status["mode"]))),
        false => line("no gateway runs with this state folder"),
    }
    status["apps"].as_array().into_iter().flatten().for_each(app);
    for path in &attached {
        line(format_args!("attached to {path}"));
    }
    rights(&status["rights"]);
    section("", &status["counters"]);
    section("kernel: ", &status["kernel"]);
    line("");
    records::budgets(&status["budgets"]);
    Ok(0)
}

/// Prints which threads of the gateway still have rights.
fn rights(held: &Value) {
    let groups = || held.as_array().into_iter().flatten();
    for group in groups() {
        let names: Vec<&str> =
            group["rights"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if !names.is_empty() {
            line(format_args!("rights of thread {}: {}", text(&group["thread"]), names.join(", ")));
        }
    }
    let without = groups().filter(|group| group["rights"].as_array().is_some_and(Vec::is_empty));
    let count: u64 = without.filter_map(|group| group["threads"].as_u64()).sum();
    if count > 0 {
        line(format_args!("rights of the other {count} threads: none"));
    }
}

/// Prints one app of the transparent door.
fn app(app: &Value) {
    let Some(cgroup) = app["cgroup"].as_str() else { return };
    let gone = if app["gone"] == true { ", GONE: nothing runs there, or it is not protected" } else { "" };
    let spaces = app["namespaces"].as_u64().map_or(String::new(), |count| {
        format!(", in {count} network namespace{}", if count == 1 { "" } else { "s" })
    });
    line(format_args!(
        "serving {} ({cgroup}) in mode {}{spaces}{gone}",
        text(&app["app"]),
        text(&app["mode"])
    ));
}

/// Prints which connections were inspected, and which were not and why.
fn covered(common: &Common) -> Outcome {
    let report = ask(common, "/coverage", &[])?.unwrap_or_default();
    if common.json {
        output::json(&report);
        return Ok(0);
    }
    line(text(&report["summary"]));
    line("");
    totals(&report["totals"]);
    line("");
    let fields = ["app", "process", "host", "decision", "connections", "bytes_up", "bytes_down"];
    let rows = report["rows"].as_array().into_iter().flatten();
    let rows: Vec<Vec<String>> = rows.map(|row| fields.map(|field| text(&row[field])).into()).collect();
    output::table(&["APP", "PROCESS", "HOST", "DECISION", ">CONNECTIONS", ">UP", ">DOWN"], &rows);
    Ok(0)
}

/// Prints what each decision came to, with its share of all.
fn totals(totals: &Value) {
    let number = |of: &Value, field: &str| of[field].as_u64().unwrap_or(0);
    let totals: Vec<(&String, u64, u64)> = totals
        .as_object()
        .into_iter()
        .flatten()
        .map(|(decision, of)| {
            (decision, number(of, "connections"), number(of, "bytes_up") + number(of, "bytes_down"))
        })
        .collect();
    let all = |part: fn(&(&String, u64, u64)) -> u64| totals.iter().map(part).sum::<u64>().max(1) as f64;
    let (connections, bytes) = (all(|of| of.1), all(|of| of.2));
    let share = |part: u64, all: f64| format!("{:.1} %", part as f64 * 100.0 / all);
    let mut sorted = totals.clone();
    sorted.sort_by_key(|of| std::cmp::Reverse((of.2, of.1)));
    let rows: Vec<Vec<String>> = sorted
        .iter()
        .map(|(decision, of, size)| {
            vec![
                (*decision).clone(),
                of.to_string(),
                share(*of, connections),
                size.to_string(),
                share(*size, bytes),
            ]
        })
        .collect();
    output::table(&["DECISION", ">CONNECTIONS", ">SHARE", ">BYTES", ">SHARE"], &rows);
}

/// Prints counters that are not zero.
fn section(prefix: &str, counters: &Value) {
    for (name, count) in counters.as_object().into_iter().flatten() {
        if count != 0 {
            line(format_args!("{prefix}{:<28} {count}", name.replace('_', " ")));
        }
    }
}
