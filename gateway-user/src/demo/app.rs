//! The app in the demo: makes a call in its cgroup while both of its ends are shown.

use std::ffi::OsString;
use std::io::Write;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use super::call::Call;
use super::client::Client;
use super::columns::Columns;
use super::stage::{Door, Stage};
use super::watch::{Seen, watch};
use crate::simulate::Provider;
use crate::tls::Trust;

/// Longest a call may take.
const CALL: Duration = Duration::from_secs(20);

/// The client with all it needs to make a call.
pub(super) struct App<'a> {
    /// Where it runs.
    pub stage: &'a Stage,
    /// Which program it is.
    pub client: Client,
    /// Base URL of the reverse door; the providers' own at the transparent one.
    pub base: Option<String>,
    /// Who is watched at the other end.
    pub provider: &'a Provider,
}

impl App<'_> {
    /// Makes one call and shows it.
    ///
    /// # Errors
    /// When the client cannot be started, fails, or does not end in time.
    pub(super) async fn call(
        &self,
        number: u8,
        call: &Call,
        columns: &Columns,
        out: &mut impl Write,
    ) -> anyhow::Result<Seen> {
        let base = self.base.clone().unwrap_or_else(|| format!("https://{}/v1", call.api.host()));
        let arguments = call.arguments(&base);
        writeln!(out, "\n{}", columns.strong(&format!("{number}. {}", call.title)))?;
        writeln!(out, "   {}, streamed from {}\n", call.model(), arguments[0])?;
        out.write_all(columns.heading("the provider sent", "the app received").as_bytes())?;
        let feed = self.provider.feed();
        let cgroup = self.stage.cgroup()?;
        let mut child = self.client.start(&arguments, cgroup.as_deref(), &self.trust()?)?;
        let lines = child.stdout.take().context("the client has no output")?;
        let seen = timeout(CALL, watch(call, feed, lines, columns, out))
            .await
            .context("the call did not end in time")??;
        let mut said = String::new();
        if let Some(mut stderr) = child.stderr.take() {
            stderr.read_to_string(&mut said).await?;
        }
        let status = child.wait().await?;
        ensure!(status.success(), "the client ended with {status}: {}", said.trim());
        Ok(seen)
    }

    /// The variables that make the client trust the gateway's CA, as `gateway run` sets them; the reverse door
    /// needs none.
    fn trust(&self) -> anyhow::Result<Vec<(&'static str, OsString)>> {
        match self.stage.door {
            Door::Transparent { .. } => Ok(Trust::open(&self.stage.state())?.environment()),
            Door::Reverse { .. } => Ok(Vec::new()),
        }
    }
}
