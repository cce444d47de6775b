//! Units of systemd: each running one has a cgroup of its own name.

use std::path::PathBuf;

use super::{TargetError, Tree, below, only};
use crate::capture::cgroup;

/// Kinds of units that have cgroups (systemd.resource-control(5)). A name without one of these is a service, or else
/// a scope, or else a slice.
const KINDS: [&str; 3] = [".service", ".scope", ".slice"];

/// Most letters of a unit's name (systemd.unit(5)).
const MAX_NAME: usize = 255;

/// Finds the cgroup of a unit, of the system or of a user.
pub(super) fn find(tree: &Tree, unit: &str) -> Result<PathBuf, TargetError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte);
    if unit.is_empty() || unit.len() > MAX_NAME || !unit.bytes().all(allowed) || unit.starts_with('.') {
        let what = "the name of a unit of systemd";
        return Err(TargetError::BadName { given: unit.to_owned(), what });
    }
    let wanted: Vec<String> = match KINDS.iter().any(|kind| unit.ends_with(kind)) {
        true => vec![unit.to_owned()],
        false => KINDS.iter().map(|kind| format!("{unit}{kind}")).collect(),
    };
    let mut kinds = vec![Vec::new(); wanted.len()];
    for path in cgroup::tree(&tree.cgroups) {
        let name = path.file_name().and_then(|name| name.to_str());
        if let Some(kind) = wanted.iter().position(|wanted| name == Some(wanted)) {
            kinds[kind].push(path);
        }
    }
    let found = kinds.into_iter().find(|found| !found.is_empty()).unwrap_or_default();
    only(
        unit,
        found,
        |path| below(&tree.cgroups, path),
        || TargetError::NotFound {
            what: "unit",
            given: unit.to_owned(),
            searched: format!(
                "no cgroup called {} is below {}; `systemctl status {unit}` says whether it is active",
                wanted.join(" or "),
                tree.cgroups.display()
            ),
        },
    )
}
