//! Ends a client's TLS with a leaf for the name it asked for, or takes its plain HTTP, and serves what is inside.

use std::{sync::Arc, time::Instant};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    arrival,
    counted::Counted,
    coverage::{Fate, Meter},
    decide::Inside,
    flow::Flow,
    path::{Client, Destination, Inspected, Origin},
    prefixed::Prefixed,
    serve,
    services::Services,
    site::Site,
    untrusted,
};
use crate::{
    audit::Verdict,
    tls::{hello::Hello, verify::Offer},
    upstream::{Alpn, Target},
};

/// Serves a connection that is to be inspected.
pub async fn terminate(
    services: Arc<Services>,
    origin: Origin,
    inspected: Inspected,
    inside: Inside,
    stream: Client,
) {
    let Destination { address, port, tunnel, .. } = origin.destination.clone();
    let tls = matches!(inside, Inside::Tls(_));
    let namespace = origin.namespace.clone();
    let target = Target { host: Arc::from(inspected.name.as_str()), port, address, tls, namespace, tunnel };
    let Inspected { name, host, is_engine } = inspected;
    if !is_engine {
        services.learn(address, &host);
    }
    // On this machine nothing crosses a network.
    let local = is_engine || address.is_some_and(|address| address.ip().is_loopback());
    let meter = Arc::new(Meter::default());
    let stream = Counted::new(stream, Arc::clone(&meter));
    let mut site = Site {
        services: Arc::clone(&services),
        origin,
        target,
        host,
        alpn: Alpn::Http1,
        offer: Offer::Http1,
        base: None,
        is_engine,
        local,
        row: None,
    };
    match inside {
        Inside::Plain(alpn) => {
            (site.alpn, site.offer) = (alpn, single(alpn));
            meter.settle(services.row(&site.origin, Some(&name), Fate::Inspected));
            serve(site, stream).await;
        }
        Inside::Tls(hello) => match accept(&mut site, &hello, &meter, stream).await {
            Ok(stream) => serve(site, stream).await,
            Err((fate, reason)) => {
                meter.settle(services.row(&site.origin, Some(&name), fate));
                Flow::connection(&services, &site.origin, Some(name)).end(Verdict::Failed, Some(&reason));
            }
        },
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(site: Site, stream: S) {
    site.services.counters.connections_inspected.one();
    let (alpn, site) = (site.alpn, Arc::new(site));
    if let Err(error) = serve::serve(stream, alpn, Arc::clone(&site)).await {
        tracing::debug!(host = %site.target.host, %error, "the client's connection ended badly");
    }
}

/// Answers the client's hello. What comes back tells the version of HTTP in `site`.
async fn accept(
    site: &mut Site,
    hello: &Hello,
    meter: &Meter,
    stream: Counted<Client>,
) -> Result<Prefixed<TlsStream<Counted<Client>>>, (Fate, String)> {
    let services = Arc::clone(&site.services);
    let name = Arc::clone(&site.target.host);
    let offer = Offer::mirror(hello);
    site.alpn = services.spoken(&site.target, offer).await;
    let named = (offer != Offer::Nothing).then(|| site.alpn.id());
    let config =
        services.leaves.server_config(&name, named).map_err(|error| (Fate::Failed, error.to_string()))?;
    let accepted = timeout(services.config.limits.handshake, TlsAcceptor::from(config).accept(stream)).await;
    let stream = match accepted {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(broken_off(site, &error)),
        Err(_) => {
            let why = "the client did not finish its TLS handshake in time".to_owned();
            return Err((Fate::Failed, why));
        }
    };
    services.untrusted.accepted(&site.origin.principal, &name);
    meter.settle(services.row(&site.origin, Some(&name), Fate::Inspected));
    if offer != Offer::Nothing {
        site.offer = single(site.alpn);
        return Ok(Prefixed::new(bytes::Bytes::new(), stream));
    }
    // Nothing was negotiated: HTTP/1.1, unless the client speaks HTTP/2 with prior knowledge.
    let (alpn, stream) = arrival::version(stream, serve::HEAD_WAIT)
        .await
        .map_err(|_| (Fate::Inspected, "the client asked for nothing".to_owned()))?;
    site.alpn = alpn;
    site.offer = if alpn == Alpn::Http2 { Offer::Http2 } else { offer };
    Ok(stream)
}

/// What a broken handshake stands for, and what to do about it.
fn broken_off(site: &Site, error: &std::io::Error) -> (Fate, String) {
    let services = &site.services;
    services.counters.handshake_failures.one();
    let Some(why) = untrusted::why(error) else {
        return (Fate::Failed, format!("the client's TLS handshake failed: {error}"));
    };
    services.untrusted.refused(&site.origin.principal, &site.target.host, Instant::now());
    let advice = site.origin.advice();
    (Fate::Untrusted, format!("untrusted: the client refused our certificate ({why}); {advice}"))
}

/// The offer that asks upstream for exactly the protocol the client speaks with us.
fn single(alpn: Alpn) -> Offer {
    match alpn {
        Alpn::Http1 => Offer::Http1,
        Alpn::Http2 => Offer::Http2,
    }
}
