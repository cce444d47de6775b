//! The application of the kernel tests: opens one connection in the way it is told and prints what came of it.
//!
//! `netns-probe WAY DESTINATION` prints `ok peer=… said=…` or `error …`; `netns-probe own …` is a small gateway.

mod owner;
mod sockets;

use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["own", cgroup, scope, fail] => return owner::run(cgroup, scope, fail),
        ["load", destination] => return load(address(destination), None),
        ["load", destination, source] => return load(address(destination), Some(address(source))),
        [way, destination] => report(go(way, destination)),
        _ => {
            eprintln!("usage: netns-probe WAY DESTINATION");
            return ExitCode::from(64);
        }
    }
    ExitCode::SUCCESS
}

/// What a way to connect leads to.
enum Outcome {
    /// A connection to read from.
    Connected(TcpStream),
    /// Nothing to read from, or another process has read; this is the line to print.
    Said(String),
}

fn go(way: &str, destination: &str) -> io::Result<Outcome> {
    let said = match way {
        "exec" => again(destination, |command| command)?,
        "setuid" => again(destination, |command| command.uid(65_534).gid(65_534))?,
        "udp-connect" => sockets::datagram_connect(address(destination))?,
        "udp-send" => sockets::datagram_send(address(destination))?,
        "fork" => match sockets::forked(address(destination))? {
            Some(stream) => return Ok(Outcome::Connected(stream)),
            None => String::new(),
        },
        _ => return connect(way, destination).map(Outcome::Connected),
    };
    Ok(Outcome::Said(said))
}

fn connect(way: &str, destination: &str) -> io::Result<TcpStream> {
    match way {
        "plain" => TcpStream::connect(address(destination)),
        "resolve" => {
            let first = destination.to_socket_addrs()?.next();
            TcpStream::connect(first.ok_or(io::ErrorKind::AddrNotAvailable)?)
        }
        "thread" => {
            let to = address(destination);
            std::thread::spawn(move || TcpStream::connect(to)).join().expect("the thread ends")
        }
        "nonblocking" => sockets::nonblocking(address(destination)),
        "retry" => sockets::retry(address(destination)),
        "fastopen" => sockets::fast_open(address(destination)),
        "fastopen-connect" => sockets::fast_open_connect(address(destination)),
        "source" => sockets::from_source(address(destination)),
        "device" => sockets::on_device(address(destination), None),
        "device-nobody" => sockets::on_device(address(destination), Some(65_534)),
        "brought-along" => sockets::brought_along(address(destination)),
        "mptcp" => sockets::multipath(address(destination)),
        "uring" => sockets::uring(address(destination)),
        other => panic!("no way `{other}`"),
    }
}

/// Runs this program once more and returns what it printed.
fn again(destination: &str, change: impl Fn(&mut Command) -> &mut Command) -> io::Result<String> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["plain", destination]);
    let output = change(&mut command).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn report(outcome: io::Result<Outcome>) {
    let described = outcome.and_then(|outcome| match outcome {
        Outcome::Connected(stream) => describe(stream),
        Outcome::Said(line) => Ok(line),
    });
    match described {
        Ok(line) if line.is_empty() => {}
        Ok(line) => println!("{line}"),
        Err(error) => println!("error {}", name_of(&error)),
    }
}

fn describe(mut stream: TcpStream) -> io::Result<String> {
    let peer = stream.peer_addr()?;
    let mut said = String::new();
    stream.read_to_string(&mut said)?;
    Ok(format!("ok peer={peer} said={}", said.trim()))
}

/// Connects again and again, from a source of its own where one is given, counting who answers, until standard input
/// closes.
fn load(to: SocketAddr, from: Option<SocketAddr>) -> ExitCode {
    let until = std::thread::spawn(|| io::stdin().read_to_end(&mut Vec::new()));
    let (mut gateway, mut provider, mut refused) = (0, 0, 0);
    while !until.is_finished() {
        let mut said = String::new();
        let connected = from.map_or_else(|| TcpStream::connect(to), |from| sockets::bound(from, to));
        match connected.and_then(|mut stream| stream.read_to_string(&mut said)) {
            Ok(_) if said.starts_with("provider") => provider += 1,
            Ok(_) if said.starts_with("gateway") => gateway += 1,
            _ => refused += 1,
        }
    }
    println!("gateway={gateway} provider={provider} refused={refused}");
    ExitCode::SUCCESS
}

fn name_of(error: &io::Error) -> String {
    error
        .raw_os_error()
        .map_or_else(|| error.to_string(), |code| format!("{:?}", nix::errno::Errno::from_raw(code)))
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address and a port")
}
