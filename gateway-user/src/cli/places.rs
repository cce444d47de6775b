//! Which apps `gateway attach` serves: those named on the command line, else those of the configuration.

use std::path::{Path, PathBuf};

use super::Failure;
use crate::{
    app::Attachment,
    capture::{cgroup, target},
    config::{AppConfig, Config, Place},
};

/// The apps to serve. A place on the command line that `apps:` lists as well has the policy written there; apps listed
/// there and not named on the command line are left out.
///
/// # Errors
/// No place is named, one leads nowhere, or two lead to the same cgroup or have the same name.
pub fn choose(config: &Config, named: &[Place], create: bool) -> Result<Vec<Attachment>, Failure> {
    if named.is_empty() && config.apps.is_empty() {
        return Err(Failure::command(
            "nothing to attach to: name it with --cgroup, --pid, --container or --systemd, or list it under `apps:` \
             in the configuration file",
        ));
    }
    let mut chosen: Vec<Attachment> = Vec::new();
    if named.is_empty() {
        for app in &config.apps {
            chosen.push(attachment(config, &app.place, find(&app.place, create)?, Some(app)));
        }
    }
    for place in named {
        let found = find(place, create)?;
        let app = config.apps.iter().find(|app| is_at(app, place, &found.path));
        chosen.push(attachment(config, place, found, app));
    }
    for (at, app) in chosen.iter().enumerate() {
        let before = &chosen[..at];
        if before.iter().any(|other| other.cgroup == app.cgroup) {
            let path = app.cgroup.display();
            return Err(Failure::command(format!("{path} is named twice: name each cgroup once")));
        }
        if before.iter().any(|other| other.name == app.name) {
            let name = &app.name;
            return Err(Failure::command(format!(
                "two apps are called `{name}`, and their budgets and records could not be told apart: give one of them \
                 another `name` under `apps:`"
            )));
        }
    }
    Ok(chosen)
}

/// The directories of the places `gateway detach` names.
///
/// # Errors
/// One leads nowhere.
pub fn paths(named: &[Place]) -> Result<Vec<PathBuf>, Failure> {
    named.iter().map(|place| Ok(target::find(place)?.path)).collect()
}

fn find(place: &Place, create: bool) -> Result<target::Found, Failure> {
    if let Place::Cgroup(name) = place
        && create
    {
        cgroup::create(name)?;
    }
    Ok(target::find(place)?)
}

/// Whether an entry of `apps:` stands for the cgroup at `path`, however it is named there.
fn is_at(app: &AppConfig, place: &Place, path: &Path) -> bool {
    // What is not there, or not running, is another.
    app.place == *place || target::find(&app.place).is_ok_and(|found| found.path == path)
}

fn attachment(config: &Config, place: &Place, found: target::Found, app: Option<&AppConfig>) -> Attachment {
    Attachment {
        config: app.map_or(config, |app| &app.config).clone(),
        name: app.and_then(|app| app.name.clone()).unwrap_or(found.name),
        cgroup: found.path,
        place: Some(place.clone()),
    }
}
