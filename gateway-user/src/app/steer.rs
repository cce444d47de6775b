//! Steers the cgroups of several apps: all of them, or, after a failure, none that was not steered before.

use std::sync::Arc;

use super::Wanted;
use crate::capture::{Steer, SteerError};

/// Attaches to the cgroup of each app that has one.
///
/// # Errors
/// The first failure. What was attached before it is removed again, unless an earlier gateway had left it there.
pub fn attach(apps: &[Wanted]) -> Result<Vec<Option<Arc<Steer>>>, SteerError> {
    let mut attached: Vec<(Option<Steer>, bool)> = Vec::with_capacity(apps.len());
    for app in apps {
        let Some(options) = &app.steer else {
            attached.push((None, false));
            continue;
        };
        let fresh = Steer::pinned_listener(&options.cgroup).is_none();
        match Steer::attach(options) {
            Ok(steer) => attached.push((Some(steer), fresh)),
            Err(error) => {
                attached.into_iter().for_each(undo);
                return Err(error);
            }
        }
    }
    Ok(attached.into_iter().map(|(steer, _)| steer.map(Arc::new)).collect())
}

fn undo((steer, fresh): (Option<Steer>, bool)) {
    let Some(steer) = steer.filter(|_| fresh) else { return };
    if let Err(error) = steer.detach() {
        tracing::warn!(%error, "a cgroup stays attached: run `gateway detach`");
    }
}
