//! Serves HTTP/1.1 or HTTP/2 on a terminated connection, exchange by exchange.

use std::{convert::Infallible, sync::Arc, time::Duration};

use http::Request;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{exchange, site::Site};
use crate::upstream::Alpn;

/// How long a client may take to send the next request's head on an HTTP/1.1 connection, idle time included.
pub const HEAD_WAIT: Duration = Duration::from_secs(90);

/// Concurrent exchanges a client may have on one HTTP/2 connection.
const H2_STREAMS: u32 = 256;

/// HTTP/2 flow-control windows, in bytes: what a client may send ahead of being read, per stream and connection.
const H2_STREAM_WINDOW: u32 = 1 << 20;
const H2_CONNECTION_WINDOW: u32 = 4 << 20;

/// Bytes of an answer kept per HTTP/2 stream before upstream is no longer read.
const H2_SEND_BUFFER: usize = 64 * 1024;

/// How long a silent HTTP/2 client is kept after a ping went unanswered, and how often it is pinged.
const H2_PING: Duration = Duration::from_secs(30);

/// Serves `io` until the client is done. Malformed HTTP is answered with 400 (431 for an oversized head) by the
/// library and ends the connection; the error comes back for the log.
pub async fn serve<S>(io: S, alpn: Alpn, site: Arc<Site>) -> Result<(), hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = &site.services.config.limits;
    let header_bytes = limits.header_bytes;
    let service = service_fn(move |request: Request<Incoming>| {
        let site = Arc::clone(&site);
        async move { Ok::<_, Infallible>(exchange::exchange(site, request).await) }
    });
    match alpn {
        Alpn::Http1 => {
            hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .preserve_header_case(true)
                .auto_date_header(false)
                .header_read_timeout(HEAD_WAIT)
                .max_buf_size(header_bytes)
                .serve_connection(TokioIo::new(io), service)
                .with_upgrades()
                .await
        }
        Alpn::Http2 => {
            hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .auto_date_header(false)
                .max_concurrent_streams(H2_STREAMS)
                .initial_stream_window_size(H2_STREAM_WINDOW)
                .initial_connection_window_size(H2_CONNECTION_WINDOW)
                .max_send_buf_size(H2_SEND_BUFFER)
                .max_header_list_size(u32::try_from(header_bytes).unwrap_or(u32::MAX))
                .keep_alive_interval(H2_PING)
                .serve_connection(TokioIo::new(io), service)
                .await
        }
    }
}
