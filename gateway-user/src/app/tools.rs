//! The tool policy of an app, and the file system that it looks at.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use crate::config::Config;
use crate::inspect::tools::{Disk, Policy};

/// Compiles what tools an app's model may call.
///
/// # Errors
/// When a pattern cannot be compiled.
pub fn policy(config: &Config, key: &[u8; 32]) -> anyhow::Result<Arc<Policy>> {
    let policy = Policy::new(config, Arc::new(Here), key).context("the tool policy cannot be used")?;
    Ok(Arc::new(policy))
}

/// The file system of this machine, as the gateway sees it. A program in a container may see another one.
#[derive(Debug)]
struct Here;

impl Disk for Here {
    fn resolve(&self, path: &Path) -> Option<PathBuf> {
        let mut rest = Vec::new();
        for part in path.ancestors() {
            match part.canonicalize() {
                Ok(real) => return Some(rest.iter().rev().fold(real, |path, name| path.join(name))),
                // A link that leads nowhere may be made to lead somewhere: what it names counts.
                Err(error) if error.kind() == io::ErrorKind::NotFound && part.is_symlink() => {
                    let target = part.read_link().ok()?;
                    let real = part.parent().and_then(|above| above.canonicalize().ok())?.join(target);
                    return Some(rest.iter().rev().fold(real, |path, name| path.join(name)));
                }
                Err(_) => rest.push(part.file_name()?.to_owned()),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_as_far_as_there_is_something() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("it is there");
        std::os::unix::fs::symlink("/etc", root.join("out")).expect("a link");
        std::os::unix::fs::symlink("/nowhere/at/all", root.join("dangling")).expect("a link");
        let check =
            |path: &str, expected: PathBuf| assert_eq!(Here.resolve(&root.join(path)), Some(expected));
        check("new/file", root.join("new/file"));
        check("out/passwd", "/etc/passwd".into());
        check("out/not/there", "/etc/not/there".into());
        check("dangling", "/nowhere/at/all".into());
        check("dangling/x", "/nowhere/at/all/x".into());
    }
}
