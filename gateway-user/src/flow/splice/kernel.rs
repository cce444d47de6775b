//! Moves bytes from one socket to another inside the kernel, by `splice(2)`: they are never copied to user space.

use std::{
    cell::RefCell,
    io,
    os::fd::{AsFd, OwnedFd},
    sync::atomic::{AtomicU64, Ordering},
};

use nix::{
    fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, splice},
    sys::socket::{Shutdown, shutdown},
    unistd::pipe2,
};
use std::os::fd::AsRawFd;
use tokio::{io::Interest, net::TcpStream};

/// What a pipe may hold, in bytes: the most an ordinary user may ask for (`/proc/sys/fs/pipe-max-size`). Larger pipes
/// mean fewer wake-ups, which are most of what a relayed byte costs.
const PIPE_BYTES: usize = 1 << 20;

/// Empty pipes each thread keeps for the next connection with something to move.
const SPARE_PIPES: usize = 8;

/// Moves what `from` receives to `to` until `from` ends, then ends `to`'s sending side. `moved` counts along, so that
/// the count stands whichever way this ends.
///
/// A connection without anything in flight holds no pipe, so that idle ones cost no descriptors.
///
/// # Errors
/// A reset by either side, or no pipe to be had.
pub async fn forward(from: &TcpStream, to: &TcpStream, moved: &AtomicU64) -> io::Result<()> {
    loop {
        from.readable().await?;
        let pipe = Pipe::take()?;
        let ended = drain(&pipe, from, to, moved).await?;
        pipe.give_back();
        if ended {
            // A peer that is gone already needs no end.
            let _ = shutdown(to.as_raw_fd(), Shutdown::Write);
            return Ok(());
        }
    }
}

/// Moves all there is; whether `from` has ended. The pipe is empty again when this returns without an error.
async fn drain(pipe: &Pipe, from: &TcpStream, to: &TcpStream, moved: &AtomicU64) -> io::Result<bool> {
    loop {
        let filled = match from.try_io(Interest::READABLE, || step(from, &pipe.write, PIPE_BYTES)) {
            Ok(0) => return Ok(true),
            Ok(filled) => filled,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        };
        let mut left = filled;
        while left > 0 {
            left -= to.async_io(Interest::WRITABLE, || step(&pipe.read, to, left)).await?;
        }
        moved.fetch_add(filled as u64, Ordering::Relaxed);
    }
}

fn step(from: &impl AsFd, to: &impl AsFd, most: usize) -> io::Result<usize> {
    let flags = SpliceFFlags::SPLICE_F_MOVE | SpliceFFlags::SPLICE_F_NONBLOCK;
    Ok(splice(from, None, to, None, most, flags)?)
}

/// A pipe with nothing in it.
struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
}

thread_local! {
    static SPARE: RefCell<Vec<Pipe>> = const { RefCell::new(Vec::new()) };
}

impl Pipe {
    fn take() -> io::Result<Pipe> {
        if let Some(pipe) = SPARE.with_borrow_mut(Vec::pop) {
            return Ok(pipe);
        }
        let (read, write) = pipe2(OFlag::O_NONBLOCK | OFlag::O_CLOEXEC)?;
        // A user with many pipes may be refused a larger one; the usual 64 KiB only cost more wake-ups.
        let _ = fcntl(&write, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES as i32));
        Ok(Pipe { read, write })
    }

    fn give_back(self) {
        SPARE.with_borrow_mut(|spare| {
            if spare.len() < SPARE_PIPES {
                spare.push(self);
            }
        });
    }
}
