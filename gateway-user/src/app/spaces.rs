//! Listens in every network namespace that processes of one app live in: containers, pods, `unshare -n`.
//!
//! A look at all processes, several times a second, finds most namespaces before their programs have opened a socket. For
//! those that are quicker the kernel tells of the first socket. A connection that is quicker still is refused with
//! `fail: closed`, as long as nobody listens for it.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::Semaphore, task::AbortHandle};

use super::doors;
use crate::{
    capture::{
        Entrance, Namespace, Steer, Stranger, Strangers, cgroup,
        netns::{self, FileId, Inhabited, NetnsError},
        rights,
    },
    flow::Services,
};

/// How often all processes are looked at, at most and at least: a namespace that is found before its first socket
/// loses no connection.
const LOOK_AT_MOST: Duration = Duration::from_millis(100);
const LOOK_AT_LEAST: Duration = Duration::from_secs(1);

/// In between it depends on how many there are: looking takes no more than a hundredth of a processor's time.
const LOOK_SHARE: u32 = 100;

/// How long a namespace must be without a process of the app before it is forgotten. A process that moves between two
/// cgroups of the app may be missed by one look, and a container that is started anew comes back.
const FORGET_AFTER: Duration = Duration::from_secs(2);

/// Most namespaces whose failure is remembered, so that each is told once.
const MOST_TOLD: usize = 1024;

/// The threads with the right to enter namespaces: one makes sockets, which flows wait for; one looks at processes,
/// which may take longer.
#[derive(Clone)]
pub struct Threads {
    enter: Arc<Entrance>,
    look: Arc<Entrance>,
}

impl Threads {
    /// Starts them, in the gateway's own namespace and with the rights it kept.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn start() -> std::io::Result<Threads> {
        rights::privileged(|| {
            Ok(Threads { enter: Entrance::start("netns-enter")?, look: Entrance::start("netns-look")? })
        })
    }
}

/// The namespaces of one app, beside the gateway's own.
pub struct Spaces {
    services: Arc<Services>,
    cgroup: PathBuf,
    threads: Threads,
    connections: Arc<Semaphore>,
    /// Ports an earlier gateway listened on, by namespace: the same are bound again, so that a connection made in
    /// between reaches a listener.
    earlier: HashMap<u64, u16>,
    open: HashMap<u64, Space>,
    told: HashSet<FileId>,
    told_hidden: bool,
}

/// One namespace that is listened in.
struct Space {
    file: FileId,
    door: AbortHandle,
    /// When a process of the app was last seen in it.
    seen: Instant,
}

impl Drop for Space {
    fn drop(&mut self) {
        // The listeners go with the task; connections that were accepted go on.
        self.door.abort();
    }
}

impl Spaces {
    /// Listens in every namespace that processes of the app live in now.
    pub async fn open(
        services: Arc<Services>,
        cgroup: PathBuf,
        threads: Threads,
        connections: Arc<Semaphore>,
        earlier: HashMap<u64, u16>,
    ) -> Spaces {
        let (open, told) = (HashMap::new(), HashSet::new());
        let mut spaces =
            Spaces { services, cgroup, threads, connections, earlier, open, told, told_hidden: false };
        spaces.look().await;
        spaces.forget_earlier();
        spaces
    }

    /// Goes on until it is aborted.
    pub async fn keep(mut self) {
        let (services, runtime) = (Arc::clone(&self.services), tokio::runtime::Handle::current());
        // Without root, opening the table takes a right that flows have not.
        let opened = rights::privileged(move || {
            let _inside = runtime.enter();
            Some(services.steer.as_deref()?.kernel()?.strangers())
        });
        let mut strangers = opened.and_then(|opened| {
            opened
                .inspect_err(|error| tracing::warn!(%error, "new namespaces are found by looking only"))
                .ok()
        });
        loop {
            let begun = Instant::now();
            self.look().await;
            let next_look =
                tokio::time::sleep((begun.elapsed() * LOOK_SHARE).clamp(LOOK_AT_MOST, LOOK_AT_LEAST));
            tokio::pin!(next_look);
            loop {
                tokio::select! {
                    () = &mut next_look => break,
                    stranger = next(&mut strangers) => self.meet(stranger).await,
                }
            }
        }
    }

    /// Only kernel programs reach into other namespaces.
    fn steer(&self) -> Option<&Steer> {
        self.services.steer.as_deref()?.kernel()
    }

