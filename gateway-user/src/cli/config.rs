//! Reads the configuration from its layers, with what the command line says on top.

use std::fmt::Write;

use super::{
    Failure,
    args::{Common, FailArg, ModeArg, SteerArg, SteerArgs, ViaArg},
};
use crate::config::{Config, Layers, Overrides};

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
    layers.load().map_err(|problems| {
        let mut message = String::from("the configuration cannot be used:");
        for problem in problems {
            let _ = write!(message, "\n  {problem}");
        }
        Failure::usage(message)
    })
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
