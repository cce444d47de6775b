//! What can go wrong with an exchange, as opposed to a verdict on it: whose doing it was, and what the client is told.

use http::StatusCode;

use crate::upstream::UpstreamError;

/// A failure of one exchange.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Upstream could not be reached, verified or understood.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The client's body did not come whole.
    #[error("the request's body broke off: {0}")]
    RequestBody(String),
    /// The client's body did not come in time.
    #[error("the request's body did not come within {0} s")]
    RequestTimeout(u64),
    /// Upstream's body did not come whole.
    #[error("the answer of {host} broke off: {error}")]
    ReplyBody {
        /// The upstream's name.
        host: String,
        /// What hyper said.
        error: String,
    },
}

impl Fault {
    /// The status the client gets: its own doing (4xx) or upstream's (5xx).
    pub fn status(&self) -> StatusCode {
        match self {
            Fault::Upstream(UpstreamError::Timeout { .. }) => StatusCode::GATEWAY_TIMEOUT,
            Fault::Upstream(_) | Fault::ReplyBody { .. } => StatusCode::BAD_GATEWAY,
            Fault::RequestBody(_) => StatusCode::BAD_REQUEST,
            Fault::RequestTimeout(_) => StatusCode::REQUEST_TIMEOUT,
        }
    }
}
