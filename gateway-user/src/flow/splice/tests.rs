//! What passes a relay, and how it ends.

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::*;

/// An app and a server with a relay between them; `head` was read from the app before.
async fn relayed(head: &'static [u8]) -> (TcpStream, TcpStream, JoinHandle<io::Result<Passed>>) {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    let ours = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let app = TcpStream::connect(ours.local_addr().unwrap()).await.unwrap();
    let (accepted, _) = ours.accept().await.unwrap();
    let client = Prefixed::new(Bytes::from_static(head), accepted);
    let relay = tokio::spawn(async move { relay(client, TcpStream::connect(address).await?).await });
    let (server, _) = server.accept().await.unwrap();
    (app, server, relay)
}

#[tokio::test]
async fn bytes_pass_both_ways_and_are_counted() {
    let (mut app, mut server, relay) = relayed(b"he").await;
    app.write_all(b"llo").await.unwrap();
    app.shutdown().await.unwrap();
    let mut got = Vec::new();
    server.read_to_end(&mut got).await.unwrap();
    server.write_all(b"goodbye").await.unwrap();
    drop(server);
    let mut back = Vec::new();
    app.read_to_end(&mut back).await.unwrap();
    assert_eq!((got.as_slice(), back.as_slice()), (&b"hello"[..], &b"goodbye"[..]));
    assert_eq!(relay.await.unwrap().unwrap(), Passed { up: 5, down: 7 });
}

#[tokio::test]
async fn more_than_a_pipe_holds_arrives_whole() {
    let (mut app, mut server, relay) = relayed(b"").await;
    let sent: Vec<u8> = (0..8 << 20).map(|index: u32| (index ^ (index >> 9)) as u8).collect();
    let copy = sent.clone();
    let writer = tokio::spawn(async move {
        server.write_all(&copy).await.unwrap();
    });
    let mut got = Vec::new();
    app.read_to_end(&mut got).await.unwrap();
    assert!(got == sent, "{} of {} bytes, or others", got.len(), sent.len());
    writer.await.unwrap();
    drop(app);
    assert_eq!(relay.await.unwrap().unwrap(), Passed { up: 0, down: sent.len() as u64 });
}

#[tokio::test]
async fn a_reset_is_passed_on() {
    let (mut app, mut server, relay) = relayed(b"").await;
    app.write_all(b"unread").await.unwrap();
    let mut first = [0; 1];
    server.read_exact(&mut first).await.unwrap();
    // Unread bytes make the kernel reset instead of ending.
    drop(server);
    let error = app.read_to_end(&mut Vec::new()).await.expect_err("reset");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(relay.await.unwrap().unwrap(), Passed { up: 6, down: 0 });
}
