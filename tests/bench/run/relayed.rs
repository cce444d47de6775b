//! What a relayed connection costs: a download from a host that is no LLM's, direct and through the gateway.

use std::net::{Ipv4Addr, SocketAddr};

use gateway_tests::cpu;
use serde::Serialize;

use crate::processes::{self, Running};
use crate::rows::Place;

/// The name of the rows, for `--only`.
pub const NAME: &str = "relayed";
/// A name that no provider has, and its address in the bench's world.
pub const HOST: (&str, Ipv4Addr) = ("files.example.net", Ipv4Addr::new(192, 0, 2, 11));

/// One way of downloading.
#[derive(Serialize)]
pub struct Relayed {
    /// `bare`, or `tls`, which every download of today is.
    kind: &'static str,
    /// Bytes per second without the gateway.
    direct: f64,
    /// And with it.
    relayed: f64,
    /// Processor seconds the gateway took for a gigabyte.
    cpu_seconds_per_gb: f64,
}

/// Downloads `bytes` bytes in each way, `rounds` times in pairs; medians. Nothing is pinned: on fewer than three
/// processors client, gateway and server share them, and so does the figure.
pub fn measure(place: &Place, rounds: usize, bytes: u64) -> anyhow::Result<Vec<Relayed>> {
    let from = SocketAddr::from((HOST.1, 443));
    let mut serve = place.bulk();
    serve.args(["serve", "--listen", &from.to_string()]);
    let mut server = Running::start(serve, None, &place.log("bulk"))?;
    server.ready()?;
    let gateway = place.relay()?;
    [("bare", None), ("tls", Some(HOST.0))]
        .into_iter()
        .map(|(kind, name)| {
            let (mut direct, mut relayed, mut cost) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..rounds {
                let fetch = |inside: bool| {
                    let mut command = place.bulk_client(inside)?;
                    command.args(["fetch", "--from", &from.to_string(), "--bytes", &bytes.to_string()]);
                    command.args(name.iter().flat_map(|name| ["--tls", name]));
                    Ok::<f64, anyhow::Error>(processes::output(&mut command)?.trim().parse()?)
                };
                direct.push(fetch(false)?);
                let before = cpu::sample(gateway.group()).cpu_seconds;
                relayed.push(fetch(true)?);
                let used = cpu::sample(gateway.group()).cpu_seconds - before;
                cost.push(used / (bytes as f64 / 1e9));
            }
            let (direct, relayed) = (median(direct), median(relayed));
            Ok(Relayed { kind, direct, relayed, cpu_seconds_per_gb: median(cost) })
        })
        .collect()
}

/// The figures as a table.
pub fn render(relayed: &[Relayed]) -> String {
    let mut lines = vec![
        "| relayed download | direct GB/s | relayed GB/s | relayed : direct | gateway CPU s/GB |".to_owned(),
        "|---|---:|---:|---:|---:|".to_owned(),
    ];
    lines.extend(relayed.iter().map(|row| {
        format!(
            "| {} | {:.2} | {:.2} | {:.2} | {:.3} |",
            row.kind,
            row.direct / 1e9,
            row.relayed / 1e9,
            row.relayed / row.direct,
            row.cpu_seconds_per_gb
        )
    }));
    lines.join("\n")
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
