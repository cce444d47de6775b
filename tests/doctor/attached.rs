//! What a running gateway saw: handshakes that programs refused are told beside what the doctor finds.

use std::net::Ipv4Addr;
use std::process::Command;

use gateway::capture::Steering;
use gateway::simulate::ProviderOptions;
use gateway_tests::gateway::{Gateway, State};
use gateway_tests::{provider_with, world};
use serde_json::Value;

use crate::program::Cgroup;

#[test]
fn refused_handshakes_are_told() {
    world::inside(|_| async {
        let everywhere = |port| (Ipv4Addr::UNSPECIFIED, port).into();
        let options =
            ProviderOptions { https: everywhere(443), http: everywhere(0), ..ProviderOptions::default() };
        let provider = provider_with(options).await;
        let cgroup = Cgroup::new("attached");
        let gateway = Gateway::start(State::new(&provider), &["attach", "--cgroup", cgroup.path()]).await;
        // The client does not know our CA; something else stays there, to be looked at.
        let _stays = cgroup.start(&["node", "-e", "setTimeout(() => 0, 1e9)"], &[]);
        let ask = format!("echo $$ > {}/cgroup.procs && exec curl -s https://api.openai.com/", cgroup.path());
        let client = Command::new("sh").args(["-c", &ask]).env_clear().env("PATH", "/usr/bin:/bin").status();
        assert_eq!(client.expect("sh can be run").code(), Some(60), "curl does not trust us");
        let command = ["doctor", "--cgroup", cgroup.path(), "--json"];
        let output = gateway.state.command(&command).output().await.expect("the gateway can be run");
        let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let refused = found["refused_handshakes"].as_array().expect("a list");
        assert!(
            refused.iter().any(|row| row["process"] == "curl" && row["host"] == "api.openai.com"),
            "{found:#}"
        );
        gateway.state.run(&["detach", "--cgroup", cgroup.path()]).await;
        gateway.ended().await;
        assert!(!Steering::attached().iter().any(|path| path.ends_with(cgroup.path())));
    });
}
