//! `gateway doctor --upstream` against hosts of every sort, in a world without a way out.

use std::net::IpAddr;
use std::sync::Arc;

use gateway::simulate::{Playback, Provider, ProviderOptions, Root};
use gateway_tests::gateway::State;
use gateway_tests::{provider_with, world};
use serde_json::Value;

async fn provider(
    root: &Arc<Root>,
    address: impl Into<IpAddr>,
    change: impl FnOnce(&mut ProviderOptions),
) -> Provider {
    let address = address.into();
    let mut options = ProviderOptions {
        https: (address, 443).into(),
        http: (address, 0).into(),
        root: Some(Arc::clone(root)),
        ..ProviderOptions::default()
    };
    change(&mut options);
    provider_with(options).await
}

async fn asked(state: &State, arguments: &[&str]) -> (Vec<Value>, Option<i32>) {
    let output = state.command(&[&["doctor", "--json", "--upstream"], arguments].concat()).output().await;
    let output = output.expect("the gateway can be run");
    let said = String::from_utf8_lossy(&output.stderr);
    let value: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
    (value["answers"].as_array().expect("answers").clone(), output.status.code())
}

#[test]
fn each_sort_of_answer_is_told_from_the_others() {
    world::inside(|_| async {
        let root = Arc::new(Root::create().expect("a root"));
        let fine = provider(&root, world::OPENAI, |_| ()).await;
        let page = "<html><title>Just a moment...</title></html>";
        let challenge =
            Playback::whole("HTTP/1.1 403 Forbidden\r\ncontent-type: text/html\r\n", page.as_bytes());
        let _cdn =
            provider(&root, world::ANTHROPIC, |options| options.playback = Some(Arc::new(challenge))).await;
        // Its certificate bears other names.
        let _wrong = provider(&root, world::PLAIN, |_| ()).await;
        let _old = provider(&root, world::GOOGLE, |options| {
            options.expired = true;
            options.names = vec!["generativelanguage.googleapis.com".to_owned()];
        })
        .await;
        let state = State::new(&fine);
        let hosts = [
            "api.openai.com",
            "api.anthropic.com",
            "plain.example",
            "generativelanguage.googleapis.com",
            "nowhere.example",
            "github.com",
        ];
        let (answers, code) = asked(&state, &hosts).await;
        let check = |number: usize, reach: &str, words: &[&str]| {
            let answer = &answers[number];
            assert_eq!(
                (&answer["host"], &answer["reach"]),
                (&hosts[number].into(), &reach.into()),
                "{answer}"
            );
            for word in words {
                assert!(answer.to_string().contains(word), "{word} is not in {answer}");
            }
        };
        check(0, "fine", &["\"alpn\":\"h2\"", "simulated provider root", "\"status\":"]);
        check(1, "may_refuse", &["http/1.1", "403", "hosts: {api.anthropic.com: relay}"]);
        check(2, "failed", &["not valid for name", "--upstream-ca"]);
        check(3, "failed", &["expired"]);
        check(4, "failed", &["has no address"]);
        check(5, "failed", &["could not be connected"]);
        assert_eq!(code, Some(1));
        let (answers, code) = asked(&state, &hosts[..1]).await;
        assert_eq!((answers.len(), code), (1, Some(0)), "{answers:?}");
    });
}

#[test]
fn without_a_network_it_says_so_and_wildcards_are_named() {
    world::inside(|folder| {
        let folder = folder.to_owned();
        async move {
            // Not even the names of the world are left.
            std::fs::write(folder.join("hosts"), "127.0.0.1 localhost\n").expect("the world's own file");
            let root = Arc::new(Root::create().expect("a root"));
            let state = State::new(&provider(&root, world::OPENAI, |_| ()).await);
            let output =
                state.command(&["doctor", "--upstream"]).output().await.expect("the gateway can be run");
            let shown = String::from_utf8_lossy(&output.stdout);
            assert!(shown.contains("no network, or no DNS") && shown.contains("api.openai.com"), "{shown}");
            assert!(shown.contains("stands for many names"), "{shown}");
            assert_eq!(output.status.code(), Some(1));
            let output = state.command(&["doctor", "--upstream", "no host"]).output().await.expect("run");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(said.contains("`no host` is no host name"), "{said}");
        }
    });
}
