//! Moves a given number of bytes through one connection, bare or in TLS: what a download costs that is only relayed.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use clap::{Parser, Subcommand};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};

/// Written and read at once.
const BLOCK: usize = 256 * 1024;
/// First byte of a TLS record that carries a handshake (RFC 8446 §5.1).
const HANDSHAKE: u8 = 0x16;

#[derive(Parser)]
#[command(about = "Sends as many bytes as it is asked for, or asks for them and times it")]
struct Cli {
    /// Folder written by `bench-serve`.
    #[arg(long)]
    certs: PathBuf,
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// Answers eight bytes (a count, big-endian) with as many bytes, in TLS where the client begins with that.
    Serve {
        #[arg(long)]
        listen: SocketAddr,
    },
    /// Asks for bytes and prints how many came per second.
    Fetch {
        #[arg(long)]
        from: SocketAddr,
        #[arg(long)]
        bytes: u64,
        /// In TLS, with this as the server's name.
        #[arg(long)]
        tls: Option<String>,
    },
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    match &cli.role {
        Role::Serve { listen } => serve(&cli, *listen),
        Role::Fetch { from, bytes, tls } => {
            let begun = Instant::now();
            let stream = TcpStream::connect(from)?;
            match tls {
                None => fetch(stream, *bytes)?,
                Some(name) => fetch(StreamOwned::new(client(&cli, name)?, stream), *bytes)?,
            }
            println!("{}", *bytes as f64 / begun.elapsed().as_secs_f64());
            Ok(())
        }
    }
}

fn serve(cli: &Cli, listen: SocketAddr) -> anyhow::Result<()> {
    let chain =
        CertificateDer::pem_file_iter(cli.certs.join("server.pem"))?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(cli.certs.join("server.key"))?;
    let config = Arc::new(ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?);
    let listener = TcpListener::bind(listen)?;
    println!("ready: {listen}");
    for stream in listener.incoming() {
        let (stream, config) = (stream?, Arc::clone(&config));
        std::thread::spawn(move || {
            let mut first = [0];
            if stream.peek(&mut first)? == 1 && first[0] == HANDSHAKE {
                let session = ServerConnection::new(config)?;
                return send(StreamOwned::new(session, stream));
            }
            send(stream)
        });
    }
    Ok(())
}

fn send(mut stream: impl Read + Write) -> anyhow::Result<()> {
    let mut count = [0; 8];
    stream.read_exact(&mut count)?;
    let mut left = u64::from_be_bytes(count);
    let block = vec![7; BLOCK];
    while left > 0 {
        let size = left.min(BLOCK as u64);
        stream.write_all(&block[..size as usize])?;
        left -= size;
    }
    Ok(stream.flush()?)
}

fn fetch(mut stream: impl Read + Write, bytes: u64) -> anyhow::Result<()> {
    stream.write_all(&bytes.to_be_bytes())?;
    let mut block = vec![0; BLOCK];
    let mut left = bytes;
    while left > 0 {
        let read = stream.read(&mut block)? as u64;
        anyhow::ensure!(read > 0, "the connection ended {left} bytes too early");
        left = left.checked_sub(read).context("more bytes came than were asked for")?;
    }
    Ok(())
}

fn client(cli: &Cli, name: &str) -> anyhow::Result<ClientConnection> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(cli.certs.join("root.pem"))? {
        roots.add(certificate?)?;
    }
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Ok(ClientConnection::new(Arc::new(config), ServerName::try_from(name.to_owned())?)?)
}
