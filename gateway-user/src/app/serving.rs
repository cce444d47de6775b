//! The apps a running gateway serves through the transparent door, each of which may be let go by itself.

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::{Value, json};
use tokio::{sync::Semaphore, task::JoinHandle};

use super::{
    Served,
    doors::{self, Transparent},
};
use crate::capture::{Steering, cgroup};

/// The apps and their doors.
pub struct Serving(Mutex<Vec<One>>);

/// One app.
struct One {
    served: Served,
    /// Id of its cgroup; 0 at the proxy doors.
    cgroup: u64,
    door: Option<JoinHandle<()>>,
}

impl Serving {
    /// Opens the doors of all apps.
    pub fn new(served: &[Served], doors: Vec<Transparent>, connections: &Arc<Semaphore>) -> Serving {
        let mut doors = doors.into_iter();
        let one = |served: &Served| {
            let open = |door: Transparent| {
                let services = Arc::clone(&served.services);
                tokio::spawn(doors::steered(services, door.listeners, None, Arc::clone(connections)))
            };
            let id = served.cgroup.as_deref().and_then(|path| cgroup::id(path).ok());
            One { served: served.clone(), cgroup: id.unwrap_or(0), door: doors.next().map(open) }
        };
        Serving(Mutex::new(served.iter().map(one).collect()))
    }

    /// Whether the app with this cgroup is served.
    pub fn serves(&self, cgroup: u64) -> bool {
        self.lock().iter().any(|one| one.cgroup == cgroup)
    }

    /// Whether it is the only one.
    pub fn is_last(&self, cgroup: u64) -> bool {
        self.lock().iter().all(|one| one.cgroup == cgroup)
    }

    /// Closes its door, lets its flows end, then removes its steering; the others go on.
    pub fn let_go(&self, cgroup: u64) {
        let mut all = self.lock();
        let Some(at) = all.iter().position(|one| one.cgroup == cgroup) else { return };
        let one = all.remove(at);
        drop(all);
        one.close_door();
        tokio::spawn(async move {
            doors::drain(std::slice::from_ref(&one.served)).await;
            if let Some(path) = &one.served.cgroup {
                release(path);
            }
        });
    }

    /// Closes all doors.
    pub fn close_doors(&self) {
        self.lock().iter().for_each(One::close_door);
    }

    /// Each app: name, cgroup, mode, and what the kernel counted.
    pub fn status(&self) -> Value {
        self.lock().iter().map(One::status).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<One>> {
        // Nothing that changes the list can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl One {
    fn close_door(&self) {
        if let Some(door) = &self.door {
            door.abort();
        }
    }

    fn status(&self) -> Value {
        let services = &self.served.services;
        json!({
            "app": &*services.app,
            "cgroup": self.served.cgroup,
            "mode": services.config.mode,
            "kernel": services.steer.as_ref().and_then(|steer| steer.counters().ok()),
        })
    }
}

fn release(path: &Path) {
    match Steering::detach_cgroup(path) {
        Ok(()) => tracing::info!(cgroup = %path.display(), "detached"),
        Err(error) => tracing::error!(%error, "a cgroup stays attached: run `gateway detach`"),
    }
}
