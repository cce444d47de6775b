//! The catalogue of metrics, and the page that a scraper reads.
//!
//! Everything is written in the OpenMetrics text format. Numbers are read when the page is asked for; nothing here is
//! on the path of a flow. Labels are bounded: apps and decisions are few, hosts are at most [`MOST_HOSTS`] an app.

use std::{collections::BTreeMap, fmt};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text::encode},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::{Registry, Unit},
};

use super::Snapshot;

/// Most values of a `host` label for each app; the rest are counted together as `(other)`.
pub const MOST_HOSTS: usize = 100;

/// Counters of the catalogue whose value may stand still at a height: they are gauges.
const GAUGES: &[&str] = &["held_bytes_highest"];

/// What was asked of the network by one app, and came to one decision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Egress {
    /// The app.
    pub app: String,
    /// What became of the connections: `inspected`, `relayed`, `refused`, ….
    pub decision: &'static str,
    /// How many.
    pub connections: u64,
    /// Bytes from the program.
    pub up: u64,
    /// Bytes to the program.
    pub down: u64,
}

/// Handshakes that programs of one app broke off because they do not trust our certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    /// The app.
    pub app: String,
    /// The host they were for.
    pub host: String,
    /// How many.
    pub count: u64,
}

/// All metrics at about one moment.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The counters of the process.
    pub counters: Snapshot,
    /// One entry for each app and decision.
    pub egress: Vec<Egress>,
    /// One entry for each app and host.
    pub untrusted: Vec<Refusals>,
}

/// How a page is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics text 1.0.
    OpenMetrics,
    /// The older text format of Prometheus, 0.0.4.
    Text,
}

impl Format {
    /// The format for an `Accept` header: OpenMetrics where it is asked for, the older text for everyone else.
    pub fn accepted(accept: &str) -> Format {
        match accept.contains("application/openmetrics-text") {
            true => Format::OpenMetrics,
            false => Format::Text,
        }
    }

    /// The `Content-Type` of a page.
    pub const fn content_type(self) -> &'static str {
        match self {
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

impl Page {
    /// Writes the page.
    pub fn write(self, format: Format) -> String {
        let mut registry = Registry::with_prefix("gateway");
        registry.register_collector(Box::new(self.bounded()));
        let mut text = String::new();
        encode(&mut text, &registry).expect("writing to a text does not fail");
        match format {
            Format::OpenMetrics => text,
            Format::Text => older(&text),
        }
    }

    /// With the hosts of each app bounded: those with most handshakes keep their names.
    fn bounded(mut self) -> Page {
        self.untrusted.sort_by_key(|refusals| std::cmp::Reverse(refusals.count));
        let mut hosts: BTreeMap<String, usize> = BTreeMap::new();
        let mut merged: BTreeMap<(String, String), u64> = BTreeMap::new();
        for Refusals { app, host, count } in self.untrusted {
            let seen = hosts.entry(app.clone()).or_default();
            *seen += 1;
            let host = if *seen <= MOST_HOSTS { host } else { "(other)".to_owned() };
            *merged.entry((app, host)).or_default() += count;
        }
        let one = |((app, host), count)| Refusals { app, host, count };
        Page { untrusted: merged.into_iter().map(one).collect(), ..self }
    }
}

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for (name, value, meaning) in self.counters.rows() {
            if GAUGES.contains(&name) {
                let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
                gauge.encode(encoder.encode_descriptor(name, meaning, None, gauge.metric_type())?)?;
            } else {
                let counter = ConstCounter::new(value);
                counter.encode(encoder.encode_descriptor(name, meaning, None, counter.metric_type())?)?;
            }
        }
        self.encode_egress(&mut encoder)?;
        let rows = self.untrusted.iter().map(|of| (labels([("app", &of.app), ("host", &of.host)]), of.count));
        let help = "Handshakes in which a client refused our certificate, by app and host.";
        family(&mut encoder, "untrusted_handshakes", help, None, rows)
    }
}