    /// Looks at all processes: listens where it does not yet, and forgets what has ended.
    async fn look(&mut self) {
        let cgroup = self.cgroup.clone();
        let looked = self
            .threads
            .look
            .at_home(move || (netns::own_file_id(), netns::namespaces_of(&cgroup::processes(&cgroup))));
        let Ok((own, Inhabited { spaces: found, hidden })) = looked.await else { return };
        if let Some((pid, error)) = hidden.filter(|_| !std::mem::replace(&mut self.told_hidden, true)) {
            tracing::warn!(app = &*self.services.app, pid, %error, "a process may not be looked at: if it lives in another network namespace, its connections are not served");
        }
        self.forget_ended(&found);
        for (file, pid) in found {
            if Some(file) != own && !self.open.values().any(|space| space.file == file) {
                let opened = Namespace::of_process(&self.threads.enter, pid).await;
                self.take_in(file, opened).await;
            }
        }
    }

    /// Listens where the kernel saw somebody.
    async fn meet(&mut self, stranger: Stranger) {
        if self.open.contains_key(&stranger.netns) {
            return;
        }
        match Namespace::of_thread(&self.threads.enter, stranger.pid, stranger.netns).await {
            Ok(Some(namespace)) => {
                if let Ok(file) = namespace.file_id() {
                    self.take_in(file, Ok(namespace)).await;
                }
            }
            // The process is gone, or has left the namespace: another may be there.
            Ok(None) | Err(_) => self.look().await,
        }
    }

    async fn take_in(&mut self, file: FileId, opened: Result<Namespace, NetnsError>) {
        let listening = match opened {
            Ok(namespace) => self.listen(file, namespace).await,
            Err(error) => Err(error.into()),
        };
        if let Err(error) = listening {
            if self.told.len() >= MOST_TOLD {
                self.told.clear();
            }
            if self.told.insert(file) {
                tracing::warn!(app = &*self.services.app, error = %format!("{error:#}"), "a network namespace is not served");
            }
        }
    }

    async fn listen(&mut self, file: FileId, namespace: Namespace) -> anyhow::Result<()> {
        let cookie = namespace.cookie();
        let steer = self.steer().ok_or_else(|| {
            anyhow::anyhow!("steering by nftables does not reach into other network namespaces; use eBPF")
        })?;
        let bound = namespace.listen(self.earlier.get(&cookie).copied()).await?;
        let (v4, v6) = bound.addresses()?;
        let listeners = bound.into_listeners()?;
        steer.listen_in(cookie, v4, v6)?;
        let services = Arc::clone(&self.services);
        let connections = Arc::clone(&self.connections);
        let door = doors::steered(services, listeners, Some(Arc::new(namespace)), connections);
        let door = tokio::spawn(door).abort_handle();
        self.open.insert(cookie, Space { file, door, seen: Instant::now() });
        tracing::info!(app = &*self.services.app, namespace = cookie, listener = %v4, "serving a network namespace");
        Ok(())
    }

    fn forget_ended(&mut self, found: &[(FileId, u32)]) {
        for space in self.open.values_mut() {
            if found.iter().any(|(file, _)| *file == space.file) {
                space.seen = Instant::now();
            }
        }
        let has_ended = |space: &Space| space.seen.elapsed() >= FORGET_AFTER;
        let ended: Vec<u64> =
            self.open.iter().filter(|(_, space)| has_ended(space)).map(|(cookie, _)| *cookie).collect();
        for cookie in ended {
            self.open.remove(&cookie);
            self.services.leave(cookie);
            if let Some(steer) = self.steer() {
                steer.forget(cookie);
            }
            tracing::info!(app = &*self.services.app, namespace = cookie, "a network namespace has ended");
        }
    }

    /// Takes out of the kernel's table what an earlier gateway left there of namespaces that are gone.
    fn forget_earlier(&mut self) {
        self.earlier.clear();
        let Some(steer) = self.steer() else { return };
        for cookie in steer.listening_in() {
            if cookie != steer.namespace() && !self.open.contains_key(&cookie) {
                steer.forget(cookie);
            }
        }
    }
}

/// The next notice; for ever none where there are no notices.
async fn next(strangers: &mut Option<Strangers>) -> Stranger {
    if let Some(watched) = strangers {
        match watched.next().await {
            Ok(stranger) => return stranger,
            Err(error) => tracing::warn!(%error, "new namespaces are found by looking only from now on"),
        }
        *strangers = None;
    }
    std::future::pending().await
}
