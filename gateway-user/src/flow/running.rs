//! Counts the flows that run, so that a stopping gateway can wait for them.

use tokio::sync::watch;

/// How many flows run.
pub struct Running {
    count: watch::Sender<usize>,
    stopping: watch::Sender<bool>,
}

impl Default for Running {
    fn default() -> Self {
        Running { count: watch::Sender::new(0), stopping: watch::Sender::new(false) }
    }
}

impl Running {
    /// One more.
    pub(super) fn begin(&self) {
        self.count.send_modify(|count| *count += 1);
    }

    /// One less.
    pub(super) fn end(&self) {
        self.count.send_modify(|count| *count = count.saturating_sub(1));
    }

    /// Waits until the gateway is to stop: connections between exchanges then end.
    pub(super) async fn stopping(&self) {
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = self.stopping.subscribe().wait_for(|stopping| *stopping).await;
    }

    /// Tells the flows that run to come to an end, and waits until none runs.
    pub async fn none(&self) {
        self.stopping.send_replace(true);
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = self.count.subscribe().wait_for(|count| *count == 0).await;
    }
}
