//! The apps a running gateway serves through the transparent door, each of which may be let go by itself.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::{sync::Semaphore, task::AbortHandle};

use super::{
    Served,
    doors::{self, Transparent},
    spaces::{Spaces, Threads},
};
use crate::{
    capture::{cgroup, rights},
    flow::Services,
};

/// The apps and their doors.
pub struct Serving(Mutex<Vec<One>>);

/// One app.
struct One {
    served: Served,
    /// Id of its cgroup; 0 at the proxy doors.
    cgroup: u64,
    /// Its accept loop, and what looks after other network namespaces.
    door: Vec<AbortHandle>,
    /// It was let go and its flows are ending.
    ending: bool,
}

impl Serving {
    /// Opens the doors of all apps.
    pub async fn open(
        served: &[Served],
        doors: Vec<Transparent>,
        connections: &Arc<Semaphore>,
    ) -> std::io::Result<Serving> {
        // With the rights that are kept for it; this thread has none any more.
        let threads = (!doors.is_empty()).then(|| rights::privileged(Threads::start)).transpose()?;
        let mut all = Vec::with_capacity(served.len());
        let mut doors = doors.into_iter();
        for served in served {
            let id = served.cgroup.as_deref().and_then(|path| cgroup::id(path).ok());
            let door = match doors.next() {
                Some(door) => open_door(served, door, threads.as_ref(), connections).await,
                None => Vec::new(),
            };
            all.push(One { served: served.clone(), cgroup: id.unwrap_or(0), door, ending: false });
        }
        Ok(Serving(Mutex::new(all)))
    }

    /// Whether the app with this cgroup is served and not already let go.
    pub fn serves(&self, cgroup: u64) -> bool {
        self.lock().iter().any(|one| one.cgroup == cgroup && !one.ending)
    }

    /// Whether it is the only one.
    pub fn is_last(&self, cgroup: u64) -> bool {
        self.lock().iter().all(|one| one.cgroup == cgroup || one.ending)
    }

    /// Closes its door, lets its flows end, then removes its steering; the others go on.
    pub fn let_go(self: &Arc<Self>, cgroup: u64) {
        let served = {
            let mut all = self.lock();
            let Some(one) = all.iter_mut().find(|one| one.cgroup == cgroup && !one.ending) else { return };
            one.ending = true;
            one.close_door();
            one.served.clone()
        };
        let serving = Arc::clone(self);
        tokio::spawn(async move {
            doors::drain(std::slice::from_ref(&served)).await;
            release(&served);
            serving.lock().retain(|one| one.cgroup != cgroup);
        });
    }

    /// Closes all doors, and returns the apps.
    pub fn close_doors(&self) -> Vec<Served> {
        let all = self.lock();
        all.iter().for_each(One::close_door);
        all.iter().map(|one| one.served.clone()).collect()
    }

    /// Each app: name, cgroup, mode, and what the kernel counted.
    pub fn status(&self) -> Value {
        self.lock().iter().map(One::status).collect()
    }

    /// What the flows of each app share.
    pub fn services(&self) -> Vec<Arc<Services>> {
        self.lock().iter().map(|one| Arc::clone(&one.served.services)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<One>> {
        // Nothing that changes the list can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl One {
    fn close_door(&self) {
        self.door.iter().for_each(AbortHandle::abort);
    }

    fn status(&self) -> Value {
        let services = &self.served.services;
        json!({
            "app": &*services.app,
            "cgroup": self.served.cgroup,
            "cgroup_id": self.cgroup,
            "mode": services.config.mode,
            "via": services.steer.as_ref().map(|steer| steer.via().to_string()),
            "namespaces": services.steer.as_ref().and_then(|steer| steer.kernel()).map(|steer| steer.listening_in().len()),
            "kernel": services.steer.as_ref().and_then(|steer| steer.counters().ok()),
        })
    }
}

async fn open_door(
    served: &Served,
    door: Transparent,
    threads: Option<&Threads>,
    connections: &Arc<Semaphore>,
) -> Vec<AbortHandle> {
    let services = Arc::clone(&served.services);
    let own = doors::steered(services, door.listeners, None, Arc::clone(connections));
    let mut tasks = vec![tokio::spawn(own).abort_handle()];
    if let (Some(threads), Some(cgroup)) = (threads, &served.cgroup) {
        let (services, connections) = (Arc::clone(&served.services), Arc::clone(connections));
        let spaces = Spaces::open(services, cgroup.clone(), threads.clone(), connections, door.earlier).await;
        tasks.push(tokio::spawn(spaces.keep()).abort_handle());
    }
    tasks
}

fn release(served: &Served) {
    let (Some(steer), Some(cgroup)) = (&served.services.steer, &served.cgroup) else { return };
    match steer.detach(cgroup) {
        Ok(()) => tracing::info!(cgroup = %cgroup.display(), "detached"),
        Err(error) => tracing::error!(%error, "a cgroup stays attached: run `gateway detach`"),
    }
}
