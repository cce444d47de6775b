//! The accept loops: connections in, each carried by a task of its own.

use std::{collections::HashMap, io, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};

use super::Served;
use crate::{
    capture::{Listeners, Namespace},
    flow::{
        Services,
        door::{self, Upstream},
    },
};

/// How long to wait before accepting again after the system refused (out of file descriptors, mostly).
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// The transparent door of one app.
pub struct Transparent {
    /// In the gateway's own network namespace.
    pub listeners: Listeners,
    /// Ports on which an earlier gateway listened in other namespaces, by their cookies.
    pub earlier: HashMap<u64, u16>,
}

/// Accepts steered connections of one app in one network namespace (`None`: the gateway's own) until it is aborted.
pub async fn steered(
    services: Arc<Services>,
    listeners: Listeners,
    namespace: Option<Arc<Namespace>>,
    connections: Arc<Semaphore>,
) {
    while let Some((accepted, permit)) = next(listeners.accept().await, &connections).await {
        let Some((stream, peer)) = accepted else { continue };
        let (services, namespace) = (Arc::clone(&services), namespace.clone());
        tokio::spawn(async move {
            door::steered(services, stream, peer, namespace).await;
            drop(permit);
        });
    }
}

/// Accepts connections of the proxy's port until it is aborted.
pub async fn proxied(
    services: Arc<Services>,
    listener: TcpListener,
    upstream: Upstream,
    connections: Arc<Semaphore>,
) {
    while let Some((accepted, permit)) = next(accept(&listener).await, &connections).await {
        let Some(stream) = accepted else { continue };
        let (services, upstream) = (Arc::clone(&services), upstream.clone());
        tokio::spawn(async move {
            door::proxied(services, stream, upstream).await;
            drop(permit);
        });
    }
}

async fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
    let (stream, _) = listener.accept().await?;
    // Without it a delta may wait 40 ms for the client's delayed acknowledgement.
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// What was accepted, once there is room for it: a door that waits holds no room, as there may be more doors than
/// room. None when no more are to be served.
async fn next<T>(
    accepted: io::Result<T>,
    connections: &Arc<Semaphore>,
) -> Option<(Option<T>, OwnedSemaphorePermit)> {
    let permit = Arc::clone(connections).acquire_owned().await.ok()?;
    let accepted = match accepted {
        Ok(accepted) => Some(accepted),
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(ACCEPT_AGAIN).await;
            None
        }
    };
    Some((accepted, permit))
}

/// Waits until no flow of these apps runs, or the longest of their limits for it is over.
pub async fn drain(apps: &[Served]) {
    let limit = apps.iter().map(|app| app.services.config.limits.drain).max().unwrap_or_default();
    let ended = async {
        for app in apps {
            app.services.running.none().await;
        }
    };
    if tokio::time::timeout(limit, ended).await.is_err() {
        tracing::warn!(seconds = limit.as_secs(), "flows that were still running are cut off");
    }
}
