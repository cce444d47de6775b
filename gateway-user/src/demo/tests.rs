//! Tests of the view: a real client and a simulated provider without the gateway between them.

use super::call::Call;
use super::client::Client;
use super::columns::Columns;
use super::watch::watch;
use crate::simulate::{Provider, ProviderOptions, sample_key};

/// Every delta of a call stands in both columns, in rows that fit.
async fn check(client: Client, call: Call) {
    let provider = Provider::start(ProviderOptions::default()).await.unwrap();
    let base = format!("http://{}/v1", provider.http);
    let mut child = client.start(&call.arguments(&base), None, &[]).unwrap();
    let (lines, mut out) = (child.stdout.take().unwrap(), Vec::new());
    let columns = Columns::new(80, false);
    let seen = watch(&call, provider.feed(), lines, &columns, &mut out).await.unwrap();
    assert!(child.wait().await.unwrap().success());
    assert!(seen.ended);
    assert_eq!(seen.sent, seen.received);
    assert!(seen.app_text().contains(&sample_key()));
    let out = String::from_utf8(out).unwrap();
    assert!(out.lines().all(|line| line.chars().count() <= 80), "{out}");
    assert!(out.lines().any(|line| line.split('│').all(|cell| cell.contains("AKIA"))), "{out}");
    provider.stop().await.unwrap();
}

#[tokio::test]
async fn both_ends_are_seen() {
    let own = std::env::current_exe().unwrap();
    check(Client::find(&own).await, Call::split_key()).await;
}
