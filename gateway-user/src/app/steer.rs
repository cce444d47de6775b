//! Steers the cgroups of several apps: all of them, or, after a failure, none that was not steered before.

use std::{path::Path, sync::Arc};

use super::Wanted;
use crate::capture::{SteerError, Steering};

/// Attaches to the cgroup of each app that has one.
///
/// # Errors
/// The first failure. What was attached before it is removed again, unless an earlier gateway had left it there.
pub fn attach(apps: &[Wanted]) -> Result<Vec<Option<Arc<Steering>>>, SteerError> {
    let mut attached: Vec<Option<Arc<Steering>>> = Vec::with_capacity(apps.len());
    let mut fresh: Vec<&Path> = Vec::new();
    for app in apps {
        let Some(options) = &app.steer else {
            attached.push(None);
            continue;
        };
        let is_fresh = Steering::earlier_listener(&options.cgroup).is_none();
        match Steering::attach(options, app.config.via) {
            Ok(steer) => attached.push(Some(Arc::new(steer))),
            Err(error) => {
                drop(attached);
                fresh.into_iter().for_each(undo);
                return Err(error);
            }
        }
        fresh.extend(is_fresh.then_some(&*options.cgroup));
    }
    Ok(attached)
}

fn undo(cgroup: &Path) {
    if let Err(error) = Steering::detach_cgroup(cgroup) {
        tracing::warn!(%error, "a cgroup stays attached: run `gateway detach`");
    }
}
