//! Sends what the rooms log to standard error, as text for people or JSON for machines.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// The variable that chooses what is logged, such as `info` or `gateway::tls=debug,warn`.
pub const FILTER_VARIABLE: &str = "GATEWAY_LOG";
/// What is logged when nothing is chosen.
pub const DEFAULT_FILTER: &str = "warn";

/// How a log line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One line of text for each event; coloured on a terminal.
    Text,
    /// One JSON object a line for each event.
    Json,
}

/// Why the log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter cannot be read.
    #[error(
        "{FILTER_VARIABLE}=`{filter}` is not a log filter: {reason}; write a level such as `info`, or `room=level` parts with commas"
    )]
    Filter {
        /// As given.
        filter: String,
        /// The parser's reason.
        reason: String,
    },
    /// Called twice in one process.
    #[error("the log is set up already")]
    Twice,
}

/// Sets the log up for this process. `filter` is the value of `GATEWAY_LOG`, if any.
///
/// # Errors
/// As [`LogError`] says.
pub fn init(format: LogFormat, filter: Option<&str>) -> Result<(), LogError> {
    let subscriber = subscriber(format, filter, std::io::stderr, std::io::stderr().is_terminal())?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Twice)
}

/// What `init` installs, with the writer a choice so that a test can read what was logged.
fn subscriber<W>(
    format: LogFormat,
    filter: Option<&str>,
    writer: W,
    colour: bool,
) -> Result<Box<dyn tracing::Subscriber + Send + Sync>, LogError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = filter.filter(|filter| !filter.is_empty()).unwrap_or(DEFAULT_FILTER);
    let parsed = EnvFilter::try_new(filter)
        .map_err(|error| LogError::Filter { filter: filter.to_owned(), reason: error.to_string() })?;
    let builder = tracing_subscriber::fmt().with_env_filter(parsed).with_writer(writer);
    Ok(match format {
        LogFormat::Text => Box::new(builder.with_ansi(colour).finish()),
        LogFormat::Json => Box::new(builder.json().flatten_event(true).finish()),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[track_caller]
    fn check(format: LogFormat, filter: Option<&str>, expected: &[&str], absent: &[&str]) {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = subscriber(format, filter, move || writer.clone(), false).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(host = "api.example", "refused");
            tracing::info!("started");
        });
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        for part in expected {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
        for part in absent {
            assert!(!text.contains(part), "{part} stands in {text}");
        }
    }

    #[test]
    fn the_filter_chooses_and_the_format_shapes() {
        check(LogFormat::Text, None, &["WARN", "refused", "api.example"], &["started", "{"]);
        check(LogFormat::Text, Some("info"), &["refused", "started"], &[]);
        check(LogFormat::Json, None, &["\"message\":\"refused\"", "\"host\":\"api.example\""], &["started"]);
        check(LogFormat::Json, Some("off"), &[], &["refused"]);
    }

    #[test]
    fn a_bad_filter_is_named() {
        let refused = subscriber(LogFormat::Text, Some("gateway=loud"), std::io::stderr, false);
        let said = refused.err().unwrap().to_string();
        assert!(said.contains("GATEWAY_LOG") && said.contains("gateway=loud"), "{said}");
    }
}
