//! `gateway trust`: the CA, and where programs look for it.

use std::path::Path;

use serde_json::json;

use super::{
    Outcome,
    args::{Common, TrustAction},
    config,
    output::{self, line},
    shell,
};
use crate::{
    app,
    tls::{
        system::SystemStore,
        trust::{self, Trust},
    },
};

/// Does what was asked with the CA.
pub fn trust(common: &Common, action: &TrustAction) -> Outcome {
    let config = config::load(common, |_| ())?;
    let state = &config.state;
    match action {
        TrustAction::Init { renew } => {
            let hosts = app::known_hosts(&app::catalog(&config)?);
            let trust = if *renew { Trust::renew(state, &hosts) } else { Trust::init(state, &hosts) }?;
            trust.publish()?;
            show(common, &trust);
        }
        TrustAction::Show => show(common, &Trust::open(state)?),
        TrustAction::Export => line(Trust::open(state)?.export().trim_end()),
        TrustAction::Install => {
            let store = SystemStore::find(Path::new("/"))?;
            let changed = Trust::open(state)?.install(&store)?;
            line(if changed {
                "the root is now in the system's trust store"
            } else {
                "the root was there already"
            });
        }
        TrustAction::Uninstall => {
            let store = SystemStore::find(Path::new("/"))?;
            let changed = trust::uninstall(state, &store)?;
            line(if changed {
                "the root is out of the system's trust store"
            } else {
                "the root was not there"
            });
        }
        TrustAction::Env { shell } => {
            let trust = Trust::open(state)?;
            trust.publish_missing()?;
            // Services have an environment of their own: what this shell adds says nothing about theirs.
            line(shell::printed(*shell, &trust.environment_over(|_| None)).trim_end());
        }
    }
    Ok(0)
}

fn show(common: &Common, trust: &Trust) {
    let store = SystemStore::find(Path::new("/")).ok();
    let shown = trust.show(store.as_ref());
    if common.json {
        output::json(&json!(shown));
        return;
    }
    for (tier, about) in [("root", &shown.root), ("issuing CA", &shown.issuing)] {
        line(format_args!("{tier:<12} {}", about.subject));
        line(format_args!("{:<12} SHA-256 {}", "", about.fingerprint));
        line(format_args!("{:<12} valid {} to {}", "", about.not_before, about.not_after));
    }
    line(format_args!("{:<12} {}", "may sign", shown.permitted.join(", ")));
    line(format_args!("{:<12} {}", "bundle", shown.bundle.display()));
    match &shown.installed {
        Some(path) => line(format_args!("{:<12} {}", "installed", path.display())),
        None => line(format_args!("{:<12} not in the system's store (gateway trust install)", "installed")),
    }
    for (name, value) in &shown.environment {
        line(format_args!("{:<12} export {name}={}", "", shell::quoted(value)));
    }
}
