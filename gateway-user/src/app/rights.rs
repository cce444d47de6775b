//! Gives up the rights that a gateway which is put together needs no more.

use std::path::Path;

use super::{App, comeback};
use crate::{
    capture::rights::{self, Needs, RightsError},
    config::{Config, Via},
};

/// The files and folders a configuration names, which the gateway must be able to use without special rights.
pub fn files(config: &Config) -> Vec<&Path> {
    let lists = config.rules.dictionaries.iter().map(|list| &list.file);
    let data = config.providers.iter().chain(&config.prices).chain(&config.rules.files).chain(lists);
    data.chain([&config.state]).chain(&config.upstream_ca).map(|path| path.as_path()).collect()
}

impl App {
    /// Leaves the gateway only the rights that its doors go on needing, and what else is in `needs`.
    ///
    /// # Errors
    /// The kernel refuses to take a right away.
    pub fn settle(&self, needs: Needs) -> Result<(), RightsError> {
        let nftables = self
            .served
            .iter()
            .any(|served| served.services.steer.as_ref().is_some_and(|steer| steer.via() == Via::Nftables));
        let attaches_again =
            self.served.iter().filter_map(|served| served.place.as_ref()).any(comeback::returns);
        rights::settle(Needs { nftables, attaches_again, ..needs })
    }
}
