//! Watches one call from both ends and prints what each sees, as it happens.

use std::io::{self, Write};
use std::pin::pin;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::sync::broadcast;
use tokio::time::{Sleep, sleep};

use super::call::{Call, is_ending, text};
use super::columns::Columns;
use crate::simulate::Sent;

/// How long the provider may take to notice that the caller is gone.
const NOTICE: Duration = Duration::from_secs(2);

/// What both ends saw.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// The deltas the provider sent.
    pub sent: Vec<String>,
    /// The deltas the app received.
    pub received: Vec<String>,
    /// Whether the app's stream had its dialect's ending.
    pub ended: bool,
}

impl Seen {
    /// The whole text the app received.
    pub(super) fn app_text(&self) -> String {
        self.received.concat()
    }
}

/// Prints rows to `out` until the app's output, `lines`, has ended and the provider has stopped sending.
///
/// # Errors
/// When `lines` cannot be read or `out` cannot be written.
pub(super) async fn watch(
    call: &Call,
    mut feed: broadcast::Receiver<Sent>,
    lines: impl AsyncRead + Unpin,
    columns: &Columns,
    out: &mut impl Write,
) -> io::Result<Seen> {
    let mut lines = BufReader::new(lines).lines();
    let (mut seen, mut row) = (Seen::default(), Row::new(call.row));
    let (mut sending, mut receiving) = (true, true);
    let mut end = pin!(sleep(Duration::MAX));
    while sending || receiving {
        tokio::select! {
            sent = feed.recv(), if sending => match sent {
                Ok(Sent { text: Some(text), .. }) => {
                    row.left(&text);
                    seen.sent.push(text);
                }
                Ok(Sent { text: None, .. }) | Err(broadcast::error::RecvError::Closed) => sending = false,
                Err(broadcast::error::RecvError::Lagged(_)) => {}
            },
            line = lines.next_line(), if receiving => match line? {
                Some(line) => {
                    seen.ended |= is_ending(&line);
                    if let Some(text) = text(&line) {
                        row.right(&text);
                        seen.received.push(text);
                    }
                }
                None => {
                    receiving = false;
                    end.set(sleep(NOTICE));
                }
            },
            () = row.over() => row.print(columns, out)?,
            () = &mut end => break,
        }
    }
    row.print(columns, out)?;
    Ok(seen)
}

/// The row being filled. It is over some time after its first delta.
struct Row {
    start: Instant,
    lasts: Duration,
    since: Option<Instant>,
    left: String,
    right: String,
}

impl Row {
    fn new(lasts: Duration) -> Row {
        Row { start: Instant::now(), lasts, since: None, left: String::new(), right: String::new() }
    }

    fn left(&mut self, text: &str) {
        self.since.get_or_insert_with(Instant::now);
        self.left += text;
    }

    fn right(&mut self, text: &str) {
        self.since.get_or_insert_with(Instant::now);
        self.right += text;
    }

    /// Ends when the row is over; never, while it is empty.
    fn over(&self) -> Sleep {
        match self.since {
            Some(since) => sleep(self.lasts.saturating_sub(since.elapsed())),
            None => sleep(Duration::MAX),
        }
    }

    /// Prints the row and begins the next.
    fn print(&mut self, columns: &Columns, out: &mut impl Write) -> io::Result<()> {
        let Some(since) = self.since.take() else { return Ok(()) };
        let (left, right) = (std::mem::take(&mut self.left), std::mem::take(&mut self.right));
        out.write_all(columns.row(since - self.start, &left, &right).as_bytes())?;
        out.flush()
    }
}
