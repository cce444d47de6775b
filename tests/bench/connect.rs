//! What `connect()` costs inside an attached cgroup against outside: blocks of both in turn, in one process.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Parser;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockProtocol, SockType, SockaddrStorage, connect, setsockopt, socket,
    sockopt::Linger, sockopt::ReceiveTimeout,
};
use nix::sys::time::{TimeVal, TimeValLike};

#[derive(Parser)]
#[command(about = "Measures connect() inside a cgroup and outside")]
struct Options {
    /// The attached cgroup's folder.
    #[arg(long)]
    inside: PathBuf,
    /// Another one, that nothing is attached to, at the same depth.
    #[arg(long)]
    outside: PathBuf,
    /// Blocks on each side.
    #[arg(long, default_value_t = 100)]
    blocks: usize,
    /// Connections of a block.
    #[arg(long, default_value_t = 1000)]
    connections: u32,
    /// Where to listen and connect to; it must not be steered.
    #[arg(long, default_value = "127.0.0.1:0")]
    to: SocketAddr,
}

/// The mean times of one block, in microseconds.
struct Block {
    /// Of `connect()` alone.
    connect: f64,
    /// Of `socket()`, `connect()` and `close()`.
    life: f64,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let listener =
        TcpListener::bind(options.to).with_context(|| format!("cannot listen on {}", options.to))?;
    // What was steered after all never arrives here.
    setsockopt(&listener, ReceiveTimeout, &TimeVal::seconds(5))?;
    let to = SockaddrStorage::from(listener.local_addr()?);
    let (mut inside, mut outside) = (Vec::new(), Vec::new());
    for _ in 0..options.blocks {
        for (cgroup, blocks) in [(&options.outside, &mut outside), (&options.inside, &mut inside)] {
            join(cgroup)?;
            blocks.push(block(&listener, &to, options.connections)?);
        }
    }
    join(&options.outside)?;
    let side = |blocks: &[Block]| {
        serde_json::json!({
            "connect_us": median(blocks, |block| block.connect),
            "life_us": median(blocks, |block| block.life),
        })
    };
    println!("{}", serde_json::json!({"inside": side(&inside), "outside": side(&outside)}));
    Ok(())
}

/// A socket belongs to the cgroup in which it was made, so moving between blocks is enough.
fn join(cgroup: &Path) -> anyhow::Result<()> {
    let members = cgroup.join("cgroup.procs");
    fs::write(&members, "0").with_context(|| format!("cannot write {}", members.display()))
}

fn block(listener: &TcpListener, to: &SockaddrStorage, connections: u32) -> anyhow::Result<Block> {
    let (mut connecting, mut living) = (Duration::ZERO, Duration::ZERO);
    // Closing sends a reset: connections that wait out their time would use up the ports.
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    let family = if listener.local_addr()?.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    for _ in 0..connections {
        let start = Instant::now();
        let client = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, SockProtocol::Tcp)?;
        let made = Instant::now();
        connect(client.as_raw_fd(), to)?;
        let connected = Instant::now();
        let accepted = listener.accept().context("the connection did not arrive")?;
        setsockopt(&client, Linger, &linger)?;
        let closing = Instant::now();
        drop(client);
        let closed = Instant::now();
        drop(accepted);
        connecting += connected - made;
        living += (connected - start) + (closed - closing);
    }
    let mean = |sum: Duration| sum.as_secs_f64() * 1e6 / f64::from(connections);
    Ok(Block { connect: mean(connecting), life: mean(living) })
}

fn median(blocks: &[Block], figure: impl Fn(&Block) -> f64) -> f64 {
    let mut values: Vec<f64> = blocks.iter().map(figure).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
