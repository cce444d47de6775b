//! Detaches a pinned link at once. Removing the pin alone lets the kernel do it some time later.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Commands of bpf(2), from linux/bpf.h.
const BPF_OBJ_GET: libc::c_int = 7;
const BPF_LINK_DETACH: libc::c_int = 34;

/// The part of `union bpf_attr` that `BPF_OBJ_GET` reads.
#[repr(C)]
struct Get {
    path: u64,
    zero: u64,
}

/// The part of `union bpf_attr` that `BPF_LINK_DETACH` reads.
#[repr(C)]
struct Detach {
    link: u32,
}

/// Takes the program off its cgroup; the pin stays.
///
/// # Errors
/// `NotFound` without such a pin; `EINVAL` if it is no link.
pub(super) fn detach(pin: &Path) -> io::Result<()> {
    let path = CString::new(pin.as_os_str().as_bytes())?;
    let descriptor = bpf(BPF_OBJ_GET, &Get { path: path.as_ptr() as u64, zero: 0 })?;
    // SAFETY: the kernel has just opened it for us alone.
    let link = unsafe { OwnedFd::from_raw_fd(descriptor) };
    bpf(BPF_LINK_DETACH, &Detach { link: link.as_raw_fd() as u32 }).map(drop)
}

fn bpf<T>(command: libc::c_int, attributes: &T) -> io::Result<libc::c_int> {
    let attributes: *const T = attributes;
    // SAFETY: both structs are prefixes of `union bpf_attr`; the size says how much of it there is.
    let outcome = unsafe { libc::syscall(libc::SYS_bpf, command, attributes, size_of::<T>()) };
    if outcome < 0 { Err(io::Error::last_os_error()) } else { Ok(outcome as libc::c_int) }
}
