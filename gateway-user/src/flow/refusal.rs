//! Every answer the gateway gives in upstream's place, in the shape the client's SDK knows.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use super::{body::ReplyBody, fault::Fault};
use crate::wire::dialects::{Dialect, Reason, Refusal};

/// Why the gateway answers itself.
#[derive(Debug)]
pub enum Stop {
    /// Policy or a budget says no.
    Refused {
        /// Which of the two.
        reason: Reason,
        /// What the user reads.
        message: String,
    },
    /// The request cannot be carried as it is: this status, this message.
    Unfit {
        /// The status.
        status: StatusCode,
        /// What the user reads.
        message: String,
    },
    /// Something broke.
    Fault(Fault),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Stop::Fault(fault)
    }
}

impl Stop {
    /// The status the client gets. A refusal is 400: the one status after which every probed client sends no second
    /// request and shows the message; 403, 409, 429 and 503 start silent retries.
    pub fn status(&self) -> StatusCode {
        match self {
            Stop::Refused { .. } => StatusCode::BAD_REQUEST,
            Stop::Unfit { status, .. } => *status,
            Stop::Fault(fault) => fault.status(),
        }
    }

    /// What the user reads, also recorded as the flow's reason.
    pub fn message(&self) -> String {
        match self {
            Stop::Refused { message, .. } | Stop::Unfit { message, .. } => message.clone(),
            Stop::Fault(fault) => fault.to_string(),
        }
    }

    /// The answer, in `dialect`'s error shape; to a `call` with an id an ordinary answer that is an error. Only faults of
    /// upstream may be retried.
    pub fn answer(&self, dialect: &dyn Dialect, flow: &str, call: Option<&str>) -> Response<ReplyBody> {
        let reason = match self {
            Stop::Refused { reason, .. } => *reason,
            Stop::Unfit { .. } => Reason::PolicyBlocked,
            Stop::Fault(_) => Reason::GatewayFault,
        };
        let message = format!("gateway: {}", self.message());
        let body = dialect.refusal(&Refusal { reason, message: &message, flow, call });
        let mut answer = Response::new(ReplyBody::whole(Bytes::from(body)));
        *answer.status_mut() = if call.is_some() { StatusCode::OK } else { self.status() };
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if !matches!(self, Stop::Fault(_)) {
            headers.insert("x-should-retry", HeaderValue::from_static("false"));
        }
        if self.status() == StatusCode::UPGRADE_REQUIRED {
            headers.insert(header::UPGRADE, HeaderValue::from_static("HTTP/1.1"));
        }
        answer
    }
}
