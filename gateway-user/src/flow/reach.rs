//! Connects to where a connection wanted to go, and waits for whoever speaks first.

use std::io;

use bytes::BytesMut;
use tokio::{io::AsyncReadExt, net::TcpStream, time::timeout};

use super::{
    arrival::{self, Opening},
    path::{Client, Origin},
    prefixed::Prefixed,
    services::Services,
};
use crate::capture::socket;

/// Connects to a connection's own destination, through the proxy it goes through itself.
///
/// # Errors
/// When it names none, has no address, or cannot be connected in time.
pub async fn reach(services: &Services, origin: &Origin) -> io::Result<TcpStream> {
    let connect = async {
        let to = &origin.destination;
        let address = match (&to.tunnel, to.address, &to.name) {
            (Some(tunnel), ..) => tunnel.proxy,
            (None, Some(address), _) => address,
            (None, None, Some(name)) => tokio::net::lookup_host((name.as_str(), to.port))
                .await?
                .next()
                .ok_or_else(|| io::Error::other(format!("{name} has no address")))?,
            (None, None, None) => return Err(io::Error::other("the connection names no destination")),
        };
        let mut stream = socket::connect(address, &services.exempt, origin.namespace.as_deref()).await?;
        if let Some(tunnel) = &to.tunnel {
            tunnel.open(&mut stream).await?;
        }
        Ok(stream)
    };
    timeout(services.config.limits.upstream_connect, connect)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

/// A connection of which it is known who speaks first.
pub struct Spoke {
    /// What was said: by the client, or [`Opening::ServerFirst`].
    pub opening: Opening,
    /// The client.
    pub client: Client,
    /// The server; not a byte of its words was read.
    pub server: TcpStream,
}

/// Connects a silent client's connection and waits until one side speaks. A client that only waited before its hello
/// is thus looked at like any other. When the client ends its half, or nobody speaks within the time a connection may
/// be idle, the first word is the server's, whether or not it comes.
///
/// # Errors
/// When the server cannot be connected, or the client's connection breaks.
pub async fn who_speaks_first(
    services: &Services,
    origin: &Origin,
    client: Client,
    server: Option<TcpStream>,
) -> io::Result<Spoke> {
    let server = match server {
        Some(server) => server,
        None => reach(services, origin).await?,
    };
    let (_, mut client) = client.into_parts();
    let mut read = BytesMut::with_capacity(2048);
    let limits = &services.config.limits;
    let client_spoke = tokio::select! {
        biased;
        count = client.read_buf(&mut read) => count? > 0,
        ready = server.readable() => {
            ready?;
            false
        }
        () = tokio::time::sleep(limits.idle) => false,
    };
    if !client_spoke {
        let client = Prefixed::new(read.freeze(), client);
        return Ok(Spoke { opening: Opening::ServerFirst, client, server });
    }
    let (opening, client) = arrival::look_on(client, read, limits.handshake).await?;
    Ok(Spoke { opening, client, server })
}
