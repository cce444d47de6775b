//! Attaches again to services and containers that were started anew: their cgroup is then another one.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Served, Shared, Wanted,
    attach::{Listening, listen},
    earlier,
    serving::Serving,
};
use crate::{
    capture::{Steering, rights, target},
    config::Place,
};

/// How often it is looked whether a cgroup is still there, or there again at its old path.
const LOOK: Duration = Duration::from_millis(50);

/// A search by name goes through the whole tree: it may take this share of a processor's time, and comes at least so
/// often.
const SEARCH_SHARE: u32 = 20;
const SEARCH_AT_LEAST: Duration = Duration::from_secs(1);

/// Whether an app at this place is found again by the same name after its cgroup was removed. A path is the operator's
/// own, and a process that has ended does not come back.
pub fn returns(place: &Place) -> bool {
    matches!(place, Place::Systemd(_) | Place::Container(_))
}

/// Watches the cgroups of all apps until it is aborted.
pub async fn watch(serving: Arc<Serving>) {
    let mut next_search = Instant::now();
    loop {
        let begun = Instant::now();
        let search = begun >= next_search;
        let lost = serving.lost();
        let any = !lost.is_empty();
        for lost in lost {
            restore(&serving, lost, search).await;
        }
        if search && any {
            next_search = Instant::now() + (begun.elapsed() * SEARCH_SHARE).min(SEARCH_AT_LEAST);
        }
        tokio::time::sleep(LOOK).await;
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

async fn restore(serving: &Arc<Serving>, lost: Lost, search: bool) {
    let (Some(place), Some(old)) = (&lost.served.place, &lost.served.cgroup) else { return };
    let app = &*lost.served.services.app;
    if lost.is_new {
        let steer = lost.served.services.steer.clone();
        if let Some(Err(error)) = steer.map(|steer| steer.detach()) {
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
    // Most are made anew where they were.
    if !returns(place) || !(search || old.is_dir()) {
        return;
    }
    let (shared, served, wanted) = (serving.shared(), lost.served.clone(), place.clone());
    let again = tokio::task::spawn_blocking(move || attach(&shared, &served, &wanted)).await;
    match again {
        Ok(Ok(Some((served, listening, listener)))) => match listening.open() {
            Ok(door) => {
                tracing::warn!(app, %place, "attached again");
                serving.replace(lost.cgroup, served.clone(), door).await;
                // What was opened in the gap must not stay unseen.
                let looked = tokio::task::spawn_blocking(move || earlier::look_back(&served, listener)).await;
                if let Err(error) = looked {
                    tracing::error!(%error, "connections from before were not looked for");
                }
            }
            Err(error) => tracing::error!(app, %error, "cannot attach again"),
        },
        // Not there yet.
        Ok(Ok(None)) => {}
        Ok(Err(error)) => tracing::error!(app, error = %format!("{error:#}"), "cannot attach again"),
        Err(error) => tracing::error!(app, %error, "cannot attach again"),
    }
}

/// Attaches to the new cgroup of the place, if there is one, with the policy, budget and rules as before. The listener's
/// port comes with it.
fn attach(
    shared: &Shared,
    served: &Served,
    place: &Place,
) -> anyhow::Result<Option<(Served, Listening, u16)>> {
    let old = served.cgroup.clone().filter(|path| path.is_dir());
    let wanted = place.clone();
    // The runtimes' own files are root's.
    let find = || rights::privileged(move || target::find(&wanted)).ok().map(|found| found.path);
    let Some(cgroup) = old.or_else(find) else { return Ok(None) };
    let before = &served.services;
    let listening = listen(&cgroup, HashMap::new())?;
    let options = listening.options(&before.config, cgroup, &before.catalog)?;
    let listener = options.listen_v4.port();
    let steer = Arc::new(Steering::attach(&options, before.config.via)?);
    let wanted = Wanted {
        config: before.config.clone(),
        name: before.app.to_string(),
        place: Some(place.clone()),
        steer: Some(options),
    };
    Ok(Some((
        shared.serve(wanted, Arc::clone(&before.engine), Arc::clone(&before.tools), Some(steer)),
        listening,
        listener,
    )))
}
