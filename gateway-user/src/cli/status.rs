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
pub fn status(common: &Common) -> Outcome {
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
    for path in &attached {
        line(format_args!("attached to {path}"));
    }
    section("", &status["counters"]);
    section("kernel: ", &status["kernel"]);
    line("");
    records::budgets(&status["budgets"]);
    Ok(0)
}

/// Prints counters that are not zero.
fn section(prefix: &str, counters: &Value) {
    for (name, count) in counters.as_object().into_iter().flatten() {
        if count != 0 {
            line(format_args!("{prefix}{:<28} {count}", name.replace('_', " ")));
        }
    }
}
