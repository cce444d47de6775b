//! Notices when nothing has come for too long, without a timer operation per chunk.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tokio::time::{Sleep, sleep_until};

/// Watches one body. The timer is only touched when the body is waited for and the old one has fired.
pub struct Silence {
    limit: Duration,
    heard: Instant,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Silence {
    /// Ready after `limit` without a [`Silence::heard`].
    pub fn new(limit: Duration) -> Self {
        Silence { limit, heard: Instant::now(), timer: None }
    }

    /// Something came, at `now`.
    pub fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// Ready when nothing has come for the limit; to be polled whenever the body is pending.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let due = self.heard + self.limit;
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due.into())));
            if timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            if Instant::now() >= due {
                return Poll::Ready(());
            }
            timer.as_mut().reset(due.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn it_fires_after_the_limit_and_not_while_something_comes() {
        let limit = Duration::from_millis(20);
        let mut silence = Silence::new(limit);
        let begun = Instant::now();
        // As if something had come a moment before the first timer fires.
        silence.heard(begun + limit / 2);
        poll_fn(|context| silence.poll(context)).await;
        assert!(begun.elapsed() >= limit + limit / 2);
    }
}
