//! CPU time and memory of a proxy: all processes of one process group, from /proc.

use std::fs;

/// What a process group used.
#[derive(Default)]
pub struct Usage {
    /// User and system time of all its threads since their start.
    pub cpu_seconds: f64,
    /// Resident memory now.
    pub rss_kib: u64,
}

/// Adds up the processes of group `group` (proc_pid_stat(5), proc_pid_schedstat in the kernel's sched-stats).
pub fn sample(group: u32) -> Usage {
    let mut sum = Usage::default();
    let Ok(proc) = fs::read_dir("/proc") else { return sum };
    for entry in proc.flatten() {
        let path = entry.path();
        let Ok(stat) = fs::read_to_string(path.join("stat")) else { continue };
        // The command name may hold spaces; fields are counted after it.
        let Some((_, rest)) = stat.rsplit_once(") ") else { continue };
        if rest.split(' ').nth(2).and_then(|field| field.parse().ok()) != Some(group) {
            continue;
        }
        sum.cpu_seconds += threads(&path.join("task"));
        sum.rss_kib += resident(&path.join("status"));
    }
    sum
}

/// Time on a processor of all threads, in seconds.
fn threads(tasks: &std::path::Path) -> f64 {
    let Ok(tasks) = fs::read_dir(tasks) else { return 0.0 };
    let run = |task: fs::DirEntry| {
        let stat = fs::read_to_string(task.path().join("schedstat")).ok()?;
        stat.split(' ').next()?.parse::<u64>().ok()
    };
    tasks.flatten().filter_map(run).sum::<u64>() as f64 / 1e9
}

fn resident(status: &std::path::Path) -> u64 {
    let status = fs::read_to_string(status).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}
