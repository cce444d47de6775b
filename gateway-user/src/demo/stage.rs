//! Where the demo plays: its folder, its world, its cgroup, and how all of that goes away again.

use std::fs::{DirBuilder, remove_dir_all};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;

use super::call::Api;
use crate::capture::{cgroup, preflight};
use crate::simulate::world::{self, WorldError};

/// How long the processes of the demo's cgroup may take to go once they are killed.
const EMPTY: Duration = Duration::from_secs(2);

/// Where the two providers live in the demo's world (RFC 5737).
const ADDRESSES: [(Api, Ipv4Addr); 2] =
    [(Api::OpenAi, Ipv4Addr::new(192, 0, 2, 10)), (Api::Anthropic, Ipv4Addr::new(192, 0, 2, 20))];

/// Which way the app's traffic comes to the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// The kernel steers the app's connections.
    Transparent {
        /// Name of the demo's cgroup.
        cgroup: String,
    },
    /// The app is told the gateway's address as its base URL.
    Reverse {
        /// What stands in the way of the transparent door.
        lacks: Vec<String>,
    },
}

/// The demo's surroundings.
#[derive(Debug)]
pub(super) struct Stage {
    /// Folder of the demo, 0700.
    pub folder: PathBuf,
    /// The door that can be shown here.
    pub door: Door,
}

impl Stage {
    /// Makes the folder and, with the rights for it, a world with the providers' names. Must be called on the main
    /// thread before any other exists.
    ///
    /// # Errors
    /// When the folder cannot be made, or the world not be finished.
    pub(super) fn set(proxy: bool) -> anyhow::Result<Stage> {
        let folder = std::env::temp_dir().join(format!("gateway-demo-{}", std::process::id()));
        let made = DirBuilder::new().mode(0o700).create(&folder);
        made.with_context(|| format!("cannot make the folder {}; set TMPDIR to another", folder.display()))?;
        match door(&folder, proxy) {
            Ok(door) => Ok(Stage { folder, door }),
            Err(error) => {
                remove_dir_all(&folder)?;
                Err(error.into())
            }
        }
    }

    /// Where the gateway keeps its state.
    pub(super) fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// Where the provider listens with TLS: the providers' port in a world of our own, else a free one.
    pub(super) fn provider(&self) -> SocketAddr {
        match self.door {
            Door::Transparent { .. } => (Ipv4Addr::UNSPECIFIED, 443).into(),
            Door::Reverse { .. } => (Ipv4Addr::LOCALHOST, 0).into(),
        }
    }

    /// The path of the demo's cgroup, which the gateway made; `None` at the reverse door.
    ///
    /// # Errors
    /// When there is none of that name.
    pub(super) fn cgroup(&self) -> anyhow::Result<Option<PathBuf>> {
        match &self.door {
            Door::Transparent { cgroup } => Ok(Some(cgroup::resolve(cgroup)?)),
            Door::Reverse { .. } => Ok(None),
        }
    }

    /// Ends what still runs in the cgroup, removes it and the folder.
    ///
    /// # Errors
    /// When something stays behind.
    pub(super) async fn clear(self) -> anyhow::Result<()> {
        let emptied = match self.cgroup() {
            Ok(Some(path)) => remove(&path).await,
            // The gateway had not made it yet, or nothing is to be done.
            _ => Ok(()),
        };
        let folder = remove_dir_all(&self.folder);
        folder.with_context(|| format!("cannot remove the demo's folder {}", self.folder.display()))?;
        emptied
    }
}

/// The transparent door if the rights are there, else the reverse one and what is lacking.
fn door(folder: &Path, proxy: bool) -> Result<Door, WorldError> {
    if proxy || !nix::unistd::geteuid().is_root() {
        return Ok(Door::Reverse { lacks: Vec::new() });
    }
    match world::enter(folder, &ADDRESSES.map(|(api, address)| (api.host(), address))) {
        Err(error @ WorldError::Namespaces(_)) => {
            return Ok(Door::Reverse { lacks: vec![error.to_string()] });
        }
        outcome => outcome?,
    }
    let missing = preflight::missing();
    if !missing.is_empty() {
        return Ok(Door::Reverse { lacks: missing.iter().map(ToString::to_string).collect() });
    }
    Ok(Door::Transparent { cgroup: format!("gateway-demo-{}", std::process::id()) })
}

async fn remove(path: &Path) -> anyhow::Result<()> {
    // Kernels before 5.14 have no such file; then only the client was there, which is dead.
    let _ = std::fs::write(path.join("cgroup.kill"), "1");
    let until = Instant::now() + EMPTY;
    loop {
        match cgroup::remove(path) {
            Err(_) if Instant::now() < until => tokio::time::sleep(Duration::from_millis(10)).await,
            outcome => return Ok(outcome?),
        }
    }
}
