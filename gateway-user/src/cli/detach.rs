//! `gateway detach`: takes the steering off cgroups, with or without a gateway that serves them.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use http::Method;
use serde_json::Value;

use super::{
    Failure, Outcome,
    args::{Common, PlaceArgs},
    ask::block_on,
    config,
    output::line,
    places,
};
use crate::{
    admin::{self, AskError},
    capture::{SteerError, Steering, cgroup, preflight::BPFFS},
    config::Config,
};

/// How long a running gateway may take to let flows end, beyond what it allows them.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long programs may still be held by a gateway that is ending.
const IN_USE: Duration = Duration::from_secs(3);

/// How often it is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Removes the steering of some cgroups, or of all.
pub fn detach(common: &Common, places: &PlaceArgs) -> Outcome {
    let config = config::load(common, |_| ())?;
    let named = places.places();
    let paths = if named.is_empty() { Steering::attached() } else { places::paths(&named)? };
    if paths.is_empty() {
        line("nothing is attached");
    }
    for path in paths {
        if let Some(id) = id_of(&path) {
            let_go(&config, id)?;
        }
        remove(&path)?;
        line(format_args!("detached from {}", path.display()));
    }
    Ok(0)
}

/// Removes what steers a cgroup. A gateway that ends with its last app holds `fail: open` programs a moment longer than
/// it answers.
fn remove(path: &Path) -> Result<(), Failure> {
    let begun = Instant::now();
    loop {
        match Steering::detach_cgroup(path) {
            Err(SteerError::InUse(_)) if begun.elapsed() < IN_USE => std::thread::sleep(LOOK_AGAIN),
            other => return Ok(other?),
        }
    }
}

/// The id of a cgroup; of one that is gone, its pins still say it.
fn id_of(path: &Path) -> Option<u64> {
    match path.starts_with(BPFFS) {
        true => path.file_name()?.to_str()?.parse().ok(),
        false => cgroup::id(path).ok(),
    }
}

/// Has the gateway that runs with our state folder let go of a cgroup, if it serves it; it ends with its last.
fn let_go(config: &Config, id: u64) -> Result<(), Failure> {
    block_on(async {
        let asked = admin::ask(&config.state, Method::POST, &format!("/detach?cgroup={id}")).await;
        match asked {
            Err(AskError::NotRunning(_)) => return Ok(()),
            // It serves others.
            Ok(answer) if answer.as_ref().is_none_or(|answer| answer.get("ordered").is_none()) => {
                return Ok(());
            }
            asked => asked?,
        };
        let gone = async {
            while is_served(config, id).await {
                tokio::time::sleep(LOOK_AGAIN).await
            }
        };
        tokio::time::timeout(config.limits.drain + PATIENCE, gone).await.map_err(|_| {
            Failure::unavailable("the running gateway does not let go; end it with SIGKILL and detach again")
        })
    })?
}

async fn is_served(config: &Config, id: u64) -> bool {
    match admin::ask(&config.state, Method::GET, "/status").await {
        Err(AskError::NotRunning(_)) => false,
        Ok(Some(status)) => {
            let apps = status["apps"].as_array().cloned().unwrap_or_default();
            apps.iter().any(|app| app.get("cgroup_id").and_then(Value::as_u64) == Some(id))
        }
        _ => true,
    }
}