impl Page {
    fn encode_egress(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let connections = self
            .egress
            .iter()
            .map(|of| (labels([("app", &of.app), ("decision", of.decision)]), of.connections));
        let help = "Connections that programs opened, by app and by what became of them.";
        family(encoder, "egress_connections", help, None, connections)?;
        let bytes = self.egress.iter().flat_map(|of| {
            let to =
                |direction| labels([("app", &of.app), ("decision", of.decision), ("direction", direction)]);
            [(to("up"), of.up), (to("down"), of.down)]
        });
        let help = "Bytes of those connections, by app, by what became of them, and by direction.";
        family(encoder, "egress", help, Some(&Unit::Bytes), bytes)
    }
}

/// Labels with their values as the text format wants them: the library writes values as they are.
fn labels<const N: usize>(labels: [(&'static str, &str); N]) -> [(&'static str, String); N] {
    labels.map(|(name, value)| (name, value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")))
}

/// Writes a counter with a row for each set of labels; nothing where there is no row.
fn family<const N: usize>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    rows: impl Iterator<Item = ([(&'static str, String); N], u64)>,
) -> Result<(), fmt::Error> {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return Ok(());
    }
    let kind = ConstCounter::new(0_u64).metric_type();
    let mut descriptor = encoder.encode_descriptor(name, help, unit, kind)?;
    for (labels, count) in rows {
        ConstCounter::new(count).encode(descriptor.encode_family(&labels)?)?;
    }
    Ok(())
}

/// The page in the older format: there a counter's name holds its `_total`, and units and the end are not written.
fn older(text: &str) -> String {
    let counters: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect();
    let mut page = String::with_capacity(text.len());
    for line in text.lines().filter(|line| !line.starts_with("# UNIT ") && *line != "# EOF") {
        let mut parts = line.splitn(4, ' ');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some("#"), Some(what), Some(name), Some(rest)) if counters.contains(&name) => {
                page.push_str(&format!("# {what} {name}_total {rest}"));
            }
            _ => page.push_str(line),
        }
        page.push('\n');
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Page {
        let egress =
            |app: &str, decision| Egress { app: app.to_owned(), decision, connections: 3, up: 10, down: 20 };
        let refusals = |host: String, count| Refusals { app: "agents".to_owned(), host, count };
        Page {
            counters: Snapshot { flows: 5, held_bytes_highest: 7, ..Snapshot::default() },
            egress: vec![egress("agents", "inspected"), egress("a \"b\"\\\n", "relayed")],
            untrusted: (0..MOST_HOSTS as u64 + 2).map(|n| refusals(format!("h{n}.example"), n + 1)).collect(),
        }
    }

    #[test]
    fn the_page_names_every_counter_and_ends_as_its_format_says() {
        let text = page().write(Format::OpenMetrics);
        for (name, ..) in Snapshot::default().rows() {
            assert!(text.contains(&format!("# HELP gateway_{name} ")), "{name} is missing in {text}");
        }
        for line in [
            "gateway_flows_total 5",
            "gateway_held_bytes_highest 7",
            "gateway_egress_connections_total{app=\"agents\",decision=\"inspected\"} 3",
            "gateway_egress_bytes_total{app=\"agents\",decision=\"inspected\",direction=\"down\"} 20",
            "gateway_egress_connections_total{app=\"a \\\"b\\\"\\\\\\n\",decision=\"relayed\"} 3",
        ] {
            assert!(text.lines().any(|known| known == line), "{line} is missing in {text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn the_older_format_has_the_same_samples() {
        let (new, old) = (page().write(Format::OpenMetrics), page().write(Format::Text));
        let samples = |text: &str| {
            text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(samples(&new), samples(&old));
        assert!(old.contains("# TYPE gateway_flows_total counter") && !old.contains("# EOF"), "{old}");
    }

    #[test]
    fn hosts_are_bounded_and_none_is_lost() {
        let text = page().write(Format::OpenMetrics);
        let rows: Vec<&str> =
            text.lines().filter(|line| line.starts_with("gateway_untrusted_handshakes_total{")).collect();
        assert_eq!(rows.len(), MOST_HOSTS + 1);
        // The two with the fewest, one and two.
        assert!(rows.iter().any(|row| row.contains("host=\"(other)\"") && row.ends_with(" 3")), "{rows:?}");
    }

    #[test]
    fn the_format_is_what_was_asked_for() {
        let prometheus =
            "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        assert_eq!(Format::accepted(prometheus), Format::OpenMetrics);
        for other in ["", "*/*", "text/plain"] {
            assert_eq!(Format::accepted(other), Format::Text);
        }
    }
}
