//! The phases of a round, each measured directly and then through the proxy.

use anyhow::ensure;
use serde_json::Value;

use crate::processes::{self, Running};
use crate::rows::{LOAD_CPU, PROXY_CPU, Place, Row};

/// One phase.
pub struct Phase {
    /// Its name in the JSON.
    pub name: &'static str,
    /// Whether load, proxy and provider share a processor.
    shared: bool,
    /// Arguments of the load generator.
    load: &'static [&'static str],
}

/// All phases of a round.
pub const PHASES: &[Phase] = &[
    // One request at a time on warm connections.
    Phase { name: "path", shared: true, load: &["-c", "1"] },
    // One at a time, each on a new connection with a full handshake.
    Phase { name: "fresh", shared: true, load: &["-c", "1", "--fresh", "--warmup", "5"] },
    // One stream at a time, deltas as fast as they go.
    Phase { name: "stream", shared: true, load: &["-c", "1", "--warmup", "5", "--stream", "40"] },
    // As many requests as the proxy takes.
    Phase { name: "full", shared: false, load: &["-c", "16"] },
    // Many streams at once, a delta every 5 ms.
    Phase {
        name: "paced",
        shared: false,
        load: &["-c", "16", "--warmup", "1", "--stagger-us", "1300", "--stream", "40", "--pace-us", "5000"],
    },
    // The same with the space before each token, where rules that hold the current word would hold it.
    Phase {
        name: "paced-lead",
        shared: false,
        load: &[
            "-c",
            "16",
            "--warmup",
            "1",
            "--stagger-us",
            "1300",
            "--stream",
            "40",
            "--pace-us",
            "5000",
            "--lead",
        ],
    },
    // Many streams at once, deltas as fast as they go.
    Phase { name: "full-stream", shared: false, load: &["-c", "16", "--warmup", "2", "--stream", "200"] },
];

/// What one phase showed.
pub struct Pair {
    /// The phase.
    pub phase: &'static str,
    /// Without a proxy.
    pub direct: Value,
    /// Through the proxy.
    pub proxied: Value,
}

/// One round of a row.
pub type Measured = Vec<Pair>;

/// Checks that a whole and a streamed answer come through.
pub fn prove(place: &Place, row: &Row) -> anyhow::Result<()> {
    for load in
        [&["--warmup", "1", "--seconds", "0"][..], &["--warmup", "1", "--seconds", "0", "--stream", "5"]]
    {
        let report = load_once(place, Some(row), load, &[])?;
        let error = report["last_error"].as_str();
        ensure!(error.is_none(), "{}", error.unwrap_or_default());
    }
    Ok(())
}

/// Measures all phases once.
pub fn round(place: &Place, row: &Row, proxy: &Running, seconds: f64) -> anyhow::Result<Measured> {
    let seconds = seconds.to_string();
    let group = proxy.group().to_string();
    let mut pairs = Vec::new();
    for phase in PHASES {
        proxy.pin(if phase.shared { LOAD_CPU } else { PROXY_CPU })?;
        let direct = load_once(place, None, phase.load, &["--seconds", &seconds])?;
        let proxied = load_once(place, Some(row), phase.load, &["--seconds", &seconds, "--group", &group])?;
        let (errors, requests) = (proxied["errors"].as_f64(), proxied["requests"].as_f64());
        ensure!(
            errors <= requests.map(|requests| requests * 0.01),
            "{}: {} errors: {}\n{}",
            phase.name,
            proxied["errors"],
            proxied["last_error"],
            proxy.said()
        );
        pairs.push(Pair { phase: phase.name, direct, proxied });
    }
    Ok(pairs)
}

/// Blocks of a thousand connections on each side, and in a short run.
const CONNECT_BLOCKS: usize = 100;
const FEW_BLOCKS: usize = 10;

/// Compares `connect()` to an address that is not steered inside the attached cgroup with outside.
pub fn connects(place: &Place, quick: bool) -> anyhow::Result<Pair> {
    let blocks = if quick { FEW_BLOCKS } else { CONNECT_BLOCKS };
    let report: Value = serde_json::from_str(&processes::output(&mut place.connects(blocks)?)?)?;
    Ok(Pair { phase: "connect", direct: report["outside"].clone(), proxied: report["inside"].clone() })
}

fn load_once(place: &Place, row: Option<&Row>, load: &[&str], more: &[&str]) -> anyhow::Result<Value> {
    let mut command = place.load(row)?;
    Ok(serde_json::from_str(&processes::output(command.args(load).args(more))?)?)
}
