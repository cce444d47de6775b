//! Follows a CONNECT that an app sends to another proxy: the tunnel is opened as it asked, and what goes through it
//! takes the same path as any other connection.

use std::{io, net::SocketAddr, pin::Pin, sync::Arc};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{
    coverage::Fate,
    flow::Flow,
    path::{self, Client, Destination, Origin},
    reach,
    services::Services,
};
use crate::{
    audit::Verdict,
    upstream::{Answer, Tunnel},
};

/// Most bytes of what a proxy says when it refuses a tunnel.
const MOST_REFUSAL: u64 = 64 * 1024;

/// What a CONNECT asks for.
pub struct Wanted {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Bytes of the request's head.
    pub head: usize,
}

/// Asks the proxy for the tunnel in the app's own words, gives the app its answer, and looks at what follows. Where
/// the proxy refuses, the connection ends behind its answer, so that nothing is asked on it unseen.
pub async fn follow(services: Arc<Services>, origin: Origin, wanted: Wanted, mut client: Client) {
    let head = client.consume(wanted.head);
    let failed = |error: io::Error| {
        services.row(&origin, Some(&wanted.host), Fate::Failed).connection();
        let why = format!("the proxy that was asked for a tunnel failed: {error}");
        Flow::connection(&services, &origin, Some(wanted.host.clone())).end(Verdict::Failed, Some(&why));
    };
    let limit = services.config.limits.upstream_connect;
    let mut server = match reach::reach(&services, &origin).await {
        Ok(server) => server,
        Err(error) => return failed(error),
    };
    let address = match server.peer_addr() {
        Ok(address) => address,
        Err(error) => return failed(error),
    };
    let tunnel = Arc::new(Tunnel { proxy: address, head });
    let answer = match timeout(limit, tunnel.ask(&mut server)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return failed(error),
        Err(_) => return failed(io::ErrorKind::TimedOut.into()),
    };
    if !answer.is_open() {
        let row = services.row(&origin, Some(&wanted.host), Fate::Relayed);
        row.connection();
        let passed = refuse(&mut client, server, &answer).await;
        row.bytes(tunnel.head.len() as u64, passed);
        let mut flow = Flow::connection(&services, &origin, Some(wanted.host));
        flow.bytes(tunnel.head.len() as u64, passed);
        let why = format!("the proxy that was asked for a tunnel answered {}", answer.status);
        return flow.end(Verdict::Relayed, Some(&why));
    }
    // A server that spoke at once is left for the app to hear; no TLS or HTTP server does.
    if let Err(error) = client.write_all(&answer.bytes).await {
        return failed(error);
    }
    let destination = within(&wanted, tunnel);
    inside(services, Origin { destination, ..origin }, client, server).await;
}

/// Where a tunnel leads.
fn within(wanted: &Wanted, tunnel: Arc<Tunnel>) -> Destination {
    let (port, tunnel) = (wanted.port, Some(tunnel));
    match wanted.host.parse() {
        Ok(ip) => Destination { name: None, address: Some(SocketAddr::new(ip, port)), port, tunnel },
        Err(_) => Destination { name: Some(wanted.host.clone()), address: None, port, tunnel },
    }
}

/// The path once more, in a box, because a future cannot contain itself.
fn inside(
    services: Arc<Services>,
    origin: Origin,
    client: Client,
    server: TcpStream,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(path::look(services, origin, client, Some(server)))
}

/// Gives the app the proxy's refusal as it came, to its end or until it pauses; counts its bytes.
async fn refuse(client: &mut Client, server: TcpStream, answer: &Answer) -> u64 {
    let length = content_length(&answer.bytes[..answer.head]).unwrap_or(0);
    let come = (answer.bytes.len() - answer.head) as u64;
    let missing = length.saturating_sub(come).min(MOST_REFUSAL);
    let mut passed = answer.bytes.len() as u64;
    // An app that went away has no use for the rest.
    if client.write_all(&answer.bytes).await.is_ok() {
        passed += tokio::io::copy(&mut server.take(missing), client).await.unwrap_or(0);
        let _ = client.shutdown().await;
    }
    passed
}

fn content_length(head: &[u8]) -> Option<u64> {
    let head = std::str::from_utf8(head).ok()?;
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(name, _)| name.eq_ignore_ascii_case("content-length"))?.1.trim().parse().ok()
}
