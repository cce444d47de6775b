//! Attaches again to services and containers that were started anew: their cgroup is then another one.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Served, Shared, Wanted,
    attach::{Listening, listen},
    serving::Serving,
};
use crate::{
    capture::{Steering, target},
    config::Place,
};

/// How often it is looked whether a cgroup is still there, at most and at least.
const LOOK_AT_MOST: Duration = Duration::from_millis(50);
const LOOK_AT_LEAST: Duration = Duration::from_secs(1);

/// In between it depends on how long a look takes, which is long where a large tree is searched.
const LOOK_SHARE: u32 = 50;

/// Whether an app at this place is found again by the same name after its cgroup was removed. A path is the operator's
/// own, and a process that has ended does not come back.
pub fn returns(place: &Place) -> bool {
    matches!(place, Place::Systemd(_) | Place::Container(_))
}

/// Watches the cgroups of all apps until it is aborted.
pub async fn watch(serving: Arc<Serving>) {
    loop {
        let begun = Instant::now();
        for lost in serving.lost() {
            restore(&serving, lost).await;
        }
        tokio::time::sleep((begun.elapsed() * LOOK_SHARE).clamp(LOOK_AT_MOST, LOOK_AT_LEAST)).await;
    }
}

/// An app whose cgroup is gone.
pub struct Lost {
    /// The app as it was served.
    pub served: Served,
    /// The id of the cgroup that is gone.
    pub cgroup: u64,
    /// Nobody has been told yet.
    pub is_new: bool,
}

async fn restore(serving: &Arc<Serving>, lost: Lost) {
    let (Some(place), Some(old)) = (&lost.served.place, &lost.served.cgroup) else { return };
    let app = &*lost.served.services.app;
    if lost.is_new {
        let steer = lost.served.services.steer.clone();
        if let Some(Err(error)) = steer.map(|steer| steer.detach(old)) {
            tracing::warn!(app, %error, "what steered a cgroup that is gone could not be removed");
        }
        match returns(place) {
            true => {
                tracing::warn!(app, %place, "its cgroup is gone; it is attached to again once there is a new one")
            }
            false => tracing::error!(
                app, %place,
                "its cgroup is gone: what runs there anew is NOT protected until `gateway attach` is started again. \
                 Named by --systemd or --container, it is attached to again"
            ),
        }
    }
    if !returns(place) {
        return;
    }
    let (shared, served, wanted) = (serving.shared(), lost.served.clone(), place.clone());
    let again = tokio::task::spawn_blocking(move || attach(&shared, &served, &wanted)).await;
    match again {
        Ok(Ok(Some((served, listening)))) => match listening.open() {
            Ok(door) => {
                tracing::warn!(app, %place, "attached again");
                serving.replace(lost.cgroup, served, door).await;
            }
            Err(error) => tracing::error!(app, %error, "cannot attach again"),
        },
        // Not there yet.
        Ok(Ok(None)) => {}
        Ok(Err(error)) => tracing::error!(app, error = %format!("{error:#}"), "cannot attach again"),
        Err(error) => tracing::error!(app, %error, "cannot attach again"),
    }
}

/// Attaches to the new cgroup of the place, if there is one, with the policy, budget and rules as before.
fn attach(shared: &Shared, served: &Served, place: &Place) -> anyhow::Result<Option<(Served, Listening)>> {
    let Ok(found) = target::find(place) else { return Ok(None) };
    let before = &served.services;
    let listening = listen(&found.path, HashMap::new())?;
    let options = listening.options(&before.config, found.path, &before.catalog)?;
    let steer = Arc::new(Steering::attach(&options, before.config.via)?);
    let wanted = Wanted {
        config: before.config.clone(),
        name: before.app.to_string(),
        place: Some(place.clone()),
        steer: Some(options),
    };
    Ok(Some((shared.serve(wanted, Arc::clone(&before.engine), Some(steer)), listening)))
}
