//! A gateway reduced to steering, in a process of its own, so that it can be killed, moved and run without rights.

use gateway::capture::{Exempt, Fail, Quic, Steer, SteerOptions, SteerScope, Steering, listen, socket};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Attaches, says `ready`, and relays the first words of whatever the captured connections wanted to reach.
pub fn run(cgroup: &str, scope: &str, fail: &str) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
    match runtime.block_on(serve(cgroup.into(), scope, fail)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("error {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(cgroup: PathBuf, scope: &str, fail: &str) -> Result<(), Box<dyn std::error::Error>> {
    let earlier = Steer::pinned_listener(&cgroup);
    let bound = listen::bind_loopback(earlier.map(|(v4, _)| v4.port()))?;
    let (listen_v4, listen_v6) = bound.addresses()?;
    let steering = Arc::new(Steering::Kernel(Box::new(Steer::attach(&SteerOptions {
        cgroup,
        listen_v4,
        listen_v6,
        ports: vec![443],
        endpoints: vec![],
        quic: Quic::Known,
        scope: if scope == "known" { SteerScope::Known } else { SteerScope::Tls },
        fail: if fail == "open" { Fail::Open } else { Fail::Closed },
        known_hosts: vec!["api.known.example".to_owned()],
    })?)));
    let exempt = Exempt::default();
    exempt.add(&steering);
    let listeners = bound.into_listeners()?;
    println!("ready {} {}", listen_v4.port(), if earlier.is_some() { "adopted" } else { "fresh" });
    io::stdout().flush()?;
    loop {
        let (stream, peer) = listeners.accept().await?;
        // A client that went away is no reason to stop.
        let _ = relay(&steering, &exempt, stream, peer).await;
    }
}

async fn relay(
    steering: &Steering,
    exempt: &Exempt,
    mut stream: TcpStream,
    peer: std::net::SocketAddr,
) -> io::Result<()> {
    let Some(captured) = steering.captured(stream.as_fd(), peer) else {
        return stream.write_all(b"gateway lost\n").await;
    };
    let mut upstream = socket::connect(captured.original, exempt, None).await?;
    let mut said = String::new();
    upstream.read_to_string(&mut said).await?;
    stream.write_all(format!("gateway {} {}", captured.original, said).as_bytes()).await
}
