//! Reads the configuration from its layers, with what the command line says on top.

use std::fmt::Write;

use super::{
    Failure,
    args::{Common, FailArg, ModeArg, SteerArg, SteerArgs, ViaArg},
};
use crate::{
    app,
    config::{Config, Layers, Overrides, did_you_mean},
};

/// The effective configuration of a command.
///
/// # Errors
/// Every problem at once, with exit code 64.
pub fn load(common: &Common, change: impl FnOnce(&mut Overrides)) -> Result<Config, Failure> {
    let mut overrides = Overrides::default();
    let mode = common.mode.map(|mode| match mode {
        ModeArg::Warn => "warn",
        ModeArg::Strict => "strict",
    });
    let path = |path: &Option<std::path::PathBuf>| path.as_ref().map(|path| path.display().to_string());
    overrides
        .set_some("--mode", "mode", mode)
        .set_some("--metrics", "metrics", common.metrics.clone())
        .set_some("--budget", "budget", common.budget.clone())
        .set_some("--state", "state", path(&common.state))
        .set_some("--upstream-ca", "upstream_ca", path(&common.upstream_ca));
    change(&mut overrides);
    let mut layers = Layers::new().env(std::env::vars_os()).argv(overrides);
    if let Some(file) = &common.config {
        layers = layers.file(file);
    }
    let config = layers.load().map_err(|problems| unusable(&problems))?;
    match unknown_hosts(&config)? {
        unknown if unknown.is_empty() => Ok(config),
        unknown => Err(unusable(&unknown)),
    }
}

fn unusable(problems: &[impl std::fmt::Display]) -> Failure {
    let mut message = String::from("the configuration cannot be used:");
    for problem in problems {
        let _ = write!(message, "\n  {problem}");
    }
    Failure::usage(message)
}

/// What stands under `hosts` and is no LLM host, nor a name above or below one: a slip of the pen there would leave a
/// host to the default.
fn unknown_hosts(config: &Config) -> anyhow::Result<Vec<String>> {
    let all = || std::iter::once(config).chain(config.apps.iter().map(|app| &app.config));
    if all().all(|config| config.hosts.is_empty()) {
        return Ok(Vec::new());
    }
    let catalog = app::catalog(config)?;
    let patterns = catalog.patterns();
    let known = |name: &str| match name.strip_prefix("*.") {
        None => catalog.host(name).is_some(),
        Some(above) => patterns.iter().any(|pattern| {
            let host = pattern.name().as_str();
            let below =
                |name: &str, above: &str| name.strip_suffix(above).is_some_and(|rest| rest.ends_with('.'));
            below(host, above) || (pattern.is_wildcard() && (host == above || below(above, host)))
        }),
    };
    let names: Vec<String> = patterns.iter().map(ToString::to_string).collect();
    let told = |config: &Config, name: &String| {
        let hint = did_you_mean(name, names.iter().map(String::as_str)).unwrap_or_else(|| {
            "`gateway providers` lists the known ones; `providers` adds others".to_owned()
        });
        format!("{}: `{name}` under `hosts` is no known LLM host; {hint}", config.origin("hosts"))
    };
    let unknown = |config: &Config| -> Vec<String> {
        config.hosts.keys().filter(|name| !known(name)).map(|name| told(config, name)).collect()
    };
    let mut problems: Vec<String> = all().flat_map(unknown).collect();
    // What stands at the top level holds for every app.
    problems.sort();
    problems.dedup();
    Ok(problems)
}

/// Takes the steering flags into the overrides.
pub fn steering(arguments: &SteerArgs, overrides: &mut Overrides) {
    let fail = arguments.fail.map(|fail| match fail {
        FailArg::Closed => "closed",
        FailArg::Open => "open",
    });
    let steer = arguments.steer.map(|steer| match steer {
        SteerArg::Tls => "tls",
        SteerArg::Known => "known",
    });
    overrides.set_some("--fail", "fail", fail).set_some("--steer", "steer", steer);
    let via = arguments.via.map(|via| match via {
        ViaArg::Auto => "auto",
        ViaArg::Ebpf => "ebpf",
        ViaArg::Nftables => "nftables",
    });
    overrides.set_some("--via", "via", via);
}
