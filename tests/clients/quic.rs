//! A client that prefers HTTP/3: QUIC to an LLM host is refused at once, and what it falls back to is inspected.

use std::path::Path;
use std::process::Stdio;

use gateway::simulate::{Root, sample_key};
use gateway_tests::{PATIENCE, world};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::client::{Scene, installed};

const HOST: &str = "api.openai.com";

#[test]
fn quic_is_refused_and_its_fallback_inspected() {
    // Without a hosts file the client asks DNS, and the kernel learns the address from the answer.
    world::inside_with(&[], |folder| {
        let folder = folder.to_owned();
        async move {
            let _dns = started(dnsmasq(), "started").await;
            let root = Root::create().expect("a root");
            let [roots, certificate, key] = files(&folder, &root);
            let address = world::OPENAI.to_string();
            let _server =
                started(vec![python(), turn("http3_serve.py"), address, certificate, key], "ready").await;
            let prompt = "hello\n#sim say=key deltas=30";
            let words = [python(), turn("http3_turn.py"), prompt.to_owned(), roots];

            let free = command(&words[0]).args(&words[1..]).output();
            let free = tokio::time::timeout(PATIENCE, free).await.expect("in time").expect("python runs");
            assert_eq!(String::from_utf8_lossy(&free.stdout).trim(), "HTTP/3", "without a gateway: {free:?}");

            let scene = Scene::new().await;
            let run = scene.command(&[], &words).output();
            let steered =
                tokio::time::timeout(PATIENCE, run).await.expect("in time").expect("the gateway runs");
            let said = String::from_utf8_lossy(&steered.stderr).into_owned();
            assert!(said.contains("QUIC: [Errno 1]"), "QUIC was not refused: {steered:?}");
            let text = String::from_utf8_lossy(&steered.stdout).into_owned();
            assert!(text.contains("_REDACTED]") && !text.contains(&sample_key()), "{steered:?}");
            assert_eq!(scene.provider.received().len(), 1);
        }
    });
}

/// Root, certificate chain and key of a provider that speaks QUIC, as files.
fn files(folder: &Path, root: &Root) -> [String; 3] {
    let (chain, key) = root.issue_pem(&[HOST.to_owned()], false).expect("a certificate");
    [("quic-root.pem", root.pem()), ("quic.pem", &chain), ("quic-key.pem", &key)].map(|(name, text)| {
        std::fs::write(folder.join(name), text).expect("written");
        folder.join(name).display().to_string()
    })
}

fn dnsmasq() -> Vec<String> {
    let address = format!("--address=/{HOST}/{}", world::OPENAI);
    let words = [
        "dnsmasq",
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--no-resolv",
        "--no-hosts",
        "--user=root",
        "--listen-address=127.0.0.1",
        "--bind-interfaces",
        "--pid-file=",
        "--log-facility=-",
        &address,
    ];
    words.map(str::to_owned).to_vec()
}

/// A server that ends with the test, and what it still has to say.
type Started = (Child, Lines<BufReader<ChildStdout>>);

/// Starts a server and waits until a line of its output has this word.
async fn started(words: Vec<String>, word: &str) -> Started {
    let mut command = command("sh");
    command.args(["-c", "exec \"$0\" \"$@\" 2>&1"]).args(&words).stdout(Stdio::piped());
    let mut child = command.spawn().expect("sh runs");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let ready = async {
        while let Some(line) = lines.next_line().await.expect("text") {
            if line.contains(word) {
                return;
            }
        }
        panic!("{words:?} ended before it was ready");
    };
    tokio::time::timeout(PATIENCE, ready).await.expect("it starts in time");
    (child, lines)
}

/// A command with nothing of this process's environment but the path.
fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

fn python() -> String {
    installed().join("python/venv/bin/python").display().to_string()
}

fn turn(name: &str) -> String {
    format!("{}/clients/turn/{name}", env!("CARGO_MANIFEST_DIR"))
}
