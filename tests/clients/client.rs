//! Runs one real client under `gateway run` with an empty environment, and reads what it printed.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use gateway::simulate::{Provider, ProviderOptions};
use gateway_tests::gateway::State;
use gateway_tests::{PATIENCE, chat, http, messages, provider_with};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::process::Command;

/// A client program.
#[derive(Clone, Copy)]
pub struct Client {
    /// What it runs on.
    pub tool: Tool,
    /// Whether it speaks to Anthropic; else to OpenAI.
    pub anthropic: bool,
}

/// What a client runs on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// Python, with this script.
    Python(&'static str),
    /// Node, with this script.
    Node(&'static str),
    /// curl over HTTP/2.
    Curl,
}

/// What a client asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A whole answer.
    Whole,
    /// A streamed answer.
    Stream,
    /// A streamed tool call, and a second request with its result.
    Tool,
}

/// What a client made of the answer.
#[derive(Debug, Default, Deserialize)]
pub struct Seen {
    /// The text.
    pub text: String,
    /// Deltas it came in.
    pub chunks: u64,
    /// The tool that was called.
    pub tool: Option<String>,
    /// Its arguments.
    pub arguments: String,
    /// Why the answer ended.
    pub finish: Option<String>,
    /// Status of an error.
    pub status: Option<u16>,
    /// The error as the client shows it.
    pub error: Option<String>,
}

/// A provider at the addresses of the world, and a state folder that trusts it.
pub struct Scene {
    /// The provider.
    pub provider: Provider,
    /// The gateway's state.
    pub state: State,
}

impl Scene {
    /// Call it inside a world.
    pub async fn new() -> Scene {
        let everywhere = |port| (Ipv4Addr::UNSPECIFIED, port).into();
        let options =
            ProviderOptions { https: everywhere(443), http: everywhere(80), ..ProviderOptions::default() };
        let provider = provider_with(options).await;
        Scene { state: State::new(&provider), provider }
    }

    /// `gateway run` with these arguments of its own and the words of a command.
    pub fn command(&self, arguments: &[&str], words: &[String]) -> Command {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        let cgroup = format!("gateway-test-{}-{}", std::process::id(), RUNS.fetch_add(1, Relaxed));
        let mut command =
            self.state.command(&[&["run", "--cgroup", &cgroup][..], arguments, &["--"]].concat());
        command.args(words);
        command
    }

    /// Runs `client` under `gateway run` with more arguments for the gateway.
    ///
    /// # Panics
    /// When the client cannot be run or prints something else than it should.
    pub async fn run(&self, client: Client, mode: Mode, prompt: &str, arguments: &[&str]) -> Seen {
        let mut command = self.command(arguments, &client.command(mode, prompt));
        command.env("OPENAI_API_KEY", "simulated").env("ANTHROPIC_API_KEY", "simulated");
        command.env("SDK_FOLDER", installed().join("node"));
        let done =
            tokio::time::timeout(PATIENCE * 2, command.output()).await.expect("the client ends in time");
        let done = done.expect("the gateway can be run");
        let (out, said) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert!(!said.contains("panicked"), "{said}");
        assert!(done.status.success(), "gateway run ended with {}: {said}\n{out}", done.status);
        match client.tool {
            Tool::Curl => read_curl(&out, client.anthropic),
            _ => serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error} in {out}\n{said}")),
        }
    }
}

impl Client {
    /// The prompt with the script line of the simulated provider.
    pub fn prompt(self, text: &str, script: &str) -> String {
        format!("{text}\n#sim {script}")
    }

    fn command(self, mode: Mode, prompt: &str) -> Vec<String> {
        let word = match mode {
            Mode::Whole => "whole",
            Mode::Stream => "stream",
            Mode::Tool => "tool",
        };
        let script = |name: &str| {
            Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(name).display().to_string()
        };
        match self.tool {
            Tool::Python(name) => {
                let python = installed().join("python/venv/bin/python");
                vec![python.display().to_string(), script(name), word.into(), prompt.into()]
            }
            Tool::Node(name) => vec!["node".into(), script(name), word.into(), prompt.into()],
            Tool::Curl => self.curl(mode, prompt),
        }
    }

