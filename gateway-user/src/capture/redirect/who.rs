//! Which process opened a redirected connection, as far as sock_diag and /proc tell.

use crate::capture::diag::Diag;
use crate::capture::{Who, cgroup};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

/// Most open files looked at for one connection.
const MAX_FILES: usize = 65_536;

/// Who holds the connection from `local` to `peer` in the cgroup. The user is exact; the process is the first found that
/// has the socket open, and unknown where /proc does not show its files to us.
pub(super) fn of(local: SocketAddr, peer: SocketAddr, cgroup: &Path) -> Who {
    let socket = Diag::open().and_then(|diag| diag.find(local, peer)).ok().flatten();
    let Some(socket) = socket else { return Who::default() };
    let pid = holder(socket.inode, &cgroup::processes(cgroup)).unwrap_or(0);
    let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Who {
        pid,
        uid: socket.uid,
        comm: comm.trim_end().to_owned(),
        cgroup: socket.cgroup.or_else(|| cgroup::id(cgroup).ok()).unwrap_or(0),
    }
}

/// The process of these that has the socket open.
pub(in crate::capture) fn holder(inode: u32, processes: &[u32]) -> Option<u32> {
    let wanted = format!("socket:[{inode}]");
    let mut left = MAX_FILES;
    processes.iter().copied().find(|pid| {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        let looked = files.take(left).inspect(|_| left = left.saturating_sub(1));
        looked
            .map(|file| file.path())
            .any(|file| fs::read_link(file).is_ok_and(|target| target.as_os_str() == wanted.as_str()))
    })
}
