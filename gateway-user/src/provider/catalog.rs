//! The catalog: known hosts by name, and engines by address.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::provider::build;
use crate::provider::host::{Host, Place};
use crate::provider::name::{HostName, HostPattern};
use crate::provider::raw;

/// The catalog that is compiled in.
const BUILTIN: &str = include_str!("../../data/providers.yaml");

/// What that file is called.
const BUILTIN_NAME: &str = "built in";

/// The host whose entry stands for every upstream that imitates a known API; a name that never resolves (RFC 6761).
const COMPATIBLE: &str = "compatible.invalid";

/// Every known host.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    exact: HashMap<HostName, Arc<Host>>,
    /// By the name below which they apply.
    wildcard: HashMap<HostName, Arc<Host>>,
    /// Endpoints that are switched on.
    endpoints: BTreeMap<SocketAddr, Arc<Host>>,
    /// Local engines that are compiled in, by id: they are on only where they are asked for.
    engines: BTreeMap<String, Vec<Arc<Host>>>,
    /// Routes that providers have in common, by name.
    apis: BTreeMap<String, Vec<raw::Row>>,
    /// Lists of regions, by name.
    regions: BTreeMap<String, Vec<String>>,
}

/// Why a catalog file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// It cannot be read.
    #[error("cannot read the provider file {file}: {source}")]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not a catalog; the message has line and column.
    #[error("{file} is not a provider file: {message}")]
    Parse {
        /// The file.
        file: String,
        /// What is wrong, where.
        message: String,
    },
    /// Entries that make no sense, all of them.
    #[error("{file}: {}", problems.join("; "))]
    Entries {
        /// The file.
        file: String,
        /// One sentence each.
        problems: Vec<String>,
    },
    /// No local engine has this id.
    #[error(
        "no local engine is called {id}: there are {known}; others go into a provider file, with `endpoints`"
    )]
    Engine {
        /// What was asked for.
        id: String,
        /// Those there are.
        known: String,
    },
}

impl Catalog {
    /// The catalog that is compiled in.
    pub fn builtin() -> Catalog {
        let mut catalog = Catalog::default();
        catalog.extend(BUILTIN_NAME, BUILTIN).expect("the compiled-in catalog is loaded by a test");
        catalog
    }

    /// Adds the providers of a file. A provider with a known id replaces it, hosts and routes.
    pub fn extend_from_file(&mut self, file: &Path) -> Result<(), CatalogError> {
        let text = std::fs::read_to_string(file)
            .map_err(|source| CatalogError::Read { file: file.to_owned(), source })?;
        self.extend(&file.display().to_string(), &text)
    }

    /// Adds the providers of a catalog's text; `file` names it in errors.
    pub fn extend(&mut self, file: &str, text: &str) -> Result<(), CatalogError> {
        let parsed: raw::File = serde_saphyr::from_str(text)
            .map_err(|error| CatalogError::Parse { file: file.to_owned(), message: error.to_string() })?;
        self.apis.extend(parsed.apis);
        self.regions.extend(parsed.regions);
        let (mut problems, name) = (Vec::new(), Arc::from(file));
        for provider in parsed.providers {
            let id = provider.id.clone();
            let from = problems.len();
            self.add(&name, provider, &mut problems);
            problems[from..]
                .iter_mut()
                .for_each(|problem| problem.insert_str(0, &format!("provider {id}: ")));
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(CatalogError::Entries { file: file.to_owned(), problems })
        }
    }

    /// The host with this name, matched exactly but for case; a wildcard applies where no exact entry does, the
    /// longest one first. `None` for hosts not known and for what is no host name.
    pub fn host(&self, name: &str) -> Option<Arc<Host>> {
        let name = HostName::parse(name)?;
        if let Some(host) = self.exact.get(&name) {
            return Some(Arc::clone(host));
        }
        let mut rest = name.as_str();
        while let Some((_, above)) = rest.split_once('.') {
            if let Some(host) = HostName::parse(above).and_then(|above| self.wildcard.get(&above)) {
                return Some(Arc::clone(host));
            }
            rest = above;
        }
        None
    }