    fn curl(self, mode: Mode, prompt: &str) -> Vec<String> {
        let (text, line) = prompt.split_once("\n#sim ").expect("prompts have a script line");
        let (url, body) = match self.anthropic {
            true => ("https://api.anthropic.com/v1/messages", messages(text, line, mode != Mode::Whole)),
            false => ("https://api.openai.com/v1/chat/completions", chat(text, line, mode != Mode::Whole)),
        };
        let mut body: Value = serde_json::from_str(&body).expect("our own JSON");
        if mode == Mode::Tool {
            body["tools"] = match self.anthropic {
                true => json!([{"name": "weather", "input_schema": {"type": "object"}}]),
                false => json!([{"type": "function", "function": {"name": "weather", "parameters": {}}}]),
            };
        }
        // curl tells the status and the version of HTTP after the body.
        let write = "\n%{http_code} %{http_version}";
        let words =
            ["curl", "-sS", "-N", "--http2", "-w", write, "-H", "content-type: application/json", "-d"];
        let mut words: Vec<String> = words.map(String::from).to_vec();
        words.extend([body.to_string(), url.to_owned()]);
        words
    }
}

/// What a program on curl would read out of the bytes.
fn read_curl(out: &str, anthropic: bool) -> Seen {
    let (body, tail) = out.rsplit_once('\n').expect("curl writes the status last");
    let (status, version) = tail.split_once(' ').expect("status and version");
    assert_eq!(version, "2", "curl spoke HTTP/{version}");
    let status: u16 = status.parse().expect("a status");
    if status != 200 {
        return Seen { status: Some(status), error: Some(body.to_owned()), ..Seen::default() };
    }
    let mut seen = Seen::default();
    if let Ok(whole) = serde_json::from_str::<Value>(body) {
        let choice = &whole["choices"][0];
        let text = if anthropic { &whole["content"][0]["text"] } else { &choice["message"]["content"] };
        let finish = if anthropic { &whole["stop_reason"] } else { &choice["finish_reason"] };
        seen.text = text.as_str().unwrap_or("").to_owned();
        seen.finish = finish.as_str().map(str::to_owned);
        return seen;
    }
    let events =
        body.lines().filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok());
    for event in events {
        let choice = &event["choices"][0];
        let delta = if anthropic { &event["delta"] } else { &choice["delta"] };
        seen.chunks += u64::from(!delta.is_null());
        let call = if anthropic { &event["content_block"] } else { &delta["tool_calls"][0]["function"] };
        seen.tool = call["name"].as_str().map(str::to_owned).or(seen.tool);
        let arguments = if anthropic { &delta["partial_json"] } else { &call["arguments"] };
        seen.arguments += arguments.as_str().unwrap_or("");
        let finish = if anthropic { &delta["stop_reason"] } else { &choice["finish_reason"] };
        seen.finish = finish.as_str().map(str::to_owned).or(seen.finish);
    }
    let text = if anthropic { http::anthropic_text } else { http::openai_text };
    seen.text = text(body.as_bytes());
    seen
}

/// Where the SDKs are installed.
///
/// # Panics
/// When they are not; the message says how to get them.
pub fn installed() -> PathBuf {
    let folder = std::env::var_os("GATEWAY_CLIENTS").map(PathBuf::from).unwrap_or_else(|| {
        let test = std::env::current_exe().expect("a running test has a path");
        let target = test.ancestors().find(|folder| folder.join("clients").is_dir());
        target.map(|target| target.join("clients")).unwrap_or_default()
    });
    assert!(
        folder.join("python/installed").exists(),
        "the client SDKs are not installed: run `cargo xtask test --only clients`, or set GATEWAY_CLIENTS"
    );
    folder
}
