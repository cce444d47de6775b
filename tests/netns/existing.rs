//! Connections that were opened before the gateway came: found, told, and in strict mode closed.

use std::process::Stdio;

use gateway::capture::cgroup;
use gateway_tests::PATIENCE;
use gateway_tests::gateway::Gateway;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};

use super::spaces::net::{Cgroup, Net, Space, status, within};

/// Opens what it is told (`tcp` or `udp`, times a number), says so, then for each line it reads says whether all of them
/// can still send.
const POOL: &str = r#"
import socket, sys
kind, count = sys.argv[1], int(sys.argv[2])
kind = socket.SOCK_STREAM if kind == 'tcp' else socket.SOCK_DGRAM
pool = [socket.socket(socket.AF_INET, kind) for _ in range(count)]
for one in pool: one.connect(('198.51.100.7', 443))
print('open', flush=True)
for line in sys.stdin:
    alive = 0
    for one in pool:
        try:
            if kind == socket.SOCK_STREAM:
                one.setblocking(False)
                try: alive += one.recv(1) != b''
                except BlockingIOError: alive += 1
            else:
                one.send(b'x'); alive += 1
        except OSError: pass
    print(alive, flush=True)
"#;

/// A program with open connections.
struct Pool {
    process: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Pool {
    async fn open(net: &Net, cgroup: &Cgroup, space: Option<&Space>, kind: &str, count: u32) -> Pool {
        let script = format!("exec python3 -c \"{POOL}\" {kind} {count}");
        let mut command = net.program(cgroup, space, &script);
        let mut process = command.stdin(Stdio::piped()).spawn().expect("sh runs");
        let input = process.stdin.take().expect("piped");
        let output = BufReader::new(process.stdout.take().expect("piped")).lines();
        let mut pool = Pool { process, input, output };
        assert_eq!(pool.line().await, "open");
        pool
    }

    async fn line(&mut self) -> String {
        let line = tokio::time::timeout(PATIENCE, self.output.next_line()).await.expect("it answers in time");
        line.expect("readable").expect("it still runs")
    }

    /// How many of them can still send.
    async fn alive(&mut self) -> String {
        self.input.write_all(b"?\n").await.expect("it still runs");
        self.line().await
    }
}

/// Records of connections from before.
async fn told(gateway: &Gateway, count: usize) -> Vec<Value> {
    let earlier = |record: &&Value| {
        record["reason"].as_str().is_some_and(|reason| reason.contains("before the gateway was attached"))
    };
    let enough = |records: &[Value]| records.iter().filter(earlier).count() >= count;
    let records = gateway.state.records_until(enough).await;
    records.iter().filter(earlier).cloned().collect()
}

async fn covered(gateway: &Gateway) -> u64 {
    let text = gateway.state.run(&["status", "--coverage", "--json"]).await;
    let status: Value = serde_json::from_str(&text).expect("JSON");
    let rows = status["rows"].as_array().expect("rows").iter();
    rows.filter(|row| row["decision"] == "before").filter_map(|row| row["connections"].as_u64()).sum()
}

#[test]
fn row_connection_opened_before_attach() {
    within(|net| async move {
        for via in ["ebpf", "nftables"] {
            let cgroup = Cgroup::new("before");
            let mut pool = Pool::open(&net, &cgroup, None, "tcp", 1).await;
            let gateway = net.attach(&["--cgroup", cgroup.path(), "--via", via]).await;
            assert_eq!(pool.alive().await, "0", "{via}: it goes on beside the gateway");
            let said = gateway.said();
            let pid = pool.process.id().expect("it runs");
            assert!(
                said.contains(&format!("python3 (pid {pid}) has a connection to 198.51.100.7:443")),
                "{said}"
            );
            let records = told(&gateway, 1).await;
            let record = records.last().expect("a record");
            assert_eq!(
                (&record["verdict"], &record["principal"]["comm"]),
                (&"refused".into(), &"python3".into())
            );
            assert_eq!(covered(&gateway).await, 1, "{via}");
            assert_eq!(status(&net.ask(&cgroup, None, "hello").await), "200", "the next one is inspected");
            gateway.kill().await;
        }
    });
}

#[test]
fn row_pre_warmed_pool() {
    within(|net| async move {
        // The sockets were made in another cgroup, and their process moved in; and in another network namespace.
        let (elsewhere, cgroup, space) = (Cgroup::new("warm"), Cgroup::new("pool"), net.container());
        let mut pools = vec![
            Pool::open(&net, &elsewhere, None, "tcp", 3).await,
            Pool::open(&net, &elsewhere, Some(&space), "tcp", 2).await,
        ];
        for pool in &pools {
            cgroup::add(&cgroup.0, pool.process.id().expect("it runs")).expect("moved");
        }
        let mut other = Pool::open(&net, &elsewhere, None, "tcp", 1).await;
        let gateway = net.attach(&["--cgroup", cgroup.path()]).await;
        for pool in &mut pools {
            assert_eq!(pool.alive().await, "0", "{}", gateway.said());
        }
        assert_eq!(other.alive().await, "1", "a program outside is left alone");
        assert_eq!(told(&gateway, 5).await.len(), 5);
        assert_eq!(covered(&gateway).await, 5);
        gateway.stop().await;
    });
}

#[test]
fn quic_from_before_is_closed() {
    within(|net| async move {
        let cgroup = Cgroup::new("quic-before");
        let mut pool = Pool::open(&net, &cgroup, None, "udp", 1).await;
        let gateway = net.attach(&["--cgroup", cgroup.path()]).await;
        assert_eq!(pool.alive().await, "0", "{}", gateway.said());
        assert!(
            gateway.said().contains("has a QUIC (UDP) connection to 198.51.100.7:443"),
            "{}",
            gateway.said()
        );
        gateway.stop().await;
    });
}

#[test]
fn warn_mode_reports_and_leaves_them() {
    within(|net| async move {
        for via in ["ebpf", "nftables"] {
            let cgroup = Cgroup::new("warned");
            let mut pool = Pool::open(&net, &cgroup, None, "tcp", 2).await;
            let gateway = net.attach(&["--cgroup", cgroup.path(), "--mode", "warn", "--via", via]).await;
            assert_eq!(pool.alive().await, "2", "{via}");
            let records = told(&gateway, 2).await;
            assert!(records.iter().all(|record| record["verdict"] == "relayed"), "{records:?}");
            assert!(
                gateway.said().contains("not inspected until the program connects again"),
                "{}",
                gateway.said()
            );
            assert_eq!(covered(&gateway).await, 2);
            gateway.stop().await;
        }
    });
}

#[test]
fn row_dns_answer_cached_before_attach() {
    within(|net| async move {
        let cgroup = Cgroup::new("cached");
        let gateway = net.attach(&["--cgroup", cgroup.path()]).await;
        let pinned = super::spaces::net::curl("hello")
            .replace("curl ", "curl --resolve api.openai.com:443:198.51.100.7 ");
        let output = net.run(&cgroup, None, &pinned).await;
        assert_eq!(status(&String::from_utf8_lossy(&output.stdout)), "200");
        let records = gateway.state.records_until(|records| !records.is_empty()).await;
        assert_eq!(records.last().expect("a record")["host"], "api.openai.com");
        gateway.stop().await;
    });
}
