//! `gateway list`, `gateway show` and `gateway usage`.

use serde_json::Value;

use super::{
    Failure, Outcome,
    args::Common,
    ask::ask,
    output::{json, line, table, text},
};
use crate::config::dollars;

/// Prints the latest flows.
pub fn list(common: &Common, limit: usize, verdict: Option<&str>) -> Outcome {
    let mut query = vec![("limit", limit.to_string())];
    query.extend(verdict.map(|verdict| ("verdict", verdict.to_owned())));
    let records = ask(common, "/records", &query)?.unwrap_or_default();
    if common.json {
        json(&records);
        return Ok(0);
    }
    let rows: Vec<Vec<String>> = records.as_array().into_iter().flatten().map(row).collect();
    if rows.is_empty() {
        line("no flows are recorded");
        return Ok(0);
    }
    let headings =
        ["ID", "START", "APP", "HOST", "MODEL", "VERDICT", ">STATUS", ">IN", ">OUT", ">COST $", "FINDINGS"];
    table(&headings, &rows);
    Ok(0)
}

fn row(record: &Value) -> Vec<String> {
    let tokens = &record["tokens"];
    let count = |name: &str| tokens[name].as_u64().unwrap_or(0);
    let input = count("input") + count("cached_input") + count("cache_write");
    let start = text(&record["start"]);
    vec![
        text(&record["id"]),
        start.split_once('.').map_or(start.as_str(), |(seconds, _)| seconds).to_owned(),
        text(&record["principal"]["app"]),
        text(&record["host"]),
        text(&record["model"]),
        text(&record["verdict"]),
        text(&record["status"]),
        input.to_string(),
        count("output").to_string(),
        cost(&record["cost"]),
        findings(record),
    ]
}

fn findings(record: &Value) -> String {
    let mut rules: Vec<String> = record["findings"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|finding| format!("{} {}", text(&finding["rule"]), text(&finding["action"])))
        .collect();
    rules.dedup();
    rules.join(", ")
}

fn cost(nanos: &Value) -> String {
    dollars(nanos.as_u64().unwrap_or(0))
}

/// Prints one flow.
pub fn show(common: &Common, id: &str) -> Outcome {
    if !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(anyhow::anyhow!("{id:?} is not the id of a flow; `gateway list` shows them").into());
    }
    let Some(record) = ask(common, &format!("/records/{id}"), &[])? else {
        return Err(anyhow::anyhow!("no flow's id begins with {id:?}; `gateway list` shows them").into());
    };
    if common.json {
        json(&record);
        return Ok(0);
    }
    let mut rows = Vec::new();
    flatten("", &record, &mut rows);
    for (key, value) in rows {
        line(format_args!("{key:<24} {value}"));
    }
    Ok(0)
}

/// Lists the leaves of a record as `outer.inner value`; money as dollars.
fn flatten(prefix: &str, value: &Value, rows: &mut Vec<(String, String)>) {
    let named = |key: &str| if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") };
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                flatten(&named(key), value, rows);
            }
        }
        Value::Array(items) => {
            for (number, item) in items.iter().enumerate() {
                flatten(&named(&number.to_string()), item, rows);
            }
        }
        nanos if prefix == "cost" => rows.push((prefix.to_owned(), format!("${}", cost(nanos)))),
        leaf => rows.push((prefix.to_owned(), text(leaf))),
    }
}

/// Prints tokens and money by app and by model, and the budgets.
pub fn usage(common: &Common) -> Result<u8, Failure> {
    let usage = ask(common, "/usage", &[])?.unwrap_or_default();
    if common.json {
        json(&usage);
        return Ok(0);
    }
    for (title, key) in [("APP", "by_app"), ("MODEL", "by_model")] {
        let rows: Vec<Vec<String>> = usage[key].as_array().into_iter().flatten().map(spend).collect();
        table(&[title, ">FLOWS", ">IN", ">OUT", ">COST $", ">FINDINGS", ">STOPPED"], &rows);
        line("");
    }
    budgets(&usage["budgets"]);
    Ok(0)
}

fn spend(spend: &Value) -> Vec<String> {
    let plain = |key: &str| text(&spend[key]);
    vec![
        plain("name"),
        plain("flows"),
        plain("input"),
        plain("output"),
        cost(&spend["cost"]),
        plain("findings"),
        plain("stopped"),
    ]
}

/// Prints what is left of the budgets.
pub fn budgets(budgets: &Value) {
    let rows: Vec<Vec<String>> = budgets
        .as_array()
        .into_iter()
        .flatten()
        .map(|budget| {
            vec![
                text(&budget["name"]),
                cost(&budget["limit"]),
                cost(&budget["spent"]),
                cost(&budget["reserved"]),
                cost(&budget["unreconciled"]),
                if budget["enforce"] == true { "enforced" } else { "reported" }.to_owned(),
            ]
        })
        .collect();
    if rows.is_empty() {
        line("no budget is set (--budget USD)");
        return;
    }
    table(&["BUDGET", ">LIMIT $", ">SPENT $", ">RESERVED $", ">UNRECONCILED $", ""], &rows);
}
