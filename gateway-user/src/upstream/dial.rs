//! Opens one verified connection to a target and finds out which HTTP version it speaks.

use std::{io, net::SocketAddr, time::Duration};

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{Alpn, SendBody, Target, pool::Sender};
use crate::{
    capture::{Exempt, socket},
    tls::verify::{Offer, Upstreams},
};

/// Largest reply head accepted from upstream, in bytes.
const REPLY_HEAD_BYTES: usize = 256 * 1024;

/// How often an HTTP/2 upstream with requests in flight is asked whether it is still there, and how long it may take to
/// answer: a connection that was lost without a word must not hold the requests after it.
const PING: std::time::Duration = std::time::Duration::from_secs(20);
const PONG: std::time::Duration = std::time::Duration::from_secs(10);

/// Largest HTTP/2 reply header list accepted from upstream, in bytes.
const REPLY_HEAD_BYTES_H2: u32 = 256 * 1024;

/// Why upstream could not be reached or did not answer; each names the host and what to do.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The name has no address.
    #[error("{host} could not be resolved: {error}. Check the name and this machine's DNS")]
    Resolve {
        /// The name asked for.
        host: String,
        /// What the resolver said.
        error: io::Error,
    },
    /// No TCP connection.
    #[error(
        "{host} ({address}) could not be connected: {error}. Check that it is up and reachable from here"
    )]
    Connect {
        /// The name asked for.
        host: String,
        /// The address tried last.
        address: SocketAddr,
        /// What the kernel said.
        error: io::Error,
    },
    /// The TLS handshake failed; most often the certificate did not verify.
    #[error("TLS to {host} failed: {error}. If it uses a private CA, name that with --upstream-ca FILE")]
    Tls {
        /// The name the certificate had to match.
        host: String,
        /// What rustls said.
        error: io::Error,
    },
    /// A step took longer than its limit.
    #[error("{host} did not {step} within {seconds} s")]
    Timeout {
        /// The name asked for.
        host: String,
        /// Which step.
        step: &'static str,
        /// The limit.
        seconds: u64,
    },
    /// The connection ended, or spoke no valid HTTP, before an answer came.
    #[error("{host} ended the exchange before answering: {error}")]
    Exchange {
        /// The name asked for.
        host: String,
        /// What hyper said.
        error: hyper::Error,
    },
}

/// How connections are opened; shared by all targets.
pub(super) struct Dialer {
    pub tls: Upstreams,
    pub exempt: Exempt,
    pub connect: Duration,
}

impl Dialer {
    /// Connects to `target`, offering `offer` in ALPN.
    pub async fn open(&self, target: &Target, offer: Offer) -> Result<(Sender, Alpn), UpstreamError> {
        let host = || target.host.to_string();
        let limit = |step| UpstreamError::Timeout { host: host(), step, seconds: self.connect.as_secs() };
        let socket =
            timeout(self.connect, self.tcp(target)).await.map_err(|_| limit("accept a connection"))??;
        if !target.tls {
            // Without TLS nothing is negotiated: HTTP/2 is spoken where the app does, with prior knowledge.
            let alpn = if offer == Offer::Http2 { Alpn::Http2 } else { Alpn::Http1 };
            return handshake(target, socket, alpn).await.map(|sender| (sender, alpn));
        }
        let name = ServerName::try_from(target.host.to_string()).map_err(|error| UpstreamError::Tls {
            host: host(),
            error: io::Error::new(io::ErrorKind::InvalidInput, error),
        })?;
        let connector = TlsConnector::from(self.tls.client_config(offer));
        let stream = timeout(self.connect, connector.connect(name, socket))
            .await
            .map_err(|_| limit("finish its TLS handshake"))?
            .map_err(|error| UpstreamError::Tls { host: host(), error })?;
        let alpn = Alpn::from_id(stream.get_ref().1.alpn_protocol());
        Ok((handshake(target, stream, alpn).await?, alpn))
    }

    async fn tcp(&self, target: &Target) -> Result<TcpStream, UpstreamError> {
        let mut socket = self.connected(target).await?;
        if let Some(tunnel) = &target.tunnel {
            let failed = |error| UpstreamError::Connect {
                host: target.host.to_string(),
                address: tunnel.proxy,
                error,
            };
            tunnel.open(&mut socket).await.map_err(failed)?;
        }
        Ok(socket)
    }

    async fn connected(&self, target: &Target) -> Result<TcpStream, UpstreamError> {
        let addresses = match target.tunnel.as_ref().map(|tunnel| tunnel.proxy).or(target.address) {
            Some(address) => vec![address],
            None => tokio::net::lookup_host((&*target.host, target.port))
                .await
                .map_err(|error| UpstreamError::Resolve { host: target.host.to_string(), error })?
                .collect(),
        };
        let mut last = UpstreamError::Resolve {
            host: target.host.to_string(),
            error: io::Error::new(io::ErrorKind::NotFound, "it has no address"),
        };
        for address in addresses {
            match socket::connect(address, &self.exempt, target.namespace.as_deref()).await {
                Ok(socket) => return Ok(socket),
                Err(error) => {
                    last = UpstreamError::Connect { host: target.host.to_string(), address, error };
                }
            }
        }
        Err(last)
    }
}

async fn handshake<S>(target: &Target, stream: S, alpn: Alpn) -> Result<Sender, UpstreamError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let failed = |error| UpstreamError::Exchange { host: target.host.to_string(), error };
    match alpn {
        Alpn::Http1 => {
            let (sender, connection) = hyper::client::conn::http1::Builder::new()
                .preserve_header_case(true)
                .max_buf_size(REPLY_HEAD_BYTES)
                .handshake::<_, SendBody>(TokioIo::new(stream))
                .await
                .map_err(failed)?;
            // The task ends with the connection, which ends when its sender is dropped or upstream closes.
            tokio::spawn(async move { drop(connection.with_upgrades().await) });
            Ok(Sender::Http1(sender))
        }
        Alpn::Http2 => {
            let (sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .keep_alive_interval(PING)
                .keep_alive_timeout(PONG)
                .max_header_list_size(REPLY_HEAD_BYTES_H2)
                .handshake::<_, SendBody>(TokioIo::new(stream))
                .await
                .map_err(failed)?;
            tokio::spawn(async move { drop(connection.await) });
            Ok(Sender::Http2(sender))
        }
    }
}
