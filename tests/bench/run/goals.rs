//! The goals of the project as ratios between rows of one run.

use crate::phases::Measured;
use crate::rows::Row;
use crate::table::{OUTSIDE, figure};

/// One goal: a figure of the gateway's row over the same of another.
struct Goal {
    number: u8,
    what: &'static str,
    /// The figure's column.
    column: &'static str,
    rows: &'static [&'static str],
    /// That row; or another column of the same row.
    against: &'static str,
    /// The ratio that must hold, and the one to stretch for.
    must: f64,
    stretch: f64,
}

const TLS: &[&str] = &["gateway-forward", "gateway-transparent"];
const PLAIN: &[&str] = &["gateway-reverse"];

const GOALS: &[Goal] = &[
    Goal {
        number: 1,
        what: "added p50",
        column: "added p50 µs",
        rows: TLS,
        against: "nginx",
        must: 1.5,
        stretch: 1.2,
    },
    Goal {
        number: 2,
        what: "added p99",
        column: "added p99 µs",
        rows: TLS,
        against: "nginx",
        must: 1.5,
        stretch: 1.0,
    },
    Goal {
        number: 3,
        what: "CPU per request",
        column: "CPU s/1k",
        rows: TLS,
        against: "nginx",
        must: 1.5,
        stretch: 1.25,
    },
    Goal {
        number: 4,
        what: "new connection",
        column: "new connection µs",
        rows: TLS,
        against: "relay",
        must: 1.2,
        stretch: 1.0,
    },
    Goal {
        number: 5,
        what: "time to first token",
        column: "TTFT µs",
        rows: TLS,
        against: "nginx",
        must: 2.0,
        stretch: 1.3,
    },
    Goal {
        number: 6,
        what: "delta delay",
        column: "delta p50 µs",
        rows: TLS,
        against: "nginx",
        must: 1.3,
        stretch: 1.1,
    },
    Goal {
        number: 7,
        what: "CPU per delta",
        column: "CPU µs/delta",
        rows: TLS,
        against: "nginx",
        must: 1.5,
        stretch: 1.2,
    },
    Goal {
        number: 8,
        what: "memory",
        column: "RSS MiB",
        rows: TLS,
        against: "nginx",
        must: 1.3,
        stretch: 1.0,
    },
    Goal {
        number: 9,
        what: "added p50, plain in",
        column: "added p50 µs",
        rows: PLAIN,
        against: "nginx-plain",
        must: 2.0,
        stretch: 1.5,
    },
    Goal {
        number: 10,
        what: "CPU, rules on : off",
        column: "CPU s/1k",
        rows: PLAIN,
        against: "gateway-reverse-bare",
        must: 1.25,
        stretch: 1.1,
    },
    Goal {
        number: 11,
        what: "connect() in the cgroup : outside",
        column: "connect() µs",
        rows: &["gateway-transparent"],
        against: OUTSIDE,
        must: 1.25,
        stretch: 1.1,
    },
];

/// One line per goal and row that were measured.
pub fn render(results: &[(&Row, Vec<Measured>)]) -> String {
    let find = |name: &str, column: &str| {
        let rounds = results.iter().find(|(row, _)| row.name == name)?;
        figure(column, &rounds.1)
    };
    let mut lines = vec![
        "| goal | what | row | ratio | must | stretch | |".to_owned(),
        "|---:|---|---|---|---:|---:|---|".to_owned(),
    ];
    for goal in GOALS {
        for row in goal.rows {
            let theirs = find(goal.against, goal.column).or_else(|| find(row, goal.against));
            let (Some(ours), Some(theirs)) = (find(row, goal.column), theirs) else {
                continue;
            };
            let ratio = ours / theirs;
            let verdict = match ratio {
                // A cost below nothing is the noise of the machine, and so is a ratio to it.
                _ if theirs <= 0.0 => "lost in noise",
                ratio if ratio <= goal.stretch => "stretch",
                ratio if ratio <= goal.must => "must",
                _ => "missed",
            };
            lines.push(format!(
                "| {} | {} | {row} | {ratio:.2} × {} | {} | {} | {verdict} |",
                goal.number, goal.what, goal.against, goal.must, goal.stretch
            ));
        }
    }
    lines.join("\n")
}
