//! Containers: found in the cgroup tree by their id, and by name through the files their runtimes keep.
//!
//! Every runtime names a container's cgroup after its id, in one of two ways: the cgroupfs driver uses the bare id
//! (`docker/ID`, `kubepods/burstable/podUID/ID`), the systemd driver a scope (`docker-ID.scope`,
//! `cri-containerd-ID.scope`, `crio-ID.scope`, `libpod-ID.scope`, `nerdctl-ID.scope`).

use std::path::{Path, PathBuf};

use super::names::{self, Named};
use super::{Found, TargetError, Tree, below, only};
use crate::capture::cgroup;

/// Digits of a whole id: 32 bytes in hexadecimal.
const ID_DIGITS: usize = 64;

/// Fewest digits of an id that are taken for one.
const FEWEST_DIGITS: usize = 6;

/// What stands before the id in the name of a cgroup. Not `libpod-conmon-` and `crio-conmon-`, which hold the
/// monitors that stand beside a container.
const PREFIXES: [&str; 6] = ["docker-", "cri-containerd-", "crio-", "libpod-", "nerdctl-", "libpod-payload-"];

/// A container's cgroup.
#[derive(Clone, Debug)]
struct Container {
    path: PathBuf,
    id: String,
}

/// Finds a container by the first digits of its id, or by its name. A name wins, as runtimes have it.
pub(super) fn find(tree: &Tree, given: &str) -> Result<Found, TargetError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
    if given.is_empty() || given.len() > 253 || !given.bytes().all(allowed) {
        let what = "a container's id or name (pods: CONTAINER, POD/CONTAINER or NAMESPACE/POD/CONTAINER)";
        return Err(TargetError::BadName { given: given.to_owned(), what });
    }
    let running = running(&tree.cgroups);
    let named: Vec<Named> = names::read(&tree.root).into_iter().filter(|named| named.is(given)).collect();
    let mut by_name: Vec<(Container, String)> = Vec::new();
    for container in &running {
        let name = named.iter().find(|named| named.id == container.id);
        by_name.extend(name.map(|named| (container.clone(), named.whole())));
    }
    if !by_name.is_empty() {
        let describe =
            |(container, whole): &(Container, String)| format!("{whole} ({})", short(&container.id));
        let (container, _) = only(given, by_name, describe, || missing(tree, given, running.len()))?;
        return Ok(Found { path: container.path, name: given.to_owned() });
    }
    let id = given.to_ascii_lowercase();
    let is_id = id.len() >= FEWEST_DIGITS && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let count = running.len();
    let by_id = running.into_iter().filter(|container| is_id && container.id.starts_with(&id)).collect();
    let describe = |container: &Container| below(&tree.cgroups, &container.path);
    let container = only(given, by_id, describe, || missing(tree, given, count))?;
    Ok(tree.found(container.path))
}

/// Every container that runs, outermost cgroup first; below a container only other ids are containers of their own.
fn running(cgroups: &Path) -> Vec<Container> {
    let mut found: Vec<Container> = Vec::new();
    for path in cgroup::tree(cgroups) {
        let id = path.file_name().and_then(|name| name.to_str()).and_then(id_of).map(str::to_owned);
        // A runtime may repeat the id inside (`docker/ID/docker/ID`); the outermost holds all.
        let is_new =
            |id: &String| !found.iter().any(|known| known.id == *id && path.starts_with(&known.path));
        if let Some(id) = id.filter(is_new) {
            found.push(Container { path, id });
        }
    }
    found
}

/// The id in the name of a container's cgroup.
fn id_of(name: &str) -> Option<&str> {
    let is_id = |text: &&str| text.len() == ID_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let bare = match name.strip_suffix(".scope") {
        Some(scope) => PREFIXES.iter().find_map(|prefix| scope.strip_prefix(prefix).filter(is_id)),
        None => PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix).filter(is_id)).or(Some(name)),
    };
    bare.filter(is_id)
}

fn short(id: &str) -> &str {
    &id[..12.min(id.len())]
}

fn missing(tree: &Tree, given: &str, running: usize) -> TargetError {
    TargetError::NotFound {
        what: "container",
        given: given.to_owned(),
        searched: format!(
            "{running} containers have a cgroup below {}, and none fits by id (at least {FEWEST_DIGITS} digits) or by \
             the names in {}; `gateway attach --pid N` with the number of a process in it works as well",
            tree.cgroups.display(),
            names::PLACES.join(", ")
        ),
    }
}
