//! The apps a running gateway serves through the transparent door, each of which may be let go by itself.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::{sync::Semaphore, task::AbortHandle};

use super::{
    App, Served, Shared,
    comeback::Lost,
    doors::{self, Transparent},
    spaces::{Spaces, Threads},
};
use crate::{capture::cgroup, flow::Services};

/// The apps and their doors.
pub struct Serving {
    apps: Mutex<Vec<One>>,
    shared: Arc<Shared>,
    threads: Option<Threads>,
    connections: Arc<Semaphore>,
}

/// One app.
struct One {
    served: Served,
    /// Id of its cgroup; 0 at the proxy doors.
    cgroup: u64,
    /// Its accept loop, and what looks after other network namespaces.
    door: Vec<AbortHandle>,
    /// It was let go and its flows are ending.
    ending: bool,
    /// Its cgroup is gone.
    gone: bool,
}

impl Serving {
    /// Opens the doors of all apps of a gateway.
    pub async fn open(app: &App, doors: Vec<Transparent>, connections: &Arc<Semaphore>) -> Serving {
        let serving = Serving {
            apps: Mutex::default(),
            shared: Arc::clone(&app.shared),
            threads: app.threads.clone(),
            connections: Arc::clone(connections),
        };
        let mut doors = doors.into_iter();
        for served in &app.served {
            let one = serving.one(served.clone(), doors.next()).await;
            serving.lock().push(one);
        }
        serving
    }

    async fn one(&self, served: Served, door: Option<Transparent>) -> One {
        let id = served.cgroup.as_deref().and_then(|path| cgroup::id(path).ok());
        let door = match door {
            Some(door) => self.open_door(&served, door).await,
            None => Vec::new(),
        };
        One { served, cgroup: id.unwrap_or(0), door, ending: false, gone: false }
    }

    /// Opens the door in the gateway's own network namespace, and in all others.
    async fn open_door(&self, served: &Served, door: Transparent) -> Vec<AbortHandle> {
        let services = Arc::clone(&served.services);
        let own = doors::steered(services, door.listeners, None, Arc::clone(&self.connections));
        let mut tasks = vec![tokio::spawn(own).abort_handle()];
        if let (Some(threads), Some(cgroup)) = (&self.threads, &served.cgroup) {
            let (services, connections) = (Arc::clone(&served.services), Arc::clone(&self.connections));
            let spaces =
                Spaces::open(services, cgroup.clone(), threads.clone(), connections, door.earlier).await;
            tasks.push(tokio::spawn(spaces.keep()).abort_handle());
        }
        tasks
    }

    /// What all apps share.
    pub fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// The apps whose cgroup is gone, and which were not let go.
    pub fn lost(&self) -> Vec<Lost> {
        let mut all = self.lock();
        let is_gone = |one: &&mut One| {
            let path = one.served.cgroup.as_deref().filter(|_| !one.ending);
            path.is_some_and(|path| cgroup::id(path).ok() != Some(one.cgroup))
        };
        let lost = |one: &mut One| {
            let is_new = !std::mem::replace(&mut one.gone, true);
            Lost { served: one.served.clone(), cgroup: one.cgroup, is_new }
        };
        all.iter_mut().filter(is_gone).map(lost).collect()
    }

    /// Serves an app at a new cgroup in place of the one that is gone. Its flows that still run go on.
    pub async fn replace(&self, cgroup: u64, served: Served, door: Transparent) {
        let one = self.one(served, Some(door)).await;
        let mut all = self.lock();
        match all.iter_mut().find(|known| known.cgroup == cgroup && !known.ending) {
            Some(known) => {
                known.close_door();
                *known = one;
            }
            // It was let go meanwhile.
            None => {
                drop(all);
                one.close_door();
                release(&one.served);
            }
        }
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
        self.apps.lock().unwrap_or_else(PoisonError::into_inner)
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
            "gone": self.gone,
            "mode": services.config.mode,
            "via": services.steer.as_ref().map(|steer| steer.via().to_string()),
            "namespaces": services.steer.as_ref().and_then(|steer| steer.kernel()).map(|steer| steer.listening_in().len()),
            "kernel": services.steer.as_ref().and_then(|steer| steer.counters().ok()),
        })
    }
}

fn release(served: &Served) {
    let (Some(steer), Some(cgroup)) = (&served.services.steer, &served.cgroup) else { return };
    match steer.detach() {
        Ok(()) => tracing::info!(cgroup = %cgroup.display(), "detached"),
        Err(error) => tracing::error!(%error, "a cgroup stays attached: run `gateway detach`"),
    }
}
