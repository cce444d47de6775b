//! Asks the running gateway, or, where none runs, the store itself.

use http::Method;
use serde_json::Value;

use super::{Failure, args::Common, config};
use crate::{
    admin::{self, Ask, AskError},
    app,
};

/// The answer to `path` with `query`, from the running gateway or the store.
///
/// # Errors
/// When neither can be asked, or the answer is an error.
pub fn ask(common: &Common, path: &str, query: &[(&str, String)]) -> Result<Option<Value>, Failure> {
    let config = config::load(common, |_| ())?;
    let pairs: Vec<String> = query.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let full = if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) };
    let answer = match block_on(admin::ask(&config.state, Method::GET, &full))? {
        Ok(answer) => answer,
        Err(AskError::NotRunning(_)) => {
            if !app::has_store(&config) {
                return Err(Failure::unavailable(format!(
                    "nothing is recorded in {} yet: start a gateway, or name its folder with --state",
                    config.state.display()
                )));
            }
            let store = app::open_store(&config)?;
            let ledger = app::open_ledger(&config, &store, [(crate::flow::door::PROXY_APP, &config)])?;
            let query = query.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
            app::answer(&Ask { method: Method::GET, path: path.to_owned(), query }, &store, &ledger, None)
        }
        Err(error) => return Err(error.into()),
    };
    match answer.as_ref().and_then(|answer| answer.get("error")).and_then(Value::as_str) {
        Some(error) => Err(anyhow::anyhow!("{error}").into()),
        None => Ok(answer),
    }
}

/// Runs a short piece of asynchronous work.
pub fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(work))
}
