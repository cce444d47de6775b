//! What steering needs of the system, and how to get what is missing.

use super::cgroup;
use nix::mount::{MsFlags, mount};
use nix::sys::statfs::{BPF_FS_MAGIC, statfs};
use std::fmt;
use std::fs;
use std::path::Path;

/// Where the bpf file system is expected, and mounted when absent.
pub const BPFFS: &str = "/sys/fs/bpf";
/// `bpf_get_netns_cookie` works in `sock_ops` since then.
const OLDEST_KERNEL: (u32, u32) = (5, 16);

/// Bits of `CapEff` (capability.h).
const CAP_NET_ADMIN: u64 = 1 << 12;
const CAP_SYS_ADMIN: u64 = 1 << 21;
const CAP_PERFMON: u64 = 1 << 38;
const CAP_BPF: u64 = 1 << 39;

/// One thing that is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// What, in a few words.
    pub what: String,
    /// The way to get it.
    pub remedy: &'static str,
}

impl fmt::Display for Missing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.what, self.remedy)
    }
}

/// Everything that stands in the way of steering; empty when [`super::Steer::attach`] can work. Mounts the bpf file
/// system when it is absent and the rights allow it.
pub fn missing() -> Vec<Missing> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let checks = [kernel(&release), rights(&status), cgroup2(), bpffs()];
    checks.into_iter().flatten().collect()
}

fn kernel(release: &str) -> Option<Missing> {
    let mut numbers = release.split(|character: char| !character.is_ascii_digit()).map(str::parse::<u32>);
    let version = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    (version < OLDEST_KERNEL).then(|| Missing {
        what: format!("Linux {}.{} is too old for steering", version.0, version.1),
        remedy: "boot Linux 5.16 or newer, or use `gateway proxy`",
    })
}

fn rights(status: &str) -> Option<Missing> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let held = line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    let needed = CAP_BPF | CAP_NET_ADMIN | CAP_PERFMON;
    if held & CAP_SYS_ADMIN != 0 && held & CAP_NET_ADMIN != 0 || held & needed == needed {
        return None;
    }
    Some(Missing {
        what: "no right to load kernel programs".to_owned(),
        remedy: "run as root, or grant CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON (systemd: AmbientCapabilities=), \
                 or use `gateway proxy`",
    })
}

fn cgroup2() -> Option<Missing> {
    cgroup::mount().err().map(|_| Missing {
        what: "cgroup v2 is not mounted".to_owned(),
        remedy: "mount -t cgroup2 none /sys/fs/cgroup/unified (as root), or use `gateway proxy`",
    })
}

fn bpffs() -> Option<Missing> {
    if is_bpffs() {
        return None;
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    match mount(Some("bpf"), BPFFS, Some("bpf"), flags, Some("mode=0700")) {
        Ok(()) => None,
        Err(error) => Some(Missing {
            what: format!("no bpf file system at {BPFFS} ({error})"),
            remedy: "mount -t bpf bpf /sys/fs/bpf (as root)",
        }),
    }
}

fn is_bpffs() -> bool {
    statfs(Path::new(BPFFS)).is_ok_and(|found| found.filesystem_type() == BPF_FS_MAGIC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_kernels_are_named_and_unknown_ones_tried() {
        let check = |release: &str, fits: bool| assert_eq!(kernel(release).is_none(), fits, "{release}");
        check("6.18.44-fc-v657\n", true);
        check("5.16.0", true);
        check("5.15.0-91-generic", false);
        check("4.19.0", false);
        check("strange", true);
    }

    #[test]
    fn rights_come_from_the_effective_set() {
        let check = |status: &str, enough: bool| assert_eq!(rights(status).is_none(), enough, "{status}");
        check("Name:\tx\nCapEff:\t000001ffffffffff\n", true);
        check("CapEff:\t0000000000000000\n", false);
        check("CapEff:\t000000c000001000\n", true);
        check("CapEff:\t0000008000001000\n", false);
        check("", false);
    }
}
