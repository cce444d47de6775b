//! The catalog: known hosts, and for each path what sort of traffic it is.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::provider::name::{HostName, HostPattern};
use crate::provider::raw;
use crate::wire::Dialect;
use crate::wire::dialects;

/// The catalog that is compiled in.
const BUILTIN: &str = include_str!("../../data/providers.yaml");

/// The host whose entry stands for every upstream that imitates a known API; a name that never resolves (RFC 6761).
const COMPATIBLE: &str = "compatible.invalid";

/// What sort of traffic a path carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Text for or from a model: inspected, and charged if [`Route::charged`].
    Inference,
    /// Models, settings, keys: passed and recorded.
    Control,
    /// Events that programs report about themselves: the profile decides.
    Telemetry,
}

/// What a request on an LLM host is.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its sort.
    pub class: Class,
    /// How its bodies read.
    pub dialect: &'static dyn Dialect,
    /// What it asks for, in one word for records: `chat`, `messages`, `embeddings`, … or `unknown`.
    pub operation: Arc<str>,
    /// Whether the provider bills it.
    pub charged: bool,
}

/// A known host.
#[derive(Debug)]
pub struct Host {
    provider: String,
    name: String,
    pattern: HostPattern,
    ask_usage: bool,
    routes: Arc<[Row]>,
}

#[derive(Debug)]
struct Row {
    method: Option<String>,
    path: PathPattern,
    route: Route,
}

impl Host {
    /// Id of the provider, as prices know it.
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// Name of the provider, for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The host or hosts this stands for.
    pub fn pattern(&self) -> &HostPattern {
        &self.pattern
    }

    /// Whether the provider reports usage in streams only when asked to (`stream_options`).
    pub fn asks_usage(&self) -> bool {
        self.ask_usage
    }

    /// What `method` on `path` is; a query behind `?` is left out of account. Unknown paths are read as `opaque`
    /// inference, so that nothing passes unread; those asked for with GET, HEAD, OPTIONS or DELETE are control.
    pub fn route(&self, method: &str, path: &str) -> Route {
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let fits = |row: &&Row| {
            row.method.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
                && row.path.fits(path)
        };
        if let Some(row) = self.routes.iter().find(fits) {
            return row.route.clone();
        }
        let control =
            ["GET", "HEAD", "OPTIONS", "DELETE"].iter().any(|known| known.eq_ignore_ascii_case(method));
        Route {
            class: if control { Class::Control } else { Class::Inference },
            dialect: &dialects::opaque::Opaque,
            operation: "unknown".into(),
            charged: !control,
        }
    }
}

/// Every known host.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    exact: HashMap<HostName, Arc<Host>>,
    /// By the name below which they apply.
    wildcard: HashMap<HostName, Arc<Host>>,
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
}

impl Catalog {
    /// The catalog that is compiled in.
    pub fn builtin() -> Catalog {
        let mut catalog = Catalog::default();
        catalog.extend("providers.yaml", BUILTIN).expect("the compiled-in catalog is loaded by a test");
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
        let mut problems = Vec::new();
        for provider in parsed.providers {
            self.add(provider, &mut problems);
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

    /// The patterns of all hosts, sorted.
    pub fn patterns(&self) -> Vec<HostPattern> {
        let hosts = self.exact.values().chain(self.wildcard.values());
        let mut patterns: Vec<HostPattern> = hosts.map(|host| host.pattern.clone()).collect();
        patterns.sort();
        patterns
    }

    fn add(&mut self, provider: raw::Provider, problems: &mut Vec<String>) {
        let id = &provider.id;
        self.exact.retain(|_, host| host.provider != *id);
        self.wildcard.retain(|_, host| host.provider != *id);
        let routes: Arc<[Row]> =
            provider.routes.into_iter().filter_map(|row| Row::new(id, row, problems)).collect();
        if provider.hosts.is_empty() {
            problems.push(format!("provider {id} has no hosts; name at least one"));
        }
        for text in &provider.hosts {
            let Some(pattern) = HostPattern::parse(text) else {
                problems.push(format!(
                    "provider {id}: {text:?} is not a host name; write a name like api.example.com or *.example.com"
                ));
                continue;
            };
            let table = if pattern.is_wildcard() { &mut self.wildcard } else { &mut self.exact };
            let host = Arc::new(Host {
                provider: id.clone(),
                name: provider.name.clone(),
                pattern: pattern.clone(),
                ask_usage: provider.ask_usage,
                routes: routes.clone(),
            });
            if let Some(other) = table.insert(pattern.name().clone(), host) {
                problems.push(format!(
                    "provider {id}: host {text} already belongs to {}; give that provider's id to replace it",
                    other.provider
                ));
            }
        }
    }
}

impl Row {
    fn new(id: &str, row: raw::Row, problems: &mut Vec<String>) -> Option<Row> {
        let dialect = dialects::by_name(&row.dialect);
        if dialect.is_none() {
            let known: Vec<&str> = dialects::ALL.iter().map(|dialect| dialect.name()).collect();
            problems.push(format!(
                "provider {id}, path {}: no dialect is called {:?}; there are {}",
                row.path,
                row.dialect,
                known.join(", ")
            ));
        }
        let path = PathPattern::parse(&row.path);
        if path.is_none() {
            problems.push(format!("provider {id}: path {:?} does not start with /", row.path));
        }
        let route = Route {
            class: row.class,
            dialect: dialect?,
            operation: row.operation.into(),
            charged: row.charged && row.class == Class::Inference,
        };
        Some(Row { method: row.method, path: path?, route })
    }
}

/// A path of the catalog: `*` is any one segment, a last `**` any number of them, also none.
#[derive(Debug)]
struct PathPattern {
    segments: Vec<String>,
    open: bool,
}

impl PathPattern {
    fn parse(text: &str) -> Option<PathPattern> {
        let mut segments: Vec<String> = text.strip_prefix('/')?.split('/').map(str::to_owned).collect();
        let open = segments.pop_if(|last| last == "**").is_some();
        Some(PathPattern { segments, open })
    }

    /// Whether `path` fits; a slash at its end does not matter.
    fn fits(&self, path: &str) -> bool {
        let Some(path) = path.strip_prefix('/') else { return false };
        let mut given = path.strip_suffix('/').unwrap_or(path).split('/');
        for wanted in &self.segments {
            match given.next() {
                Some(segment) if wanted == "*" || wanted == segment => {}
                _ => return false,
            }
        }
        self.open || given.next().is_none()
    }
}

#[cfg(test)]
#[path = "catalog_tests.rs"]
mod tests;
