//! `gateway demo`: a simulated provider, an unmodified client, the real gateway between them, side by side.
//!
//! As root it plays in namespaces of its own, where the kernel steers the client's connections; as a normal user the
//! client is given the gateway's address. Neither needs a network or a key, and nothing stays behind.

mod app;
mod books;
mod builtin;
mod call;
mod client;
mod columns;
mod gateway;
mod proof;
mod stage;
mod story;
#[cfg(test)]
mod tests;
mod watch;

use std::path::PathBuf;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

pub use builtin::client;
use stage::Stage;
use story::Story;

/// How the demo is played. The default is what `gateway demo` does.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The gateway that is shown; this program itself when absent.
    pub program: Option<PathBuf>,
    /// Show the reverse-proxy door even where the rights for the transparent one are there.
    pub proxy: bool,
}

/// Plays the demo on standard output and returns the exit code: 0 when everything was seen, 128 + signal when a
/// signal ended it. What it made is gone when this returns, also after a failure.
///
/// Must be called on the main thread before any other exists: it may move the thread into new namespaces.
///
/// # Errors
/// What could not be set up and how to get it, or what was not as it should be.
pub fn run(options: &Options) -> anyhow::Result<i32> {
    let program = match &options.program {
        Some(program) => program.clone(),
        None => std::env::current_exe().context("cannot find this program's own file")?,
    };
    let stage = Stage::set(options.proxy)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(play(program, stage))
}

async fn play(program: PathBuf, stage: Stage) -> anyhow::Result<i32> {
    let mut story = Story::new(program, &stage);
    let mut out = std::io::stdout();
    let outcome = tokio::select! {
        told = story.tell(&stage, &mut out) => told.map(|()| 0),
        code = interrupted() => code.map_err(Into::into),
    };
    let ended = story.end(&stage).await;
    let cleared = stage.clear().await;
    // The first thing that went wrong is the one to tell.
    let code = outcome?;
    ended.and(cleared).map(|()| code)
}

/// Waits for SIGINT, SIGTERM or SIGHUP; the exit code that goes with it.
async fn interrupted() -> std::io::Result<i32> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let kind = tokio::select! {
        _ = interrupt.recv() => SignalKind::interrupt(),
        _ = terminate.recv() => SignalKind::terminate(),
        _ = hangup.recv() => SignalKind::hangup(),
    };
    Ok(128 + kind.as_raw_value())
}
