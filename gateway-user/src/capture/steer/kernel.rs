//! The kernel object: loaded, its programs attached to a cgroup, its parts pinned.

use super::SteerError;
use super::maps::{Maps, NAMES, STRANGERS};
use super::options::digest;
use aya::maps::Map;
use aya::programs::links::{FdLink, LinkError};
use aya::programs::{CgroupAttachMode, CgroupSkbAttachType, Program, ProgramError};
use aya::{Ebpf, EbpfLoader};
use gateway_ebpf::Plain;
use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

/// Built by `cargo xtask ebpf` from the sources in `gateway-ebpf`; the stamp beside it says from which.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("CARGO_MANIFEST_DIR"), "/ebpf/gateway.o"));

/// What the name of every program starts with, of every build.
pub(super) const PREFIX: &str = "gw_";

/// In the order they are attached: what hands over and gives back stands before anything is steered.
pub(super) const PROGRAMS: [&str; 9] = [
    "gw_create",
    "gw_sockops",
    "gw_peername4",
    "gw_peername6",
    "gw_ingress",
    "gw_sendmsg4",
    "gw_sendmsg6",
    "gw_connect4",
    "gw_connect6",
];

/// Carries a shared struct through the library, which wants its own marker for plain bytes.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct Wire<T>(pub(super) T);

// SAFETY: `Plain` promises that every bit pattern is a value and that there is no implicit padding.
unsafe impl<T: Plain> aya::Pod for Wire<T> {}

impl<T: Plain> Wire<T> {
    /// The value these bytes are; none if they are too few.
    pub(super) fn read(bytes: &[u8]) -> Option<Wire<T>> {
        let whole = bytes.get(..size_of::<T>())?;
        // SAFETY: there are enough bytes, and `Plain` promises that all of them are values.
        Some(Wire(unsafe { whole.as_ptr().cast::<T>().read_unaligned() }))
    }
}

/// Tells the programs of this build from those of another.
pub(super) fn object_id() -> u64 {
    digest(OBJECT)
}

/// The object in the kernel, attached to nothing yet.
pub(super) struct Kernel {
    object: Ebpf,
    maps: HashMap<&'static str, Map>,
}

/// One attached program. Dropped without a pin, it detaches.
pub(super) type Attached = (&'static str, FdLink);

impl Kernel {
    pub(super) fn load() -> Result<Kernel, SteerError> {
        let mut object = EbpfLoader::new().load(OBJECT).map_err(|error| SteerError::Load(Box::new(error)))?;
        // The ring stays with the object, whose programs need it when they are loaded.
        let tables = NAMES.iter().filter(|name| **name != STRANGERS);
        let maps = tables.filter_map(|name| Some((*name, object.take_map(name)?))).collect();
        Ok(Kernel { object, maps })
    }

    /// Pins the tables in `folder` and returns them.
    pub(super) fn pin_maps(mut self, folder: &Path) -> Result<(Ebpf, Maps), SteerError> {
        let ring = self.object.map(STRANGERS).map(|map| (&STRANGERS, map));
        for (name, map) in self.maps.iter().chain(ring) {
            map.pin(folder.join(name))
                .map_err(|error| SteerError::Table { table: name, source: Box::new(error) })?;
        }
        let maps = Maps::from(|name| {
            let missing = || SteerError::Table { table: name, source: "it is not in the object".into() };
            self.maps.remove(name).ok_or_else(missing)
        })?;
        Ok((self.object, maps))
    }
}

/// Attaches every program to `cgroup`.
pub(super) fn attach(object: &mut Ebpf, cgroup: &Path, folder: &File) -> Result<Vec<Attached>, SteerError> {
    let attach = |program: &'static str| {
        let refused = |source| SteerError::Attach { program, cgroup: cgroup.to_owned(), source };
        let found = object.program_mut(program).ok_or_else(|| refused("it is not in the object".into()))?;
        match attach_one(found, folder) {
            Ok(link) => Ok((program, link)),
            Err(error) => Err(refused(Box::new(error))),
        }
    };
    PROGRAMS.into_iter().map(attach).collect()
}

/// Pins every link in `folder`, so that it outlives this process.
pub(super) fn pin_links(links: Vec<Attached>, folder: &Path) -> Result<(), SteerError> {
    for (program, link) in links {
        let path = folder.join(program);
        link.pin(&path).map_err(|error| SteerError::Pin {
            what: "pin a program at",
            path,
            source: std::io::Error::other(error),
        })?;
    }
    Ok(())
}

#[derive(Debug, thiserror::Error)]
enum AttachError {
    #[error(transparent)]
    Program(#[from] ProgramError),
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error("it is of an unexpected type")]
    Kind,
}

/// Links always stand beside those of others; the `Single` mode only means that no flag is passed.
fn attach_one(program: &mut Program, cgroup: &File) -> Result<FdLink, AttachError> {
    let mode = CgroupAttachMode::Single;
    Ok(match program {
        Program::CgroupSockAddr(program) => {
            program.load()?;
            let id = program.attach(cgroup, mode)?;
            program.take_link(id)?.try_into()?
        }
        Program::CgroupSock(program) => {
            program.load()?;
            let id = program.attach(cgroup, mode)?;
            program.take_link(id)?.try_into()?
        }
        Program::SockOps(program) => {
            program.load()?;
            let id = program.attach(cgroup, mode)?;
            program.take_link(id)?.try_into()?
        }
        Program::CgroupSkb(program) => {
            program.load()?;
            let id = program.attach(cgroup, CgroupSkbAttachType::Ingress, mode)?;
            program.take_link(id)?.try_into()?
        }
        _ => return Err(AttachError::Kind),
    })
}
