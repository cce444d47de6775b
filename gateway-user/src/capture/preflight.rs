//! Which ways of steering work on this machine, what stands in the way of the others, and how to get what is missing.

use super::{Redirect, cgroup};
use crate::config::Via;
use nix::mount::{MsFlags, mount};
use nix::sys::statfs::{BPF_FS_MAGIC, statfs};
use serde::Serialize;
use std::fmt;
use std::fs;
use std::path::Path;

/// Where the bpf file system is expected, and mounted when absent.
pub const BPFFS: &str = "/sys/fs/bpf";
/// `bpf_get_netns_cookie` works in `sock_ops` since then.
const OLDEST_EBPF: (u32, u32) = (5, 16);
/// nftables matches cgroups of version 2 since then.
const OLDEST_NFTABLES: (u32, u32) = (5, 13);

/// Bits of `CapEff` (capability.h).
const CAP_NET_ADMIN: u64 = 1 << 12;
const CAP_SYS_ADMIN: u64 = 1 << 21;
const CAP_PERFMON: u64 = 1 << 38;
const CAP_BPF: u64 = 1 << 39;

/// One thing that is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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

/// The ways of steering, each with what it lacks here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Preflight {
    /// What was asked for.
    pub wanted: Via,
    /// Kernel programs; empty when they can work.
    pub ebpf: Vec<Missing>,
    /// nftables; empty when it can work.
    pub nftables: Vec<Missing>,
}

/// One way to be given the rights steering takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Grant {
    /// Where it is done.
    pub to: &'static str,
    /// The command, or the lines to write there.
    pub how: &'static str,
}

/// How to be given the rights, instead of running as root. The first four capabilities are for eBPF, of which nftables
/// takes CAP_NET_ADMIN only; CAP_SYS_ADMIN and CAP_SYS_PTRACE are for processes with a network namespace of their own.
pub const GRANTS: [Grant; 3] = [
    Grant {
        to: "one machine",
        how: "sudo setcap cap_bpf,cap_net_admin,cap_perfmon,cap_dac_override,cap_sys_admin,cap_sys_ptrace+ep \
              \"$(command -v gateway)\"",
    },
    Grant {
        to: "a systemd unit",
        how: "AmbientCapabilities=CAP_BPF CAP_NET_ADMIN CAP_PERFMON CAP_DAC_OVERRIDE CAP_SYS_ADMIN CAP_SYS_PTRACE",
    },
    Grant {
        to: "a Kubernetes container",
        how: "securityContext: {capabilities: {drop: [ALL], add: [BPF, NET_ADMIN, PERFMON, DAC_OVERRIDE, SYS_ADMIN, SYS_PTRACE]}}",
    },
];

impl Preflight {
    /// Looks at this machine, with the rights this process has now. Mounts the bpf file system when it is absent and the
    /// rights allow it.
    pub fn look(wanted: Via) -> Preflight {
        Preflight { wanted, ebpf: missing(), nftables: missing_for_nftables() }
    }

    /// The way that is used: the one asked for, or the first that can work; none where nothing can.
    pub fn chosen(&self) -> Option<Via> {
        let works = |via: &Via| self.lacks(*via).is_empty();
        match self.wanted {
            Via::Auto => [Via::Ebpf, Via::Nftables].into_iter().find(works),
            wanted => Some(wanted).filter(works),
        }
    }

    /// What this way lacks.
    pub fn lacks(&self, via: Via) -> &[Missing] {
        match via {
            Via::Nftables => &self.nftables,
            Via::Auto | Via::Ebpf => &self.ebpf,
        }
    }

    /// Why the way that is used is not the first one; none when it is, or was asked for.
    pub fn fallback(&self) -> Option<String> {
        if self.wanted != Via::Auto || self.chosen() != Some(Via::Nftables) {
            return None;
        }
        let lacks: Vec<String> = self.ebpf.iter().map(Missing::to_string).collect();
        Some(format!(
            "steering with nftables, as eBPF does not work here ({}); nftables sees no DNS answers and refuses QUIC to \
             every host",
            lacks.join("; ")
        ))
    }
}

/// What was looked for, what is missing, and every way to get it or to do without.
impl fmt::Display for Preflight {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for via in [Via::Ebpf, Via::Nftables] {
            if self.lacks(via).is_empty() {
                write!(out, "\n  {via}: works")?;
            }
            for missing in self.lacks(via) {
                write!(out, "\n  {via}: {missing}")?;
            }
        }
        write!(out, "\nRights, without --privileged and without root:")?;
        for grant in &GRANTS {
            write!(out, "\n  {}: {}", grant.to, grant.how)?;
        }
        write!(
            out,
            "\nWithout any right there are the proxy doors: `gateway proxy`, then the program's base URL, or \
             HTTPS_PROXY."
        )
    }
}