    /// The host with this name, or for an upstream that the operator named and no entry lists, one whose paths read as
    /// those of the APIs that other servers imitate.
    pub fn host_or_compatible(&self, name: &str) -> Arc<Host> {
        let known = self.host(name).or_else(|| self.host(COMPATIBLE));
        known.expect("the compiled-in catalog has the entry for compatible servers, as a test shows")
    }

    /// The engine that serves plain HTTP at this address.
    pub fn endpoint(&self, address: SocketAddr) -> Option<Arc<Host>> {
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        self.endpoints.get(&address).cloned()
    }

    /// The addresses of all engines that are on, sorted.
    pub fn endpoints(&self) -> Vec<SocketAddr> {
        self.endpoints.keys().copied().collect()
    }

    /// Switches on the compiled-in engine `id`: at its usual addresses, or at `address` instead.
    ///
    /// # Errors
    /// When there is no such engine; the message lists those there are.
    pub fn switch_on(&mut self, id: &str, address: Option<SocketAddr>) -> Result<(), CatalogError> {
        let Some(hosts) = self.engines.get(id) else {
            let known: Vec<&str> = self.engines.keys().map(String::as_str).collect();
            return Err(CatalogError::Engine { id: id.to_owned(), known: known.join(", ") });
        };
        let moved = |host: &Arc<Host>, address| Host {
            provider: Arc::clone(&host.provider),
            place: Place::Endpoint(address),
            region: None,
        };
        let hosts: Vec<Arc<Host>> = match (address, hosts.first()) {
            (Some(address), Some(first)) => vec![Arc::new(moved(first, address))],
            _ => hosts.clone(),
        };
        for host in hosts {
            if let Place::Endpoint(address) = host.place {
                self.endpoints.insert(address, host);
            }
        }
        Ok(())
    }

    /// All hosts, and all engines whether they are on or not, in the order of their places.
    pub fn hosts(&self) -> Vec<Arc<Host>> {
        let named = self.exact.values().chain(self.wildcard.values()).cloned();
        let off = self.engines.values().flatten().filter(|host| match host.place {
            Place::Endpoint(address) => !self.endpoints.contains_key(&address),
            Place::Name(_) => false,
        });
        let mut all: Vec<Arc<Host>> =
            named.chain(self.endpoints.values().cloned()).chain(off.cloned()).collect();
        all.sort_by_cached_key(|host| (host.provider().to_owned(), host.place().to_string()));
        all
    }

    /// The patterns of all hosts, sorted.
    pub fn patterns(&self) -> Vec<HostPattern> {
        let hosts = self.exact.values().chain(self.wildcard.values());
        let mut patterns: Vec<HostPattern> = hosts.filter_map(|host| host.pattern().cloned()).collect();
        patterns.sort();
        patterns
    }

    fn add(&mut self, file: &Arc<str>, provider: raw::Provider, problems: &mut Vec<String>) {
        self.forget(&provider.id);
        let builtin = &**file == BUILTIN_NAME;
        for host in build::hosts(file, provider, &self.apis, &self.regions, problems) {
            let host = Arc::new(host);
            let before = match &host.place {
                Place::Endpoint(_) if builtin => {
                    self.engines.entry(host.provider().to_owned()).or_default().push(host);
                    None
                }
                Place::Endpoint(address) => self.endpoints.insert(*address, Arc::clone(&host)),
                Place::Name(pattern) => {
                    let table = if pattern.is_wildcard() { &mut self.wildcard } else { &mut self.exact };
                    table.insert(pattern.name().clone(), Arc::clone(&host))
                }
            };
            if let Some(other) = before {
                problems.push(format!(
                    "{} already belongs to {}; give that provider's id to replace it",
                    other.place,
                    other.provider()
                ));
            }
        }
    }

    /// Removes everything of a provider.
    fn forget(&mut self, id: &str) {
        self.exact.retain(|_, host| host.provider() != id);
        self.wildcard.retain(|_, host| host.provider() != id);
        self.endpoints.retain(|_, host| host.provider() != id);
        self.engines.remove(id);
    }
}

#[cfg(test)]
#[path = "catalog_tests.rs"]
mod tests;
