//! Namespaces in which the cgroup opens sockets and the gateway does not listen yet, as the kernel tells of them.

use super::kernel::Wire;
use super::maps;
use aya::maps::{Map, MapData, RingBuf};
use std::io;
use std::path::Path;
use tokio::io::unix::AsyncFd;

/// A network namespace without a listener, and who was seen in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stranger {
    /// Cookie of the namespace, as in [`crate::capture::socket::namespace`].
    pub netns: u64,
    /// Process id, in the initial pid namespace, of a task that opened a socket there. It may be gone by now.
    pub pid: u32,
}

/// The kernel's notices. Each namespace is told again every two seconds as long as it opens sockets and has no
/// listener; some 2,700 notices wait to be read, further ones are dropped and come again.
#[derive(Debug)]
pub struct Strangers {
    ring: AsyncFd<Ring>,
}

/// The library's ring has no `Debug`.
struct Ring(RingBuf<MapData>);

impl std::fmt::Debug for Ring {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Ring")
    }
}

impl std::os::fd::AsRawFd for Ring {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.0.as_raw_fd()
    }
}

impl Strangers {
    /// The ring pinned in `folder`.
    pub(super) fn pinned(folder: &Path) -> io::Result<Strangers> {
        let map = maps::pinned(folder, maps::STRANGERS).map_err(io::Error::other)?;
        let Map::RingBuf(_) = &map else { return Err(io::ErrorKind::InvalidData.into()) };
        let ring = RingBuf::try_from(map).map_err(io::Error::other)?;
        // SAFETY: the ring's descriptor stays open and the same for as long as the ring lives, which owns it.
        Ok(Strangers { ring: unsafe { AsyncFd::register(Ring(ring)) }? })
    }

    /// The next notice. Cancel safe.
    ///
    /// # Errors
    /// The runtime cannot watch the ring.
    pub async fn next(&mut self) -> io::Result<Stranger> {
        loop {
            let mut guard = self.ring.readable_mut().await?;
            if let Some(stranger) = guard.get_inner_mut().take() {
                return Ok(stranger);
            }
            guard.clear_ready();
        }
    }
}

impl Ring {
    fn take(&mut self) -> Option<Stranger> {
        let item = self.0.next()?;
        let found = Wire::<gateway_ebpf::Stranger>::read(&item)?.0;
        Some(Stranger { netns: found.netns, pid: found.pid })
    }
}
