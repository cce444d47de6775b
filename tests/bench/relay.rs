//! The floor of the bench: ends the client's TLS, opens TLS to the provider, and copies bytes without looking.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Parser;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

#[derive(Parser)]
#[command(about = "TLS in, TLS out, bytes untouched")]
struct Cli {
    /// Address to listen on.
    #[arg(long)]
    listen: SocketAddr,
    /// Address of the provider.
    #[arg(long)]
    upstream: SocketAddr,
    /// Name the provider's certificate must carry.
    #[arg(long, default_value = "api.openai.com")]
    name: String,
    /// Folder written by `bench-serve`.
    #[arg(long)]
    certs: PathBuf,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let chain =
        CertificateDer::pem_file_iter(cli.certs.join("server.pem"))?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(cli.certs.join("server.key"))?;
    let mut server = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(server));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(cli.certs.join("root.pem"))? {
        roots.add(certificate?)?;
    }
    let mut client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    client.alpn_protocols = vec![b"http/1.1".to_vec()];
    let connector = TlsConnector::from(Arc::new(client));
    let name = ServerName::try_from(cli.name)?;
    let listener = TcpListener::bind(cli.listen).await?;
    println!("ready: {}", listener.local_addr()?);
    loop {
        let (down, _) = listener.accept().await?;
        let relay = relay(down, cli.upstream, acceptor.clone(), connector.clone(), name.clone());
        // Either side may close first; that ends the pair and is no fault.
        tokio::spawn(async move { relay.await.is_ok() });
    }
}

async fn relay(
    down: TcpStream,
    upstream: SocketAddr,
    acceptor: TlsAcceptor,
    connector: TlsConnector,
    name: ServerName<'static>,
) -> std::io::Result<()> {
    down.set_nodelay(true)?;
    let up = TcpStream::connect(upstream).await?;
    up.set_nodelay(true)?;
    let mut up = connector.connect(name, up).await?;
    let mut down = acceptor.accept(down).await?;
    tokio::io::copy_bidirectional(&mut down, &mut up).await?;
    Ok(())
}
