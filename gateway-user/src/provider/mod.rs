//! Which hosts are LLM providers, and which dialect a path of theirs speaks.

mod catalog;
mod name;
mod raw;

pub use catalog::{Catalog, CatalogError, Class, Host, Route};
pub use name::{HostName, HostPattern};
