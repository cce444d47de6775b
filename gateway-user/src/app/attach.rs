//! Opens a gateway at the transparent door: listeners first, steering last.

use std::{
    collections::HashMap,
    io,
    net::SocketAddrV4,
    path::{Path, PathBuf},
};

use super::{App, Doors, Transparent, Wanted, catalog, known_hosts};
use crate::{
    capture::{Steer, SteerOptions, Steering, listen, rights},
    config::{Config, Place},
    provider::Catalog,
};

/// An app to attach to.
pub struct Attachment {
    /// The effective configuration for it.
    pub config: Config,
    /// What it is called.
    pub name: String,
    /// Its cgroup.
    pub cgroup: PathBuf,
    /// How that was named; none for one of our own making, which does not come back.
    pub place: Option<Place>,
}

/// Binds a listener for each app (on the port the kernel already steers to, where a gateway was attached before),
/// puts the gateway together and steers. Returns the listeners' addresses, too.
///
/// # Errors
/// As [`App::open`], or no port can be bound.
pub fn attach(config: &Config, apps: Vec<Attachment>) -> anyhow::Result<(App, Doors, Vec<SocketAddrV4>)> {
    let catalog = catalog(config)?;
    let (mut wanted, mut bound, mut addresses) = (Vec::new(), Vec::new(), Vec::new());
    for Attachment { config, name, cgroup, place } in apps {
        let path = cgroup.clone();
        let pinned = rights::privileged(move || Steer::pinned_listeners(&path));
        let earlier = pinned.into_iter().map(|(cookie, v4, _)| (cookie, v4.port())).collect();
        let listening = listen(&cgroup, earlier)?;
        let options = listening.options(&config, cgroup, &catalog)?;
        addresses.push(options.listen_v4);
        bound.push(listening);
        wanted.push(Wanted { config, name, place, steer: Some(options) });
    }
    let app = App::open(config, wanted)?;
    let transparent = bound.into_iter().map(Listening::open).collect::<io::Result<_>>()?;
    Ok((app, Doors { transparent, ..Doors::default() }, addresses))
}

/// The listeners of one app, before it is steered to them.
pub struct Listening {
    bound: listen::Bound,
    earlier: HashMap<u64, u16>,
}

/// Binds the listeners for a cgroup; `earlier` are the ports in other network namespaces.
///
/// # Errors
/// No port can be bound.
pub fn listen(cgroup: &Path, earlier: HashMap<u64, u16>) -> io::Result<Listening> {
    let before = Steering::earlier_listener(cgroup).map(|(v4, _)| v4.port());
    Ok(Listening { bound: listen::bind_again(before)?, earlier })
}

impl Listening {
    /// What to steer to them.
    ///
    /// # Errors
    /// The kernel does not say where they are bound.
    pub fn options(&self, config: &Config, cgroup: PathBuf, catalog: &Catalog) -> io::Result<SteerOptions> {
        let (listen_v4, listen_v6) = self.bound.addresses()?;
        Ok(SteerOptions {
            cgroup,
            listen_v4,
            listen_v6,
            ports: config.ports.clone(),
            endpoints: catalog.endpoints(),
            scope: config.steer,
            quic: config.quic,
            fail: config.fail,
            known_hosts: known_hosts(catalog),
        })
    }

    /// Hands them to the runtime this is called in.
    ///
    /// # Errors
    /// The runtime cannot watch a socket.
    pub fn open(self) -> io::Result<Transparent> {
        Ok(Transparent { listeners: self.bound.into_listeners()?, earlier: self.earlier })
    }
}
