//! The fast provider of the bench: the simulated provider without its log, on one thread.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use gateway::simulate::{Provider, ProviderOptions, Root};

#[derive(Parser)]
#[command(about = "Simulated provider for measurements; ends when its standard input does")]
struct Cli {
    /// Plain-text listen address.
    #[arg(long)]
    http: SocketAddr,
    /// TLS listen address.
    #[arg(long)]
    https: SocketAddr,
    /// Folder that gets root.pem, server.pem (chain) and server.key, for the proxies under measurement.
    #[arg(long)]
    certs: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run(cli))
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    let root = Arc::new(Root::create()?);
    let mut options = ProviderOptions {
        https: cli.https,
        http: cli.http,
        root: Some(root.clone()),
        keep: 0,
        ..ProviderOptions::default()
    };
    // The host of the downloads that are only relayed.
    options.names.push("files.example.net".to_owned());
    let (chain, key) = root.issue_pem(&options.names, false)?;
    let put = |name: &str, text: &str| {
        std::fs::write(cli.certs.join(name), text)
            .with_context(|| format!("writing {name} in {}", cli.certs.display()))
    };
    put("root.pem", root.pem())?;
    put("server.pem", &chain)?;
    put("server.key", &key)?;
    let provider = Provider::start(options).await?;
    println!("ready: https {} http {}", provider.https, provider.http);
    tokio::io::copy(&mut tokio::io::stdin(), &mut tokio::io::sink()).await?;
    provider.stop().await?;
    Ok(())
}
