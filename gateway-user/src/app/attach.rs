//! Opens a gateway at the transparent door: listeners first, steering last.

use std::{collections::HashMap, net::SocketAddrV4, path::PathBuf};

use super::{App, Doors, Transparent, Wanted, catalog, known_hosts};
use crate::{
    capture::{Steer, SteerOptions, Steering, listen, rights},
    config::Config,
};

/// An app to attach to.
pub struct Attachment {
    /// The effective configuration for it.
    pub config: Config,
    /// What it is called.
    pub name: String,
    /// Its cgroup.
    pub cgroup: PathBuf,
}

/// Binds a listener for each app (on the port the kernel already steers to, where a gateway was attached before),
/// puts the gateway together and steers. Returns the listeners' addresses, too.
///
/// # Errors
/// As [`App::open`], or no port can be bound.
pub fn attach(config: &Config, apps: Vec<Attachment>) -> anyhow::Result<(App, Doors, Vec<SocketAddrV4>)> {
    let known_hosts = known_hosts(&catalog(config)?);
    let (mut wanted, mut bound, mut addresses) = (Vec::new(), Vec::new(), Vec::new());
    for Attachment { config, name, cgroup } in apps {
        let earlier = Steering::earlier_listener(&cgroup).map(|(v4, _)| v4.port());
        let listeners = listen::bind_again(earlier)?;
        let (listen_v4, listen_v6) = listeners.addresses()?;
        let pinned = {
            let cgroup = cgroup.clone();
            rights::privileged(move || Steer::pinned_listeners(&cgroup))
        };
        let ports = pinned.into_iter().map(|(cookie, v4, _)| (cookie, v4.port()));
        bound.push((listeners, ports.collect::<HashMap<u64, u16>>()));
        addresses.push(listen_v4);
        let options = SteerOptions {
            cgroup,
            listen_v4,
            listen_v6,
            ports: config.ports.clone(),
            endpoints: vec![],
            scope: config.steer,
            quic: config.quic,
            fail: config.fail,
            known_hosts: known_hosts.clone(),
        };
        wanted.push(Wanted { config, name, steer: Some(options) });
    }
    let app = App::open(config, wanted)?;
    let open = |(listeners, earlier): (listen::Bound, _)| {
        Ok(Transparent { listeners: listeners.into_listeners()?, earlier })
    };
    let transparent = bound.into_iter().map(open).collect::<std::io::Result<_>>()?;
    Ok((app, Doors { transparent, ..Doors::default() }, addresses))
}
