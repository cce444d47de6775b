//! The table of one cgroup, as nft(8) reads it, and what can be read back from it.

use super::RedirectError;
use crate::capture::cgroup;
use serde_json::Value;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Where nft(8) looks for cgroups.
const NFT_CGROUPS: &str = "/sys/fs/cgroup";
/// What our tables are called, before the cgroup's id.
const PREFIX: &str = "gateway_";

/// What the table of one cgroup does.
pub(super) struct Rules {
    /// The cgroup as nft names it: below `/sys/fs/cgroup`.
    path: String,
    /// How many levels below the root of the cgroup tree it is.
    level: usize,
    /// Its id, which names the table.
    id: u64,
    /// Steered ports.
    pub(super) ports: Vec<u16>,
    /// The listener's port, on both loopback addresses.
    pub(super) listener: u16,
    /// Marks the gateway's own sockets where it lives in the cgroup itself.
    pub(super) mark: Option<u32>,
    /// Whether connections are refused that were opened before.
    pub(super) refuse_earlier: bool,
}

impl Rules {
    /// Rules that steer nothing yet.
    pub(super) fn of(cgroup: &Path) -> Result<Rules, RedirectError> {
        let elsewhere = || RedirectError::Elsewhere(cgroup.to_owned());
        let mount = cgroup::mount().map_err(|_| elsewhere())?;
        let level = cgroup.strip_prefix(&mount).map_err(|_| elsewhere())?.components().count();
        if level == 0 {
            return Err(RedirectError::Root(cgroup.to_owned()));
        }
        let below = cgroup.strip_prefix(NFT_CGROUPS).map_err(|_| elsewhere())?;
        let path = below.to_str().filter(|path| !path.contains(['"', '\n']));
        let path = path.ok_or_else(|| RedirectError::Unnameable(cgroup.to_owned()))?.to_owned();
        let id = cgroup::id(cgroup).map_err(|_| elsewhere())?;
        Ok(Rules { path, level, id, ports: Vec::new(), listener: 0, mark: None, refuse_earlier: false })
    }

    /// One transaction: what an earlier gateway left is replaced without a moment between.
    ///
    /// Only a connection's first packet is redirected, so that one opened before is not torn into the listener. What
    /// the filter chain sees with a steered port was therefore not redirected: QUIC, and connections from before.
    pub(super) fn text(&self) -> String {
        let Rules { path, level, listener, .. } = self;
        let ports = list(&self.ports, |_| true);
        let table = name(self.id);
        let own = self.mark.map_or(String::new(), |mark| format!("meta mark != {mark:#x} "));
        let from = format!("socket cgroupv2 level {level} \"{path}\"");
        let mut text = format!(
            "table inet {table}\ndelete table inet {table}\ntable inet {table} {{\n\
             chain steer {{\ntype nat hook output priority -150; policy accept;\n\
             {from} {own}tcp dport {ports} tcp flags & (fin|syn|rst|ack) == syn redirect to :{listener}\n}}\n\
             chain refuse {{\ntype filter hook output priority 0; policy accept;\n{from} {own}goto judge\n}}\n\
             chain judge {{\n\
             meta l4proto tcp ct original proto-dst {listener} fib daddr type local reject with tcp reset\n"
        );
        // Plain HTTP has no QUIC.
        if self.ports.iter().any(|&port| port != 80) {
            let datagrams = list(&self.ports, |port| port != 80);
            let _ = writeln!(text, "udp dport {datagrams} reject with icmpx port-unreachable");
        }
        if self.refuse_earlier {
            let _ = writeln!(text, "tcp dport {ports} reject with tcp reset");
        }
        text.push_str("}\n}\n");
        text
    }

    /// The command that removes the table.
    pub(super) fn removal(&self) -> String {
        removal(&name(self.id))
    }
}

/// A table with every kind of rule that ours have, but for the cgroup: `/sys/fs/cgroup` itself has none.
pub(super) fn sample() -> String {
    format!(
        "table inet {PREFIX}check {{\nchain steer {{\ntype nat hook output priority -150; policy accept;\n\
         tcp dport 443 tcp flags & (fin|syn|rst|ack) == syn redirect to :1\n}}\n\
         chain refuse {{\ntype filter hook output priority 0; policy accept;\n\
         socket transparent 0 meta l4proto tcp ct original proto-dst 1 fib daddr type local reject with tcp reset\n\
         udp dport 443 reject with icmpx port-unreachable\n}}\n}}\n"
    )
}

