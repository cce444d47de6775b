//! What the ChatGPT backend answers Codex besides the Responses API: which account it is, and which models there are.
//!
//! Shapes as openai/codex reads them (codex-rs/backend-client, codex-rs/models-manager); without the account's routing
//! it asks no model at all.

use http::{Method, request::Parts};

use super::ask::quoted;

/// The answer to a control request of Codex; `None` for other requests.
pub(super) fn control(parts: &Parts) -> Option<String> {
    let path = parts.uri.path().strip_prefix("/backend-api/")?;
    match (&parts.method, path) {
        (&Method::GET, "codex/models") => Some(r#"{"models":[]}"#.to_owned()),
        (&Method::GET, "wham/accounts/check") => Some(account(parts)),
        _ => None,
    }
}

/// The account that the request names is one without constraints, served here.
fn account(parts: &Parts) -> String {
    let named = parts.headers.get("chatgpt-account-id").and_then(|value| value.to_str().ok());
    let id = quoted(named.unwrap_or("account-sim"));
    format!(
        concat!(
            r#"{{"accounts":[{{"id":{id},"structure":"personal","workspace_backend_origin":"https://chatgpt.com","#,
            r#""account_routing_override":"NO_CONSTRAINT"}}],"account_ordering":[{id}],"default_account_id":{id}}}"#
        ),
        id = id
    )
}
