//! A world of its own for the demo and the tests: namespaces in which LLM names lead to documentation addresses.
//!
//! Inside, nothing reaches another machine: the network namespace has only its loopback interface, and the names
//! are answered from a hosts file that is mounted over the real one. The world ends with its last process.

use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// Why a world could not be made. Every message says what it takes.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// The kernel gave no namespaces.
    #[error(
        "cannot make a network and a mount namespace: {0}; this takes root with CAP_SYS_ADMIN: \
         use sudo, and in a container start it with --privileged"
    )]
    Namespaces(nix::Error),
    /// A file could not be mounted over one of the system's.
    #[error("cannot mount {what} in the new mount namespace: {source}; this takes CAP_SYS_ADMIN")]
    Mount {
        /// What was to be mounted.
        what: String,
        /// What the system said.
        source: nix::Error,
    },
    /// One of the world's own files could not be written.
    #[error("cannot write {path}: {source}; the folder must exist and be writable")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The loopback interface could not be set up.
    #[error("cannot {step} in the new network namespace: {source}; this takes CAP_NET_ADMIN")]
    Loopback {
        /// What was tried.
        step: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// Moves the calling thread into a new network and a new mount namespace. Threads and processes it starts from then
/// on are inside too; threads that are there already stay outside.
///
/// The loopback interface is up and owns 192.0.2.0/24 (RFC 5737). `hosts` are the names the world knows besides
/// `localhost`. `folder` holds the world's hosts and resolver files, which are mounted over the system's. An own
/// BPF filesystem lies over `/sys/fs/bpf`, so that pins end with the world too.
///
/// # Errors
/// When rights are missing; the thread may then be inside a half-made world and should only report and end.
pub fn enter(folder: &Path, hosts: &[(&str, Ipv4Addr)]) -> Result<(), WorldError> {
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).map_err(WorldError::Namespaces)?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>)
        .map_err(|source| WorldError::Mount { what: "/ as private".into(), source })?;
    loopback()?;
    let names: String = hosts.iter().map(|(name, address)| format!("{address} {name}\n")).collect();
    let names = format!("127.0.0.1 localhost\n::1 localhost\n{names}");
    cover("/etc/hosts", &folder.join("hosts"), &names)?;
    // Nobody answers there: a name that is not in the hosts file is refused at once.
    cover(
        "/etc/resolv.conf",
        &folder.join("resolv.conf"),
        "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
    )?;
    if Path::new("/sys/fs/bpf").is_dir() {
        mount(Some("bpf"), "/sys/fs/bpf", Some("bpf"), MsFlags::empty(), Some("mode=0700"))
            .map_err(|source| WorldError::Mount { what: "a BPF filesystem at /sys/fs/bpf".into(), source })?;
    }
    Ok(())
}

/// Brings `lo` up and gives it 192.0.2.1/24. On a loopback interface the whole prefix is then local.
fn loopback() -> Result<(), WorldError> {
    let failed = |step| move |source| WorldError::Loopback { step, source };
    let socket = UdpSocket::bind("0.0.0.0:0").map_err(failed("open a socket"))?;
    let mut up = request("lo");
    up.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING | libc::IFF_LOOPBACK) as libc::c_short;
    control(&socket, libc::SIOCSIFFLAGS, &up).map_err(failed("bring the loopback interface up"))?;
    let mut address = request("lo:1");
    address.ifr_ifru.ifru_addr = socket_address(Ipv4Addr::new(192, 0, 2, 1));
    control(&socket, libc::SIOCSIFADDR, &address).map_err(failed("add 192.0.2.1 to the loopback interface"))
}

/// A request about the interface `name`, all else zero.
fn request(name: &str) -> libc::ifreq {
    // SAFETY: ifreq is plain data; all zeroes is a valid value of each member of its union.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (place, letter) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *place = letter as libc::c_char;
    }
    request
}

fn socket_address(address: Ipv4Addr) -> libc::sockaddr {
    let mut data = [0; 14];
    // sockaddr_in: two bytes of port, then the address in network order.
    for (place, octet) in data[2..6].iter_mut().zip(address.octets()) {
        *place = octet as libc::c_char;
    }
    libc::sockaddr { sa_family: libc::AF_INET as libc::sa_family_t, sa_data: data }
}

fn control(socket: &UdpSocket, what: libc::Ioctl, request: &libc::ifreq) -> io::Result<()> {
    // SAFETY: both requests read an ifreq, which outlives the call; the descriptor is open.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), what, request) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Writes `text` to `own` and mounts that over `target`. A target that is not there needs no cover.
fn cover(target: &str, own: &Path, text: &str) -> Result<(), WorldError> {
    std::fs::write(own, text).map_err(|source| WorldError::Write { path: own.to_owned(), source })?;
    if !Path::new(target).exists() {
        return Ok(());
    }
    mount(Some(own), target, None::<&str>, MsFlags::MS_BIND, None::<&str>)
        .map_err(|source| WorldError::Mount { what: target.into(), source })
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, ToSocketAddrs};

    use super::*;

    /// Runs in a thread of its own: the other tests stay outside.
    #[test]
    fn names_lead_to_the_world_s_own_addresses() {
        if !nix::unistd::geteuid().is_root() {
            assert!(std::env::var_os("CI").is_none(), "CI runs the tests as root");
            return;
        }
        let folder = std::env::temp_dir().join(format!("gateway-world-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let inside = folder.clone();
        let found = std::thread::spawn(move || {
            enter(&inside, &[("api.openai.com", Ipv4Addr::new(192, 0, 2, 10))]).unwrap();
            let found: Vec<_> = ("api.openai.com", 443).to_socket_addrs().unwrap().collect();
            let listener = TcpListener::bind("192.0.2.10:443").unwrap();
            TcpStream::connect(found[0]).unwrap();
            drop(listener);
            let elsewhere = TcpStream::connect("198.51.100.1:443").unwrap_err();
            assert_eq!(elsewhere.kind(), io::ErrorKind::NetworkUnreachable);
            found
        })
        .join()
        .unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(found, ["192.0.2.10:443".parse().unwrap()]);
    }
}
