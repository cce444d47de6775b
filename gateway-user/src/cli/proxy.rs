//! `gateway proxy`: the reverse door, and CONNECT on the same port.

use std::io::Write;

use http::Uri;
use tokio::net::TcpListener;

use super::{Failure, Outcome, args::Common, config};
use crate::{
    app::{self, App, Doors, Wanted},
    capture::rights,
    config::Config,
    flow::door::{PROXY_APP, Upstream},
};

/// Where requests go when no upstream is configured.
const DEFAULT_UPSTREAM: &str = "https://api.openai.com/v1";

/// Serves until a signal.
pub fn proxy(common: &Common, listen: Option<String>, upstream: Option<String>) -> Outcome {
    let config = config::load(common, |overrides| {
        overrides.set_some("--listen", "listen", listen).set_some("--upstream", "upstream", upstream);
    })?;
    let bound = bind(config.listen).map_err(|error| {
        Failure::unavailable(format!(
            "cannot listen on {}: {error}. Choose another address with --listen",
            config.listen
        ))
    })?;
    // Only a port below 1024 took a right.
    rights::give_up(&app::files(&config))?;
    let runtime = runtime(&config)?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(bound)?;
        let address = listener.local_addr()?;
        let url = config.upstream.first().cloned().unwrap_or_else(|| Uri::from_static(DEFAULT_UPSTREAM));
        let wanted = Wanted { config: config.clone(), name: PROXY_APP.to_owned(), place: None, steer: None };
        let app = App::open(&config, vec![wanted])?;
        let upstream =
            Upstream::new(&app.services, &url).map_err(|error| Failure::usage(error.to_string()))?;
        let doors = Doors { proxy: Some((listener, upstream)), ..Doors::default() };
        let mode = app.services.config.mode;
        let ready = || {
            ready(format_args!("listening on {address}, upstream {url}, mode {mode}"));
            Ok(())
        };
        app::run(&app, doors, ready, std::future::pending()).await?;
        app.close()?;
        Ok(0)
    })
}

fn bind(address: std::net::SocketAddr) -> std::io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Says on standard error that everything listens; the one line others may wait for.
pub fn ready(what: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "ready: {what}");
}

/// The data plane's runtime. A single worker needs none of the machinery that lets workers help each other.
pub fn runtime(config: &Config) -> std::io::Result<tokio::runtime::Runtime> {
    if config.workers == 1 {
        return tokio::runtime::Builder::new_current_thread().enable_all().build();
    }
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.workers)
        .thread_name("flow")
        .enable_all()
        .build()
}