/// The command that removes a table.
pub(super) fn removal(table: &str) -> String {
    format!("delete table inet {table}\n")
}

/// The table of a cgroup.
pub(super) fn name(id: u64) -> String {
    format!("{PREFIX}{id}")
}

/// The names of our tables in what `nft -j list tables` printed.
pub(super) fn tables(listing: &Value) -> Vec<String> {
    let ours = |entry: &Value| {
        let name = entry["table"]["name"].as_str()?;
        id(name).map(|_| name.to_owned())
    };
    listing["nftables"].as_array().into_iter().flatten().filter_map(ours).collect()
}

/// The cgroup a table of ours is for; where that is gone, a name that [`table_of`] takes back.
pub(super) fn cgroup_of(table: &str) -> PathBuf {
    let found = id(table).and_then(|id| cgroup::find(id).ok().flatten());
    found.unwrap_or_else(|| Path::new("nftables").join(table))
}

/// The table for a cgroup, or for what [`cgroup_of`] gave.
pub(super) fn table_of(cgroup: &Path) -> Option<String> {
    match cgroup.strip_prefix("nftables") {
        Ok(table) => table.to_str().filter(|name| id(name).is_some()).map(str::to_owned),
        Err(_) => cgroup::id(cgroup).ok().map(name),
    }
}

/// The listener's port in what `nft -j list table` printed.
pub(super) fn listener(listing: &Value) -> Option<u16> {
    let rules = listing["nftables"].as_array()?.iter().filter_map(|entry| entry["rule"]["expr"].as_array());
    let port = rules.flatten().find_map(|part| part["redirect"]["port"].as_u64());
    port.and_then(|port| u16::try_from(port).ok())
}

fn id(table: &str) -> Option<u64> {
    table.strip_prefix(PREFIX)?.parse().ok()
}

fn list(ports: &[u16], wanted: impl Fn(u16) -> bool) -> String {
    let wanted = ports.iter().filter(|&&port| wanted(port)).map(u16::to_string);
    format!("{{ {} }}", wanted.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        Rules {
            path: "unified/a/b".to_owned(),
            level: 2,
            id: 7,
            ports: vec![80, 443],
            listener: 4443,
            mark: None,
            refuse_earlier: false,
        }
    }

    #[test]
    fn the_table_says_what_was_asked() {
        let check = |change: fn(&mut Rules), part: &str, expected: bool| {
            let mut rules = rules();
            change(&mut rules);
            assert_eq!(rules.text().contains(part), expected, "{part} in {}", rules.text());
        };
        check(|_| (), "socket cgroupv2 level 2 \"unified/a/b\" tcp dport { 80, 443 }", true);
        check(|_| (), "redirect to :4443", true);
        check(|_| (), "udp dport { 443 } reject", true);
        check(|rules| rules.ports = vec![80], "udp", false);
        check(|_| (), "mark", false);
        check(|rules| rules.mark = Some(0xabc), "meta mark != 0xabc tcp dport", true);
        check(|_| (), "tcp dport { 80, 443 } reject", false);
        check(|rules| rules.refuse_earlier = true, "tcp dport { 80, 443 } reject with tcp reset", true);
        check(|_| (), "table inet gateway_7\ndelete table inet gateway_7\ntable inet gateway_7 {", true);
    }

    #[test]
    fn listings_are_read_back() {
        let listing = serde_json::json!({"nftables": [
            {"metainfo": {"version": "1.0.6"}},
            {"table": {"family": "inet", "name": "gateway_42"}},
            {"table": {"family": "inet", "name": "gateway_of_somebody"}},
            {"table": {"family": "ip", "name": "nat"}},
            {"rule": {"expr": [{"match": {}}, {"counter": null}, {"redirect": {"port": 4443}}]}},
        ]});
        assert_eq!(tables(&listing), ["gateway_42"]);
        assert_eq!(listener(&listing), Some(4443));
        assert_eq!(listener(&serde_json::json!({"nftables": []})), None);
        assert_eq!(table_of(Path::new("nftables/gateway_42")).as_deref(), Some("gateway_42"));
        assert_eq!(table_of(Path::new("nftables/nat")), None);
    }
}
