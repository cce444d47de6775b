//! The load generator of the bench: drives one target in a closed loop and prints one JSON object.

mod samples;
mod stamps;
mod target;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use gateway_tests::cpu;
use serde_json::json;
use tokio::sync::Barrier;

use samples::Samples;
use target::{Connection, Target};

/// Longest a single request may take.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Parser, Clone)]
#[command(about = "Load generator for measurements; prints one JSON object")]
struct Options {
    /// Where requests go, for example https://api.openai.com/v1/chat/completions.
    #[arg(long)]
    url: String,
    /// Dial this host:port instead of the one in the URL.
    #[arg(long)]
    dial: Option<String>,
    /// Reach the URL through an HTTP CONNECT proxy at this host:port.
    #[arg(long)]
    connect: Option<String>,
    /// PEM file with roots to trust; may be repeated.
    #[arg(long)]
    ca: Vec<PathBuf>,
    /// Ask for a streamed answer of this many deltas (0: not streamed).
    #[arg(long, default_value_t = 0)]
    stream: u32,
    /// Microseconds between the deltas of a stream.
    #[arg(long, default_value_t = 0)]
    pace_us: u32,
    /// Words of an answer that is not streamed.
    #[arg(long, default_value_t = 64)]
    words: u32,
    /// Deltas begin with their space, as tokens of real models do, in place of ending with it.
    #[arg(long)]
    lead: bool,
    /// Length of the prompt in bytes.
    #[arg(long, default_value_t = 2048)]
    prompt_bytes: usize,
    /// Concurrent workers.
    #[arg(short, long, default_value_t = 1)]
    concurrency: usize,
    /// Stop after this long.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Requests a worker sends before counting starts.
    #[arg(long, default_value_t = 50)]
    warmup: u64,
    /// Start worker N this many microseconds times N late, so that streams do not tick in step.
    #[arg(long, default_value_t = 0)]
    stagger_us: u64,
    /// A new connection, with a full TLS handshake, for every request.
    #[arg(long)]
    fresh: bool,
    /// Process group of the proxy: its CPU time and memory are reported.
    #[arg(long)]
    group: Option<u32>,
}

/// Counters and samples of one worker.
#[derive(Default)]
struct Tally {
    requests: u64,
    errors: u64,
    deltas: u64,
    last_error: Option<String>,
    latency: Samples,
    first: Samples,
    one_way: Samples,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run(options))
}

async fn run(options: Options) -> anyhow::Result<()> {
    let target = Arc::new(Target::new(&options)?);
    let gate = Arc::new(Barrier::new(options.concurrency + 1));
    let worker = |index| tokio::spawn(work(index, options.clone(), target.clone(), gate.clone()));
    let workers: Vec<_> = (0..options.concurrency).map(worker).collect();
    gate.wait().await; // every worker is warm
    let before = options.group.map(cpu::sample);
    let started = Instant::now();
    gate.wait().await; // go
    let mut sum = Tally::default();
    for worker in workers {
        sum.add(worker.await?);
    }
    let elapsed = started.elapsed().as_secs_f64();
    let after = options.group.map(cpu::sample);
    let mut report = sum.report(elapsed);
    if let (Some(before), Some(after)) = (before, after) {
        let cpu = after.cpu_seconds - before.cpu_seconds;
        report["cpu_s_per_1k"] = (cpu * 1000.0 / sum.requests.max(1) as f64).into();
        report["cpu_us_per_delta"] = (cpu * 1e6 / sum.deltas.max(1) as f64).into();
        report["rss_mib"] = (after.rss_kib as f64 / 1024.0).into();
    }
    println!("{report}");
    Ok(())
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.deltas += other.deltas;
        self.last_error = other.last_error.or(self.last_error.take());
        self.latency.merge(other.latency);
        self.first.merge(other.first);
        self.one_way.merge(other.one_way);
    }

    fn report(&mut self, elapsed: f64) -> serde_json::Value {
        json!({
            "requests": self.requests, "errors": self.errors, "last_error": self.last_error, "seconds": elapsed,
            "requests_per_s": self.requests as f64 / elapsed, "deltas": self.deltas,
            "deltas_per_s": self.deltas as f64 / elapsed, "latency_us": self.latency.summary(),
            "first_us": self.first.summary(), "one_way_us": self.one_way.summary(),
        })
    }
}

/// One worker: warms up, waits for the others, and asks until the time is over.
async fn work(index: usize, options: Options, target: Arc<Target>, gate: Arc<Barrier>) -> Tally {
    let (mut tally, mut connection) = (Tally::default(), None);
    for _ in 0..options.warmup {
        one(&options, &target, &mut connection, &mut tally).await;
    }
    tally = Tally { last_error: tally.last_error, ..Tally::default() };
    gate.wait().await;
    gate.wait().await;
    tokio::time::sleep(Duration::from_micros(options.stagger_us * index as u64)).await;
    let end = Instant::now() + Duration::from_secs_f64(options.seconds);
    while Instant::now() < end {
        one(&options, &target, &mut connection, &mut tally).await;
    }
    tally
}

/// Sends one request, on the open connection if there is one.
async fn one(options: &Options, target: &Target, connection: &mut Option<Connection>, tally: &mut Tally) {
    let begun = Instant::now();
    if options.fresh {
        *connection = None;
    }
    let attempt = async {
        let mut open = match connection.take() {
            Some(open) if !open.is_closed() => open,
            _ => target.open().await?,
        };
        let answer = target.ask(&mut open, begun).await?;
        anyhow::Ok((open, answer))
    };
    let failure = match tokio::time::timeout(PATIENCE, attempt).await {
        Ok(Ok((open, answer))) => {
            *connection = Some(open);
            tally.requests += 1;
            tally.latency.push(begun.elapsed());
            tally.deltas += answer.one_way.len() as u64;
            let missing = (answer.one_way.len() != options.stream as usize)
                .then(|| format!("{} of {} deltas came", answer.one_way.len(), options.stream));
            answer.first.into_iter().for_each(|first| tally.first.push(first));
            answer.one_way.into_iter().for_each(|took| tally.one_way.push(took));
            missing
        }
        Ok(Err(error)) => Some(format!("{error:#}")),
        Err(_) => Some(format!("no whole answer after {PATIENCE:?}")),
    };
    if let Some(failure) = failure {
        tally.errors += 1;
        tally.last_error = Some(failure);
    }
}
