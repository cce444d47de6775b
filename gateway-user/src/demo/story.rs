//! The course of the demo: who takes part, the two calls, the record and the spend.

use std::ffi::OsString;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use tokio::time::timeout;

use super::app::App;
use super::call::{Api, BUDGET, Call};
use super::client::Client;
use super::columns::Columns;
use super::gateway::{Gateway, Program};
use super::stage::{Door, Stage};
use super::{books, proof};
use crate::simulate::{Provider, ProviderOptions};

/// How long the records of the calls may take to be there.
const RECORDS: Duration = Duration::from_secs(5);

/// Those who take part, as far as they have come on.
pub(super) struct Story {
    program: Program,
    columns: Columns,
    provider: Option<Provider>,
    gateway: Option<Gateway>,
    attached: bool,
}

impl Story {
    /// Nobody is there yet; `program` is the gateway.
    pub(super) fn new(program: PathBuf, stage: &Stage) -> Story {
        let program = Program { path: program, state: stage.state() };
        Story { program, columns: Columns::of_terminal(), provider: None, gateway: None, attached: false }
    }

    /// Tells the whole story to `out`.
    ///
    /// # Errors
    /// What could not be started, or was not as it should be.
    pub(super) async fn tell(&mut self, stage: &Stage, out: &mut impl Write) -> anyhow::Result<()> {
        let client = Client::find(&self.program.path).await;
        let provider = Provider::start(ProviderOptions {
            https: stage.provider(),
            http: (Ipv4Addr::LOCALHOST, 0).into(),
            ..ProviderOptions::default()
        })
        .await?;
        let root = stage.folder.join("provider-root.pem");
        std::fs::write(&root, &provider.root_pem)
            .with_context(|| format!("cannot write {}", root.display()))?;
        let arguments = arguments(stage, provider.https, &root);
        self.introduce(stage, &client, &arguments, out)?;
        self.attached = matches!(stage.door, Door::Transparent { .. });
        let gateway = self.gateway.insert(Gateway::start(&self.program, &arguments).await?);
        let base = match stage.door {
            Door::Transparent { .. } => None,
            Door::Reverse { .. } => Some(format!("http://{}/v1", gateway.address()?)),
        };
        let provider = self.provider.insert(provider);
        let app = App { stage, client, base, provider };

        let key = Call::split_key();
        let seen = app.call(1, &key, &self.columns, out).await?;
        conclude(&self.columns, &proof::redacted(&seen)?, out)?;
        let long = Call::long_answer(if self.attached { Api::Anthropic } else { Api::OpenAi });
        let seen = app.call(2, &long, &self.columns, out).await?;
        conclude(&self.columns, &proof::cut(&seen)?, out)?;
        self.books(out).await?;
        Ok(self.farewell(stage, out)?)
    }

    /// Ends the gateway, its hold on the cgroup, and the provider.
    ///
    /// # Errors
    /// The first of them that did not end well; the others are ended all the same.
    pub(super) async fn end(self, stage: &Stage) -> anyhow::Result<()> {
        let stopped = match self.gateway {
            Some(gateway) => gateway.stop().await,
            None => Ok(()),
        };
        let detached = match &stage.door {
            Door::Transparent { cgroup } if self.attached => {
                self.program.ask(&["detach", "--cgroup", cgroup]).await.map(drop)
            }
            _ => Ok(()),
        };
        let ended = match self.provider {
            Some(provider) => provider.stop().await.map_err(Into::into),
            None => Ok(()),
        };
        stopped.and(detached).and(ended)
    }

    fn introduce(
        &self,
        stage: &Stage,
        client: &Client,
        arguments: &[OsString],
        out: &mut impl Write,
    ) -> std::io::Result<()> {
        let title = "A simulated provider, an unmodified client, and the gateway between them.";
        writeln!(out, "{}\nNo network, no API key.\n", self.columns.strong(title))?;
        let mut say = |head: &str, text: &str| out.write_all(self.columns.paragraph(head, text).as_bytes());
        let (place, knows) = match &stage.door {
            Door::Transparent { .. } => (
                "api.openai.com and api.anthropic.com, in a network namespace of its own",
                "it knows nothing of the gateway; the kernel steers its connections",
            ),
            Door::Reverse { lacks } => {
                for lack in lacks {
                    say("! ", &format!("The transparent door cannot be shown here: {lack}."))?;
                }
                ("on the loopback interface", "all it was given is the gateway's address as base URL")
            }
        };
        say("  provider  ", place)?;
        say("  client    ", &format!("{}; {knows}", client.name()))?;
        let words: Vec<_> = arguments.iter().map(|word| word.to_string_lossy()).collect();
        say("  gateway   ", &format!("gateway {}", words.join(" ")))
    }

    /// Shows the records and the spend, as the operator would ask for them.
    async fn books(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let id = timeout(RECORDS, self.first_record()).await.context("the calls were not recorded")??;
        for command in [&["list"][..], &["show", &id], &["usage"]] {
            let answer = self.program.ask(command).await?;
            let line = self.columns.strong(&format!("$ gateway {}", command.join(" ")));
            let answer = match command {
                ["show", _] => books::record(&answer, &self.columns),
                _ => books::tables(&answer, self.columns.width()),
            };
            write!(out, "\n{line}\n{answer}")?;
        }
        Ok(())
    }

    /// The id of the first call's record, once both are there.
    async fn first_record(&self) -> anyhow::Result<String> {
        loop {
            let ids = ids(&self.program.ask(&["list", "--json"]).await?);
            if let [id, _, ..] = &ids[..] {
                return Ok(id.clone());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn farewell(&self, stage: &Stage, out: &mut impl Write) -> std::io::Result<()> {
        let text = match stage.door {
            Door::Transparent { .. } => {
                "To protect a program of your own: `gateway run -- COMMAND`, or `gateway attach --cgroup NAME`."
            }
            Door::Reverse { .. } => {
                "As root (sudo) the demo also shows the transparent door: the kernel steers the client's \
                 connections, so it needs no base URL and calls api.openai.com and api.anthropic.com as ever."
            }
        };
        writeln!(out, "\n{}", self.columns.paragraph("", text).trim_end())
    }
}

/// The gateway's command line for this stage.
fn arguments(stage: &Stage, provider: SocketAddr, root: &std::path::Path) -> Vec<OsString> {
    let mut line: Vec<OsString> = match &stage.door {
        Door::Transparent { cgroup } => ["attach", "--cgroup", cgroup, "--create"].map(OsString::from).into(),
        Door::Reverse { .. } => {
            let upstream = format!("https://localhost:{}/v1", provider.port());
            ["proxy", "--listen", "127.0.0.1:0", "--upstream", &upstream].map(OsString::from).into()
        }
    };
    line.extend(["--mode", "strict", "--budget", BUDGET, "--upstream-ca"].map(OsString::from));
    line.push(root.into());
    line
}

/// Says what a call showed.
fn conclude(columns: &Columns, what: &str, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "\n{}", columns.paragraph("   ", what).trim_end())
}

/// The ids in a list of records, oldest first: one array, or one object per line.
fn ids(json: &str) -> Vec<String> {
    let values = serde_json::Deserializer::from_str(json).into_iter::<serde_json::Value>().flatten();
    let records = values.flat_map(|value| match value {
        serde_json::Value::Array(records) => records,
        record => vec![record],
    });
    records.filter_map(|record| record["id"].as_str().map(str::to_owned)).collect()
}