/// Everything that stands in the way of steering with eBPF; empty when [`super::Steer::attach`] can work. Mounts the bpf
/// file system when it is absent and the rights allow it.
pub fn missing() -> Vec<Missing> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let checks = [kernel(&release, OLDEST_EBPF), ebpf_rights(&status), cgroup2(), bpffs()];
    checks.into_iter().flatten().collect()
}

/// Everything that stands in the way of steering with nftables.
pub fn missing_for_nftables() -> Vec<Missing> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let checks = [kernel(&release, OLDEST_NFTABLES), nftables_rights(&status), cgroup2()];
    let missing: Vec<Missing> = checks.into_iter().flatten().collect();
    // Without rights nft says something less helpful.
    if missing.is_empty() { nft().into_iter().collect() } else { missing }
}

/// The kernel's version from `/proc/sys/kernel/osrelease`; none for one that has no numbers.
pub(super) fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|character: char| !character.is_ascii_digit()).map(str::parse::<u32>);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn kernel(release: &str, oldest: (u32, u32)) -> Option<Missing> {
    let version = version(release)?;
    (version < oldest).then(|| Missing {
        what: format!("Linux {}.{} is too old", version.0, version.1),
        remedy: "boot Linux 5.16 or newer",
    })
}

fn ebpf_rights(status: &str) -> Option<Missing> {
    let held = effective(status);
    let needed = CAP_BPF | CAP_NET_ADMIN | CAP_PERFMON;
    if held & CAP_SYS_ADMIN != 0 && held & CAP_NET_ADMIN != 0 || held & needed == needed {
        return None;
    }
    Some(Missing {
        what: "no right to load kernel programs".to_owned(),
        remedy: "run as root, or grant CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON",
    })
}

fn nftables_rights(status: &str) -> Option<Missing> {
    (effective(status) & CAP_NET_ADMIN == 0).then(|| Missing {
        what: "no right to change the firewall".to_owned(),
        remedy: "run as root, or grant CAP_NET_ADMIN",
    })
}

fn effective(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

fn nft() -> Option<Missing> {
    Redirect::check().err().map(|error| Missing {
        what: error.to_string(),
        remedy: "the package nftables, and a kernel with nf_tables, nft_socket, nft_redir and nft_reject",
    })
}

fn cgroup2() -> Option<Missing> {
    cgroup::mount().err().map(|_| Missing {
        what: "cgroup v2 is not mounted".to_owned(),
        remedy: "mount -t cgroup2 none /sys/fs/cgroup/unified (as root)",
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
        let check = |release: &str, fits: bool| {
            assert_eq!(kernel(release, OLDEST_EBPF).is_none(), fits, "{release}");
        };
        check("6.18.44-fc-v657\n", true);
        check("5.16.0", true);
        check("5.15.0-91-generic", false);
        check("4.19.0", false);
        check("strange", true);
    }

    #[test]
    fn rights_come_from_the_effective_set() {
        let check = |status: &str, ebpf: bool, nftables: bool| {
            let found = (ebpf_rights(status).is_none(), nftables_rights(status).is_none());
            assert_eq!(found, (ebpf, nftables), "{status}");
        };
        check("Name:\tx\nCapEff:\t000001ffffffffff\n", true, true);
        check("CapEff:\t0000000000000000\n", false, false);
        check("CapEff:\t000000c000001000\n", true, true);
        check("CapEff:\t0000000000001000\n", false, true);
        check("CapEff:\t0000008000001000\n", false, true);
        check("", false, false);
    }

    #[test]
    fn the_first_way_that_works_is_used_and_explained() {
        let lack = || vec![Missing { what: "no luck".to_owned(), remedy: "try again" }];
        let check = |wanted, ebpf: bool, nftables: bool, chosen, told: bool| {
            let of = |works| if works { Vec::new() } else { lack() };
            let preflight = Preflight { wanted, ebpf: of(ebpf), nftables: of(nftables) };
            assert_eq!(preflight.chosen(), chosen, "{preflight:?}");
            assert_eq!(preflight.fallback().is_some(), told, "{preflight:?}");
            assert_eq!(preflight.to_string().contains("no luck: try again"), !ebpf || !nftables);
        };
        check(Via::Auto, true, true, Some(Via::Ebpf), false);
        check(Via::Auto, false, true, Some(Via::Nftables), true);
        check(Via::Auto, false, false, None, false);
        check(Via::Ebpf, false, true, None, false);
        check(Via::Nftables, true, true, Some(Via::Nftables), false);
        check(Via::Nftables, true, false, None, false);
    }
}
