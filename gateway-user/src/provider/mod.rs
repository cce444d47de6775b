//! Which hosts are LLM providers, and which dialect a path of theirs speaks.

mod build;
mod catalog;
mod host;
mod name;
mod path;
mod raw;

pub use catalog::{Catalog, CatalogError};
pub use host::{Auth, Class, Host, Place, Route, Row};
pub use name::{HostName, HostPattern};
