//! What the catalog knows about one host or endpoint: who serves it, what its paths are, how clients sign in.

use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::provider::name::HostPattern;
use crate::provider::path::{PathPattern, may_move};
use crate::wire::Dialect;
use crate::wire::dialects;

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
    /// Whether the provider bills it. Local engines bill nothing.
    pub charged: bool,
    /// Its replies stream, whatever the request's body says. If they are JSON, they are one array, item by item.
    pub streams: bool,
    /// The model that the path names.
    pub model: Option<String>,
}

/// One line of a host's routes.
#[derive(Debug)]
pub struct Row {
    pub(super) method: Option<String>,
    pub(super) path: PathPattern,
    pub(super) written: String,
    pub(super) route: Route,
}

impl Row {
    /// The method it is for; none for every method.
    pub fn method(&self) -> Option<&str> {
        self.method.as_deref()
    }

    /// The path as the catalog writes it.
    pub fn path(&self) -> &str {
        &self.written
    }

    /// What a request that fits is.
    pub fn route(&self) -> &Route {
        &self.route
    }
}

/// How clients of a host sign in: the header with the credential, and the scheme in front of it, if there is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Auth {
    /// Name of the header, in lower case.
    pub header: String,
    /// The scheme before the credential (RFC 9110 §11.4), such as `Bearer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
}

impl Auth {
    /// Reads `header` or `header: Scheme`. `None` if either is no token (RFC 9110 §5.6.2).
    pub(super) fn parse(text: &str) -> Option<Auth> {
        let (header, scheme) = match text.split_once(':') {
            None => (text, None),
            Some((header, scheme)) => (header, Some(scheme.trim())),
        };
        let scheme = scheme.map(|scheme| is_token(scheme).then(|| scheme.to_owned()));
        match scheme {
            Some(None) => None,
            _ if !is_token(header) => None,
            scheme => Some(Auth { header: header.to_ascii_lowercase(), scheme: scheme.flatten() }),
        }
    }
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte))
}

impl std::fmt::Display for Auth {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.scheme {
            Some(scheme) => write!(formatter, "{}: {scheme}", self.header),
            None => formatter.write_str(&self.header),
        }
    }
}

/// Where a host is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// By name, over TLS on any port that is steered.
    Name(HostPattern),
    /// At this address, on plain HTTP: a local engine.
    Endpoint(SocketAddr),
}

impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Name(pattern) => pattern.fmt(formatter),
            Place::Endpoint(address) => address.fmt(formatter),
        }
    }
}

/// A known host, or a known endpoint of a local engine.
#[derive(Debug)]
pub struct Host {
    pub(super) provider: Arc<Provider>,
    pub(super) place: Place,
    pub(super) region: Option<String>,
}

/// What all hosts of one provider share.
#[derive(Debug)]
pub(super) struct Provider {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) family: String,
    pub(super) auth: Vec<Auth>,
    pub(super) ask_usage: bool,
    pub(super) routes: Vec<Row>,
    pub(super) origin: Arc<str>,
}

impl Host {
    /// Id of the provider, as prices know it.
    pub fn provider(&self) -> &str {
        &self.provider.id
    }

    /// Name of the provider, for people.
    pub fn name(&self) -> &str {
        &self.provider.name
    }

    /// Whose API it speaks first of all: `openai`, `anthropic`, `gemini`, `bedrock`, `cohere`, `ollama` or `other`.
    pub fn family(&self) -> &str {
        &self.provider.family
    }

    /// The region in which it serves, as the provider calls it, where its name says so.
    pub fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// How clients sign in, the usual way first; empty where nothing is asked for.
    pub fn auth(&self) -> &[Auth] {
        &self.provider.auth
    }

    /// Where it is found.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The host or hosts this stands for; none for an engine at an address.
    pub fn pattern(&self) -> Option<&HostPattern> {
        match &self.place {
            Place::Name(pattern) => Some(pattern),
            Place::Endpoint(_) => None,
        }
    }

    /// Whether it is an engine at an address, on plain HTTP and without a bill, rather than a provider's host.
    pub fn is_local(&self) -> bool {
        matches!(self.place, Place::Endpoint(_))
    }

    /// The file its entry comes from.
    pub fn origin(&self) -> &str {
        &self.provider.origin
    }

    /// Whether the provider reports usage in streams only when asked to (`stream_options`).
    pub fn asks_usage(&self) -> bool {
        self.provider.ask_usage
    }

    /// Its routes, in the order in which they are tried.
    pub fn routes(&self) -> &[Row] {
        &self.provider.routes
    }

    /// What `method` on `path` is; a query behind `?` is left out of account. Unknown paths are read as `opaque`
    /// inference, so that nothing passes unread; those asked for with GET, HEAD, OPTIONS or DELETE are control. So are paths
    /// that a server may take for another one (`/a/../b`).
    pub fn route(&self, method: &str, path: &str) -> Route {
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let fits = |row: &&Row| {
            row.method.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
                && row.path.fits(path)
        };
        let row = self.provider.routes.iter().find(fits).filter(|_| !may_move(path));
        let mut route = match row {
            Some(row) => Route { model: row.path.model(path), ..row.route.clone() },
            None => unknown(method),
        };
        route.charged &= !self.is_local();
        route
    }
}

/// What a path is that no row names.
fn unknown(method: &str) -> Route {
    let control = ["GET", "HEAD", "OPTIONS", "DELETE"].iter().any(|known| known.eq_ignore_ascii_case(method));
    Route {
        class: if control { Class::Control } else { Class::Inference },
        dialect: &dialects::opaque::Opaque,
        operation: "unknown".into(),
        charged: !control,
        streams: false,
        model: None,
    }
}
